"""`flask release`, `flask reindex`, `flask status`: what operators run."""

import sys
import time

import click
import flask_migrate
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import Progress

from app.api.status import read_status
from app.cli.terminal import show_json, show_record
from app.identity import decisions
from app.models import db
from app.services import services
from app.stream import REPOINT


@click.command("release")
@with_appcontext
def release() -> None:
    """Make or upgrade all tables; the second time it does nothing. Run it before a new version starts.

    Example: flask --app app release
    """
    flask_migrate.upgrade()
    services().backend.setup()
    click.echo("all tables are up to date")


@click.command("reindex")
@with_appcontext
def reindex() -> None:
    """Recompute whose every stored event is; the worker moves those that lie elsewhere.

    Example: flask --app app reindex
    """
    shared = services()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("identifiers", total=None)
        total = decisions.reindex(shared.identity, shared.backend, lambda done: progress.update(task, completed=done))
    shared.wake(REPOINT)
    click.echo(f"{total} identifiers are noted; the worker goes through them")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs; with --watch, one a line.")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option("--interval", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between two looks.")
@with_appcontext
def status(as_json: bool, watch: bool, interval: float) -> None:
    """Show how much waits, what is left open, and who is there to work.

    Example: flask --app app status --watch
    """
    try:
        _look(as_json, watch and sys.stdout.isatty())
        while watch:
            time.sleep(interval)
            _look(as_json, sys.stdout.isatty())
    except KeyboardInterrupt:
        click.echo(err=True)


def _look(as_json: bool, on_a_clear_screen: bool) -> None:
    record = read_status()
    db.session.rollback()  # the next look sees what is written until then
    if as_json:
        show_json(record)
        return
    if on_a_clear_screen:
        click.clear()
    show_record(record)


commands = (release, reindex, status)
