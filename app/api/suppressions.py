"""Suppressions over HTTP: ids of which nothing is stored."""

from typing import Any

from flask import Blueprint, request

from app.api.bodies import SuppressionBody, read_body
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit
from app.api.refusals import unknown
from app.api.shapes import Json
from app.auth import requires
from app.identity import suppressions
from app.services import services

routes = Blueprint("suppressions", __name__)

KINDS = {"userId": "user", "anonymousId": "anonymous"}


@routes.get("/suppressions")
@requires("profiles:read")
def list_all() -> Json:
    """All suppressed ids, in order."""
    check_parameters(["limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    place = read_cursor(after, moments=0, guids=2) if after is not None else None
    found = suppressions.page(services().identity, limit + 1, (place[0], place[1]) if place else None)
    following = write_cursor((found[limit - 1].kind, found[limit - 1].value)) if len(found) > limit else None
    return {"suppressions": [suppression_shape(row) for row in found[:limit]], "next": following}


@routes.post("/suppressions")
@requires("profiles:write")
def add() -> tuple[Json, int]:
    """Store nothing of this id from now on; what is stored already stays."""
    check_parameters([])
    ((name, value),) = read_body(SuppressionBody()).items()
    kind = "user" if name == "user_id" else "anonymous"
    return {"suppression": suppression_shape(suppressions.suppress(services().identity, kind, value))}, 201


@routes.delete("/suppressions/<key>/<path:value>", merge_slashes=False)
@requires("profiles:write")
def remove(key: str, value: str) -> Json:
    """Store events of this id again."""
    check_parameters([])
    if key not in KINDS or not suppressions.release(services().identity, KINDS[key], value):
        raise unknown("suppression", f"{key}/{value}")
    return {"suppression": {"kind": KINDS[key], "value": value, "state": "released"}}


def suppression_shape(row: Any) -> Json:
    """A suppressed id, and how many events of it were refused."""
    return {"kind": row.kind, "value": row.value, "refusedEvents": row.refused, "createdAt": row.created_at}
