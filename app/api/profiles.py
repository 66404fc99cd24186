"""Profiles: reading them, and deciding about them. A decision is written here; the worker carries it out."""

from flask import Blueprint, Response, g, request

from app.api import segments
from app.api.bodies import MergeBody, read_body
from app.api.describing import profile_shapes
from app.api.events import FILTERS, PAGING, answer_page, explain_stored
from app.api.explaining import explain_profile
from app.api.exports import read_form, read_place, stream
from app.api.parameters import check_parameters, read_flag
from app.api.refusals import conflict, unknown
from app.api.segments import SELECTING, read_segment
from app.api.shapes import Json, identifier_shapes, property_shape
from app.auth import forbidden, requires
from app.exporting.profile import profile_lines
from app.exporting.profiles import segment_lines
from app.identity import decisions, deletions, profiles
from app.identity.profiles import ProfileRecord
from app.properties.reading import Known, find_by_unique, keys_of, properties_of
from app.services import services
from app.stream import DELETE, REPOINT

routes = Blueprint("profiles", __name__)


@routes.get("/profiles")
@requires("profiles:read")
def list_all() -> Json:
    """Profiles: all, or those of a filter on their properties; in order of their guids, or sorted by a property."""
    check_parameters([*SELECTING, "count", *PAGING])
    return segments.answer_page(read_segment())


@routes.get("/profiles/export")
@requires("profiles:read")
def export_all() -> Response:
    """The same as one stream."""
    check_parameters([*SELECTING, "after", "format"])
    form, segment, keys = read_form(), read_segment(), keys_of(services().identity)
    return stream(segment_lines(segment, keys, form, segments.read_last(segment)), form, "profiles")


@routes.get("/profiles/<guid>")
@requires("profiles:read")
def show(guid: str) -> Json:
    """One profile; by a guid that was merged away, the profile that it leads to."""
    check_parameters([])
    return {"profile": profile_shapes([find_profile(guid)])[0]}


@routes.get("/profiles/by/<key>/<path:value>", merge_slashes=False)
@requires("profiles:read")
def show_by(key: str, value: str) -> Json:
    """The profile of a userId, an anonymousId, or a value of a unique property."""
    check_parameters([])
    store = services().identity
    kinds = {"userId": "user", services().settings.user_id_property: "user", "anonymousId": "anonymous"}
    if key in kinds:
        found = profiles.find_by(store, kinds[key], value)
    else:
        is_known, guid = find_by_unique(store, key, value)
        if not is_known:
            raise unknown("profile key", key)
        found = profiles.find(store, guid) if guid else None
    if found is None:
        raise unknown("profile", value)
    return {"profile": profile_shapes([found])[0]}


@routes.get("/profiles/<guid>/properties")
@requires("profiles:read")
def properties(guid: str) -> Json:
    """The properties of the profile: each value, when and by which rule it was computed."""
    check_parameters([])
    found = find_profile(guid).guid
    return {"properties": {key: property_shape(known) for key, known in _properties_of(found).items()}}


@routes.get("/profiles/<guid>/events")
@requires("profiles:read", "events:read")
def events(guid: str) -> Json:
    """The profile's events, with the filters of all events."""
    check_parameters([*FILTERS, *PAGING], takes_data=True)
    return answer_page(find_profile(guid).guid)


@routes.get("/profiles/<guid>/identifiers")
@requires("profiles:read")
def identifiers(guid: str) -> Json:
    """The userIds and devices of the profile."""
    check_parameters([])
    return {"identifiers": identifier_shapes(find_profile(guid))}


@routes.get("/profiles/<guid>/export")
@requires("profiles:read", "events:read")
def export(guid: str) -> Response:
    """All that is held on the person or device, as one stream."""
    check_parameters(["after"])
    profile, place = find_profile(guid), read_place()
    return stream(profile_lines(profile, place), "ndjson", "profile")


@routes.get("/profiles/<guid>/explain")
@requires("profiles:read")
def explain(guid: str) -> Json:
    """What holds the profile together; with `event=GUID`, why that event belongs where it does."""
    check_parameters(["event"])
    profile, event = find_profile(guid), request.args.get("event")
    if event is not None and "events:read" not in g.key.permissions:
        raise forbidden("events:read")
    return {"explanation": explain_stored(event) if event is not None else explain_profile(profile)}


@routes.post("/profiles/<guid>/merge")
@requires("profiles:write")
def merge(guid: str) -> tuple[Json, int]:
    """The profile in the path takes in the one of the body's `from`; `merge` is null if they are one already."""
    check_parameters([])
    into, source = find_profile(guid), find_profile(read_body(MergeBody())["source"])
    try:
        made = decisions.merge(services().identity, into, source)
    except decisions.CannotMerge as error:
        raise conflict("cannot_merge", str(error)) from None
    services().wake(REPOINT)
    return {"merge": made and {"guid": made, "profileGuid": into.guid, "from": source.guid}}, 202


@routes.post("/merges/<guid>/revert")
@requires("profiles:write")
def revert(guid: str) -> tuple[Json, int]:
    """Take back a merge: each side has its own profile again."""
    check_parameters([])
    if not decisions.revert(services().identity, guid):
        raise unknown("merge", guid)
    services().wake(REPOINT)
    return {"merge": {"guid": guid, "state": "reverted"}}, 202


@routes.delete("/profiles/<guid>")
@requires("profiles:write")
def delete(guid: str) -> tuple[Json, int]:
    """Forget the person or device, with all their events; with `suppress=true` nothing is stored of them from now on."""
    check_parameters(["suppress"])
    deletion = deletions.delete(services().identity, find_profile(guid), suppress=bool(read_flag("suppress")))
    services().wake(DELETE)
    return {"deletion": {"guid": deletion}}, 202


def _properties_of(guid: str) -> dict[str, Known]:
    return properties_of(services().identity, [guid])[guid]


def find_profile(guid: str) -> ProfileRecord:
    """The profile that the guid leads to. Raises ApiError (404)."""
    found = profiles.find(services().identity, guid)
    if found is None:
        raise unknown("profile", guid)
    return found
