"""`flask profiles`: look at profiles, and decide about them."""

import click
from flask.cli import AppGroup

from app.api.explaining import explain_profile
from app.api.shapes import profile_shape
from app.cli.terminal import fail, show_record
from app.identity import decisions, deletions, profiles
from app.identity.profiles import ProfileRecord
from app.services import services
from app.stream import DELETE, REPOINT

group = AppGroup("profiles", help="Look at profiles; merge, revert and delete them.")


@group.command("show")
@click.argument("guid", required=False)
@click.option("--user-id", help="Instead of the guid.")
@click.option("--anonymous-id", help="Instead of the guid.")
def show(guid: str | None, user_id: str | None, anonymous_id: str | None) -> None:
    """Show a profile."""
    show_record(profile_shape(_named(guid, user_id, anonymous_id)))


@group.command("explain")
@click.argument("guid")
def explain(guid: str) -> None:
    """Show what holds the profile GUID together."""
    show_record(explain_profile(_profile(guid)))


@group.command("merge")
@click.argument("guid")
@click.argument("source")
def merge(guid: str, source: str) -> None:
    """Let the profile GUID take in the profile SOURCE."""
    try:
        made = decisions.merge(services().identity, _profile(guid), _profile(source))
    except decisions.CannotMerge as error:
        fail(str(error))
    services().wake(REPOINT)
    click.echo(f"merged; `flask profiles revert {made}` takes it back" if made else "they are one profile already")


@group.command("revert")
@click.argument("merge_guid")
def revert(merge_guid: str) -> None:
    """Take back the merge MERGE_GUID."""
    if not decisions.revert(services().identity, merge_guid):
        fail(f"there is no merge {merge_guid!r}")
    services().wake(REPOINT)
    click.echo("reverted")


@group.command("delete")
@click.argument("guid")
@click.option("--suppress", is_flag=True, help="Store nothing of them from now on, either.")
@click.confirmation_option(prompt="Their events will be deleted too, for good. Go on?")
def delete(guid: str, suppress: bool) -> None:
    """Forget the person or device of the profile GUID, with all events."""
    deletions.delete(services().identity, _profile(guid), suppress)
    services().wake(DELETE)
    click.echo("deleted; the worker deletes the events")


def _named(guid: str | None, user_id: str | None, anonymous_id: str | None) -> ProfileRecord:
    names = {"guid": guid, "user": user_id, "anonymous": anonymous_id}
    given = [(kind, value) for kind, value in names.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError("name the profile in one way: by its GUID, --user-id or --anonymous-id")
    kind, value = given[0]
    found = _profile(value) if kind == "guid" else profiles.find_by(services().identity, kind, value)
    return found or fail(f"there is no profile of {value!r}")


def _profile(guid: str) -> ProfileRecord:
    return profiles.find(services().identity, guid) or fail(f"there is no profile {guid!r}")


commands = (group,)
