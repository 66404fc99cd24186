"""Reading events."""

from flask import Blueprint, Response, request

from app.answers import ApiError
from app.api.cursor import read_cursor, write_cursor
from app.api.explaining import explain_event
from app.api.exports import read_form, read_place, stream
from app.api.parameters import check_parameters, read_choice, read_data, read_flag, read_limit, read_moment
from app.api.reading import ReadEvent, find_event, guids_of_message, list_events
from app.api.refusals import unknown
from app.api.shapes import Json, event_shape
from app.api.volume import count_volume
from app.auth import requires
from app.exporting.events import event_lines
from app.services import services
from backends.base import INTERVALS, Cursor, EventQuery

routes = Blueprint("events", __name__)

FILTERS = ("type", "userId", "anonymousId", "messageId", "from", "to", "associated")
PAGING = ("limit", "after")


@routes.get("/events")
@requires("events:read")
def list_all() -> Json:
    """The newest events first; filters must all hold."""
    check_parameters([*FILTERS, "profileGuid", *PAGING], takes_data=True)
    return answer_page(request.args.get("profileGuid"))


@routes.get("/events/types")
@requires("events:read")
def types() -> Json:
    """Every type of which there is an event."""
    check_parameters([])
    return {"types": services().backend.types()}


@routes.get("/events/volume")
@requires("events:read")
def volume() -> Json:
    """How many events occurred in each minute, hour or day of a time span."""
    check_parameters(["interval", "type", "from", "to"])
    interval = read_choice("interval", tuple(INTERVALS)) or "hour"
    return count_volume(interval, request.args.get("type"), read_moment("from"), read_moment("to"))


@routes.get("/events/export")
@requires("events:read")
def export() -> Response:
    """All events that the filters leave, newest first, as one stream."""
    check_parameters([*FILTERS, "profileGuid", "after", "format"], takes_data=True)
    form, place = read_form(), read_place()
    return stream(event_lines(_query(request.args.get("profileGuid")), form, place), form, "events")


@routes.get("/events/<guid>")
@requires("events:read")
def show(guid: str) -> Json:
    """One event, wherever it is."""
    check_parameters([])
    return {"event": event_shape(*_found(guid))}


@routes.get("/events/<guid>/explain")
@requires("events:read", "profiles:read")
def explain(guid: str) -> Json:
    """Why the event belongs to its profile."""
    check_parameters([])
    return {"explanation": explain_stored(guid)}


def explain_stored(guid: str) -> Json:
    """The explanation of a stored event; of one that is not stored (yet) there is nothing to explain."""
    found = _found(guid)
    if found.state != "stored":
        raise _unknown(guid)
    return explain_event(found.event)


def answer_page(profile_guid: str | None) -> Json:
    """The page of events that the URL's query asks for."""
    after = request.args.get("after")
    place = Cursor(*read_cursor(after, moments=2)) if after is not None else None
    found, following = list_events(_query(profile_guid), read_limit(), place)
    return {"events": [event_shape(*one) for one in found], "next": write_cursor(following) if following else None}


def _query(profile_guid: str | None) -> EventQuery:
    given = request.args
    message_id = given.get("messageId")
    return EventQuery(
        guids=guids_of_message(message_id) if message_id is not None else None,
        type=given.get("type"),
        profile_guid=profile_guid,
        user_id=given.get("userId"),
        anonymous_id=given.get("anonymousId"),
        since=read_moment("from"),
        until=read_moment("to"),
        associated=read_flag("associated"),
        data=read_data(),
    )


def _found(guid: str) -> ReadEvent:
    found = find_event(guid)
    if found is None:
        raise _unknown(guid)
    return found


def _unknown(guid: str) -> ApiError:
    return unknown("event", guid)
