"""`flask dead-letters`: events that could not be stored."""

from collections.abc import Callable, Sequence

import click
import redis
import sqlalchemy as sa
from flask.cli import AppGroup

from app import dead_letters
from app.api.dead_letters import read_page
from app.cli.terminal import fail, show_table
from app.models import DeadLetter, db
from app.stream import BufferFull

group = AppGroup("dead-letters", help="List, retry and drop events that could not be stored.")

AT_ONCE = 500


@group.command("list")
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
def list_all(limit: int) -> None:
    """List dead letters with the last line of what they did.

    Example: flask --app app dead-letters list --limit 10
    """
    letters = read_page(limit)
    rows = [(one.guid, one.created_at, dead_letters.event_of(one).type, one.reason.strip().split("\n")[-1]) for one in letters]
    show_table(["guid", "parked at", "type", "reason"], rows)


@group.command("retry")
@click.argument("guids", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
def retry(guids: tuple[str, ...], is_all: bool) -> None:
    """Put dead letters back into the stream.

    Example: flask --app app dead-letters retry --all
    """
    try:
        click.echo(f"{_each(dead_letters.retry, guids, is_all)} sent again")
    except (BufferFull, redis.RedisError) as error:
        fail(f"not all could be sent, the rest stays: {error}")


@group.command("drop")
@click.argument("guids", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
def drop(guids: tuple[str, ...], is_all: bool) -> None:
    """Forget dead letters for good.

    Example: flask --app app dead-letters drop --all
    """
    click.echo(f"{_each(dead_letters.drop, guids, is_all)} dropped")


def _each(act: Callable[[Sequence[str]], int], guids: tuple[str, ...], is_all: bool) -> int:
    if bool(guids) == is_all:
        raise click.UsageError("name GUIDS, or say --all")
    chosen = list(db.session.scalars(sa.select(DeadLetter.guid))) if is_all else list(guids)
    return sum(act(chosen[start : start + AT_ONCE]) for start in range(0, len(chosen), AT_ONCE))


commands = (group,)
