"""Apps and sources over HTTP: where data comes from."""

from typing import TypeVar

from flask import Blueprint, request

from app.api.bodies import read_body
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit
from app.api.property_bodies import NewSource, SourceChanges
from app.api.reading import list_events
from app.api.refusals import conflict, invalid_field, unknown
from app.api.shapes import Json, app_shape, column_shape, event_shape, source_shape
from app.auth import requires
from app.models import App, PropertyRule, Source, db, newest
from app.properties import catalogue
from app.properties.preview import columns_of
from app.services import services
from backends.base import EventQuery

routes = Blueprint("apps", __name__)

Row = TypeVar("Row", App, Source, PropertyRule)


@routes.get("/apps")
@requires("apps:read")
def list_all() -> Json:
    """All apps, the newest first. The events are one of them."""
    found, following = page(App)
    return {"apps": [app_shape(row) for row in found], "next": following}


@routes.get("/apps/<guid>")
@requires("apps:read")
def show(guid: str) -> Json:
    """One app."""
    check_parameters([])
    row = db.session.get(App, guid)
    if row is None:
        raise unknown("app", guid)
    return {"app": app_shape(row)}


@routes.delete("/apps/<guid>")
@requires("apps:write")
def delete(guid: str) -> Json:
    """Delete an app of which no sources are made. The events stay."""
    check_parameters([])
    try:
        if not catalogue.delete_app(guid):
            raise unknown("app", guid)
    except catalogue.InUse as error:
        raise conflict("app_in_use", str(error)) from None
    return {"app": {"guid": guid, "state": "deleted"}}


@routes.get("/sources")
@requires("apps:read")
def list_sources() -> Json:
    """All sources, the newest first."""
    found, following = page(Source)
    return {"sources": [source_shape(row) for row in found], "next": following}


@routes.post("/sources")
@requires("apps:write")
def create_source() -> tuple[Json, int]:
    """Make a source of the events of one type."""
    check_parameters([])
    try:
        return {"source": source_shape(catalogue.create_source(**read_body(NewSource())))}, 201
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None


@routes.get("/sources/<guid>")
@requires("apps:read")
def show_source(guid: str) -> Json:
    """One source."""
    check_parameters([])
    return {"source": source_shape(find_source(guid))}


@routes.patch("/sources/<guid>")
@requires("apps:write")
def change_source(guid: str) -> Json:
    """Give a source another name."""
    check_parameters([])
    try:
        row = catalogue.rename_source(guid, **read_body(SourceChanges()))
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    if row is None:
        raise unknown("source", guid)
    return {"source": source_shape(row)}


@routes.delete("/sources/<guid>")
@requires("apps:write")
def delete_source(guid: str) -> Json:
    """Delete a source of which no rules are made."""
    check_parameters([])
    try:
        if not catalogue.delete_source(guid):
            raise unknown("source", guid)
    except catalogue.InUse as error:
        raise conflict("source_in_use", str(error)) from None
    return {"source": {"guid": guid, "state": "deleted"}}


@routes.get("/sources/<guid>/preview")
@requires("apps:read", "events:read")
def preview_source(guid: str) -> Json:
    """The newest events of the source."""
    check_parameters(["limit"])
    found, _ = list_events(EventQuery(type=find_source(guid).event_type), read_limit())
    return {"events": [event_shape(*one) for one in found]}


@routes.get("/sources/<guid>/columns")
@requires("apps:read")
def columns(guid: str) -> Json:
    """What the source has, and what can be asked of each column."""
    check_parameters([])
    found = columns_of(services().backend, find_source(guid).event_type or "")
    return {"columns": [column_shape(column) for column in found]}


def find_source(guid: str) -> Source:
    """Raises ApiError (404)."""
    row = db.session.get(Source, guid)
    if row is None:
        raise unknown("source", guid)
    return row


def page(model: type[Row]) -> tuple[list[Row], str | None]:
    """A page of rows, the newest first, and the cursor of the next one."""
    check_parameters(["limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    found = newest(model, limit + 1, read_cursor(after, moments=1) if after is not None else None)
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].guid)) if len(found) > limit else None
    return found[:limit], following
