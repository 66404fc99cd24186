"""`flask suppressions`: ids of which nothing is stored."""

import click
from flask.cli import AppGroup

from app.cli.terminal import fail, show_table
from app.identity import suppressions
from app.services import services
from backends.event import MAX_ID_LENGTH

PAGE = 1000

group = AppGroup("suppressions", help="Ids of which no event is stored, however it comes.")
_which = click.argument("kind", type=click.Choice(["user", "anonymous"]))


@group.command("add")
@_which
@click.argument("value")
def add(kind: str, value: str) -> None:
    """Store nothing of this id from now on. What is stored already stays: delete the profile for that.

    Example: flask --app app suppressions add user ann
    """
    if not 0 < len(value) <= MAX_ID_LENGTH:
        fail(f"the id has {len(value)} characters: give it 1 to {MAX_ID_LENGTH}")
    suppressions.suppress(services().identity, kind, value)
    click.echo("suppressed")


@group.command("remove")
@_which
@click.argument("value")
def remove(kind: str, value: str) -> None:
    """Store events of this id again.

    Example: flask --app app suppressions remove user ann
    """
    if not suppressions.release(services().identity, kind, value):
        fail(f"{value!r} is not suppressed")
    click.echo("removed")


@group.command("list")
def list_all() -> None:
    """List all suppressed ids, and how many events of each were refused.

    Example: flask --app app suppressions list
    """
    rows, after = [], None
    while page := suppressions.page(services().identity, PAGE, after):
        rows += [(row.kind, row.value, row.refused, row.created_at) for row in page]
        after = (page[-1].kind, page[-1].value)
    show_table(["kind", "value", "refused", "since"], rows)
