"""Sources over HTTP: selections in apps, which properties are made of."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, g

from app.api.apps import page
from app.api.bodies import read_body
from app.api.parameters import check_parameters, read_limit
from app.api.property_bodies import NewSource, SourceChanges
from app.api.reading import list_events
from app.api.refusals import conflict, invalid_field, unknown
from app.api.shapes import Json, column_shape, event_shape, source_shape
from app.auth import forbidden, requires
from app.foreign.place import AppUnavailable
from app.models import Source, db
from app.properties import catalogue
from app.properties.failing import loadings_of
from app.properties.previewing import columns_of_source, rows_of_source
from backends.base import EventQuery

routes = Blueprint("sources", __name__)


@routes.get("/sources")
@requires("apps:read")
def list_all() -> Json:
    """All sources, the newest first."""
    found, following = page(Source)
    loadings = loadings_of([row.guid for row in found])
    return {"sources": [source_shape(row, loadings.get(row.guid)) for row in found], "next": following}


@routes.post("/sources")
@requires("apps:write")
def create() -> tuple[Json, int]:
    """Make a source: of the events of one type, or of an sql app's table or query, which is looked at."""
    check_parameters([])
    try:
        row = catalogue.create_source(**read_body(NewSource()))
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    return {"source": _shape(row)}, 201


@routes.get("/sources/<guid>")
@requires("apps:read")
def show(guid: str) -> Json:
    """One source; of an sql app, with how its loading goes."""
    check_parameters([])
    return {"source": _shape(find_source(guid))}


@routes.patch("/sources/<guid>")
@requires("apps:write")
def change(guid: str) -> Json:
    """Give a source another name, or an sql app's another interval."""
    check_parameters([])
    try:
        row = catalogue.change_source(guid, **read_body(SourceChanges()))
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    if row is None:
        raise unknown("source", guid)
    return {"source": _shape(row)}


@routes.delete("/sources/<guid>")
@requires("apps:write")
def delete(guid: str) -> Json:
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
def show_preview(guid: str) -> Json:
    """The newest events of the source; or some rows of an sql app's, for keys that have apps:write."""
    check_parameters(["limit"])
    source, limit = find_source(guid), read_limit()
    if source.event_type is None:
        check_may_look_into(source)
        with saying_what_is_away():
            return {"rows": rows_of_source(source, limit)}
    found, _ = list_events(EventQuery(type=source.event_type), limit)
    return {"events": [event_shape(*one) for one in found]}


@routes.get("/sources/<guid>/columns")
@requires("apps:read")
def show_columns(guid: str) -> Json:
    """What the source has, and what can be asked of each column."""
    check_parameters([])
    with saying_what_is_away():
        return {"columns": [column_shape(one) for one in columns_of_source(find_source(guid))]}


def find_source(guid: str) -> Source:
    """Raises ApiError (404)."""
    row = db.session.get(Source, guid)
    if row is None:
        raise unknown("source", guid)
    return row


def check_may_look_into(source: Source) -> None:
    """Raises ApiError (403): what stands in a company's tables is for who may make rules of it."""
    if source.event_type is None and "apps:write" not in g.key.permissions:
        raise forbidden("apps:write")


@contextmanager
def saying_what_is_away() -> Iterator[None]:
    """Raises ApiError (409) where an sql app can't be asked."""
    try:
        yield
    except AppUnavailable as error:
        raise conflict("app_unavailable", str(error)) from None


def _shape(row: Source) -> Json:
    return source_shape(row, loadings_of([row.guid]).get(row.guid))
