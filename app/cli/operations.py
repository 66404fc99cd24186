"""`flask release`, `flask reindex`, `flask status`: what operators run."""

import click
import flask_migrate
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import Progress

from app.api.status import read_status
from app.cli.terminal import show_record
from app.identity import decisions
from app.services import services
from app.stream import REPOINT


@click.command("release")
@with_appcontext
def release() -> None:
    """Make or upgrade all tables. Run it before a new version starts; the second time it does nothing."""
    flask_migrate.upgrade()
    services().backend.setup()
    click.echo("all tables are up to date")


@click.command("reindex")
@with_appcontext
def reindex() -> None:
    """Recompute whose every stored event is; the worker moves those that lie elsewhere."""
    shared = services()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("identifiers", total=None)
        total = decisions.reindex(shared.identity, shared.backend, lambda done: progress.update(task, completed=done))
    shared.wake(REPOINT)
    click.echo(f"{total} identifiers are noted; the worker goes through them")


@click.command("status")
@with_appcontext
def status() -> None:
    """Show how much waits, what is left open, and who is there to work."""
    show_record(read_status())


commands = (release, reindex, status)
