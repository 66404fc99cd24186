"""`flask profiles`: look at profiles, and decide about them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from app.api.describing import profile_shapes
from app.api.explaining import explain_profile
from app.api.shapes import Json
from app.cli.exporting import place_of, write
from app.cli.terminal import fail, show_json, show_record, show_table
from app.exporting.lines import FORMS
from app.exporting.profile import profile_lines
from app.exporting.profiles import segment_lines
from app.identity import decisions, deletions, profiles
from app.identity.profiles import ProfileRecord
from app.properties.reading import keys_of
from app.segments import reading
from app.segments.filters import InvalidFilter
from app.segments.matching import Place
from app.segments.segment import InvalidSort, Segment, make_segment
from app.services import services
from app.stream import DELETE, REPOINT

group = AppGroup("profiles", help="List profiles, and look at them; merge, revert, delete and export them.")

SHOWN = 50

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")


def naming(command: Callable[..., None]) -> Callable[..., None]:
    """Let the command be told a profile by its guid, a userId or an anonymousId."""
    command = click.option("--anonymous-id", metavar="ID", help="A device of the profile, instead of GUID.")(command)
    command = click.option("--user-id", metavar="ID", help="A user of the profile, instead of GUID.")(command)
    return click.argument("guid", required=False)(command)


@group.command("show")
@naming
@_json
def show(guid: str | None, user_id: str | None, anonymous_id: str | None, as_json: bool) -> None:
    """Show a profile.

    Example: flask --app app profiles show --user-id ann
    """
    _show(profile_shapes([_named(guid, user_id, anonymous_id)])[0], as_json)


@group.command("list")
@click.option("--filter", metavar="FILTER", help="Only those for which it holds, as in 'spent > 3 and seen within 30 days'.")
@click.option("--sort", metavar="KEY", help="By the values of this property; descending with a - before it.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many; {SHOWN} in a table, if nothing is said.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Write one line each, instead of a table.")
@click.option("--after", metavar="GUID", help="Go on behind this profile: the last that was written.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; added to with --after.")
def list_all(
    filter: str | None, sort: str | None, limit: int | None, form: str | None, after: str | None, output: Path | None
) -> None:
    """List profiles with their properties.

    Example: flask --app app profiles list --filter 'purchases > 3' --sort=-purchases --format csv --output buyers.csv
    """
    segment = _segment(filter, sort)
    place = reading.place_of(services().identity, segment, after) if after is not None else None
    if after is not None and place is None:
        raise click.BadParameter(f"there is no profile {after!r} to go on behind", param_hint="--after")
    if form or output:
        lines = segment_lines(segment, keys_of(services().identity), form or FORMS[0], place, limit)
        return write(lines, output, after is not None, "profiles")
    _show_profiles(segment, limit or SHOWN, place)


@group.command("explain")
@naming
@_json
def explain(guid: str | None, user_id: str | None, anonymous_id: str | None, as_json: bool) -> None:
    """Show what holds a profile together.

    Example: flask --app app profiles explain --user-id ann
    """
    _show(explain_profile(_named(guid, user_id, anonymous_id)), as_json)


@group.command("merge")
@click.argument("guids", nargs=-1, metavar="[GUID] [SOURCE]")
@click.option("--user-id", metavar="ID", help="A user of the profile that stays, instead of GUID.")
@click.option("--anonymous-id", metavar="ID", help="A device of the profile that stays, instead of GUID.")
@click.option("--source-user-id", metavar="ID", help="A user of the other profile, instead of SOURCE.")
@click.option("--source-anonymous-id", metavar="ID", help="A device of the other profile, instead of SOURCE.")
@_json
def merge(
    guids: tuple[str, ...],
    user_id: str | None,
    anonymous_id: str | None,
    source_user_id: str | None,
    source_anonymous_id: str | None,
    as_json: bool,
) -> None:
    """Let a profile take in the profile SOURCE.

    Example: flask --app app profiles merge --user-id ann --source-user-id ann@example.com
    """
    rest = list(guids)
    stays = _named(rest.pop(0) if rest and user_id is anonymous_id is None else None, user_id, anonymous_id)
    source = _named(rest.pop(0) if rest else None, source_user_id, source_anonymous_id)
    if rest:
        raise click.UsageError(f"{rest[0]!r} is one profile too many: two are merged at a time")
    try:
        made = decisions.merge(services().identity, stays, source)
    except decisions.CannotMerge as error:
        fail(str(error))
    services().wake(REPOINT)
    told = f"merged; `flask profiles revert {made}` takes it back" if made else "they are one profile already"
    _tell(told, {"merge": made}, as_json)


@group.command("revert")
@click.argument("merge_guid")
@_json
def revert(merge_guid: str, as_json: bool) -> None:
    """Take back the merge MERGE_GUID, which `profiles explain` names.

    Example: flask --app app profiles revert mrg_018f
    """
    if not decisions.revert(services().identity, merge_guid):
        fail(f"there is no merge {merge_guid!r}")
    services().wake(REPOINT)
    _tell("reverted", {"reverted": merge_guid}, as_json)


@group.command("delete")
@naming
@click.option("--suppress", is_flag=True, help="Store nothing of them from now on, either.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_json
def delete(
    guid: str | None, user_id: str | None, anonymous_id: str | None, suppress: bool, yes: bool, as_json: bool
) -> None:
    """Forget the person or device of a profile, with all events.

    Example: flask --app app profiles delete --user-id ann --yes
    """
    profile = _named(guid, user_id, anonymous_id)
    if not yes:
        click.confirm(f"All events of {profile.guid} will be deleted too, for good. Go on?", abort=True, err=True)
    deletions.delete(services().identity, profile, suppress)
    services().wake(DELETE)
    _tell("deleted; the worker deletes the events", {"deleted": profile.guid}, as_json)


@group.command("export")
@naming
@click.option("--after", metavar="GUID", help="Go on behind this event: the last that a broken export wrote.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; added to with --after.")
def export(
    guid: str | None, user_id: str | None, anonymous_id: str | None, after: str | None, output: Path | None
) -> None:
    """Write all that is held on a person or device, as NDJSON.

    Example: flask --app app profiles export --user-id ann --output ann.ndjson
    """
    profile = _named(guid, user_id, anonymous_id)
    write(profile_lines(profile, place_of(after)), output, after is not None, "lines")


def _segment(filter: str | None, sort: str | None) -> Segment:
    fields = reading.fields_of(services().identity, services().settings.user_id_property)
    try:
        return make_segment(filter, sort, fields, datetime.now(UTC))
    except InvalidFilter as error:
        fail(f"--filter {filter!r}: {error}")
    except InvalidSort as error:
        fail(f"--sort {sort!r}: {error}")


def _show_profiles(segment: Segment, limit: int, after: Place | None) -> None:
    members = reading.page(services().identity, segment, limit, after)
    shapes = profile_shapes([one.profile for one in members])
    keys = sorted({key for shape in shapes for key in shape["properties"]})
    rows = [[one["guid"], one["identifiers"][0]["value"], *_values(one, keys)] for one in shapes]
    show_table(["guid", "id", *keys], rows)
    click.echo(f"{len(rows)} of {reading.count(services().identity, segment)}", err=True)


def _values(shape: Json, keys: list[str]) -> list[object]:
    return [shape["properties"][key]["value"] if key in shape["properties"] else None for key in keys]


def _show(record: Json, as_json: bool) -> None:
    (show_json if as_json else show_record)(record)


def _tell(said: str, record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(record)
    else:
        click.echo(said)


def _named(guid: str | None, user_id: str | None, anonymous_id: str | None) -> ProfileRecord:
    names = {"guid": guid, "user": user_id, "anonymous": anonymous_id}
    given = [(kind, value) for kind, value in names.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError("name each profile in one way: by its GUID, a user id or an anonymous id")
    kind, value = given[0]
    identity = services().identity
    found = profiles.find(identity, value) if kind == "guid" else profiles.find_by(identity, kind, value)
    return found or fail(f"there is no profile of {value!r}")


commands = (group,)
