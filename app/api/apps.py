"""Apps over HTTP: where data comes from, the events or databases of one's own."""

from typing import TypeVar

from flask import Blueprint, request

from app.api.app_bodies import AppChanges, NewApp
from app.api.bodies import read_body
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit
from app.api.refusals import conflict, invalid_field, unknown
from app.api.shapes import Json, app_shape
from app.auth import requires
from app.foreign.place import AppUnavailable
from app.models import EVENTS_APP, App, PropertyRule, Source, db, newest
from app.properties import apps, catalogue
from app.properties.failing import failing_sources
from app.services import services
from app.stream import LOAD

routes = Blueprint("apps", __name__)

Row = TypeVar("Row", App, Source, PropertyRule)


@routes.get("/apps")
@requires("apps:read")
def list_all() -> Json:
    """All apps, the newest first. The events are one of them."""
    found, following = page(App)
    failing = failing_sources([row.guid for row in found])
    shapes = [app_shape(row, [one for one in failing if one.app_guid == row.guid]) for row in found]
    return {"apps": shapes, "next": following}


@routes.post("/apps")
@requires("apps:write")
def create() -> tuple[Json, int]:
    """Make an sql app: a database of one's own, which is only read. Its user and password are not shown again."""
    check_parameters([])
    body = read_body(NewApp())
    body.pop("kind", None)
    try:
        return {"app": app_shape(apps.create_app(**body))}, 201
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None


@routes.get("/apps/<guid>")
@requires("apps:read")
def show(guid: str) -> Json:
    """One app, and which of its sources can't be loaded."""
    check_parameters([])
    return {"app": app_shape(_find_app(guid), failing_sources([guid]))}


@routes.patch("/apps/<guid>")
@requires("apps:write")
def change(guid: str) -> Json:
    """Change an sql app. Where its password would go elsewhere it has to be sent again."""
    check_parameters([])
    body = read_body(AppChanges())
    test = body.pop("test", True)
    try:
        row = apps.change_app(guid, body, test)
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    except catalogue.InUse as error:
        raise conflict("app_built_in", str(error)) from None
    if row is None:
        raise unknown("app", guid)
    services().wake(LOAD)
    return {"app": app_shape(row, failing_sources([guid]))}


@routes.post("/apps/<guid>/test")
@requires("apps:write")
def test(guid: str) -> Json:
    """Ask the app's database whether it lets us in. Its sources are loaded from at once then, however often that failed."""
    check_parameters([])
    row = _find_app(guid)
    if guid == EVENTS_APP:
        raise conflict("app_built_in", "the events are built in: `flask doctor` looks at their database")
    try:
        apps.check_app(row)
    except AppUnavailable as error:
        return {"test": {"works": False, "message": str(error)}}
    services().wake(LOAD)
    return {"test": {"works": True, "message": None}}


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


def _find_app(guid: str) -> App:
    row = db.session.get(App, guid)
    if row is None:
        raise unknown("app", guid)
    return row


def page(model: type[Row]) -> tuple[list[Row], str | None]:
    """A page of rows, the newest first, and the cursor of the next one."""
    check_parameters(["limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    found = newest(model, limit + 1, read_cursor(after, moments=1) if after is not None else None)
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].guid)) if len(found) > limit else None
    return found[:limit], following
