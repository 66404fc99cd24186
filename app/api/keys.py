"""API keys over HTTP: list, make, change, rotate and revoke them. Nobody gets at more than their own key may do."""

from flask import Blueprint, Response, g, request

from app import keys
from app.answers import ApiError, answer
from app.api.bodies import KeyChanges, NewKey, read_body
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit
from app.api.refusals import conflict, unknown
from app.api.shapes import Json, key_shape
from app.auth import forbidden, requires
from app.models import ApiKey

routes = Blueprint("keys", __name__)


@routes.get("/keys")
@requires("keys:read")
def list_all() -> Json:
    """All keys, the revoked ones too, the newest first."""
    check_parameters(["limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    place = read_cursor(after, moments=1) if after is not None else None
    found = keys.read_page(limit + 1, place)
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].guid)) if len(found) > limit else None
    return {"keys": [key_shape(row) for row in found[:limit]], "next": following}


@routes.post("/keys")
@requires("keys:write")
def create() -> Response:
    """Make a key. It is shown here once."""
    check_parameters([])
    body = read_body(NewKey())
    wanted = list(dict.fromkeys(body["permissions"]))
    _check_reach(wanted)
    _check_rate(body.get("rate_limit"))
    row, key = keys.create_key(body["name"], wanted, body.get("origins", ()), body.get("rate_limit"))
    return _shown(row, key, 201)


@routes.get("/keys/<guid>")
@requires("keys:read")
def show(guid: str) -> Json:
    """One key."""
    check_parameters([])
    return {"key": key_shape(_found(guid))}


@routes.patch("/keys/<guid>")
@requires("keys:write")
def change(guid: str) -> Json:
    """Change the name, the origins or the rate limit; within ten seconds every process goes by them."""
    check_parameters([])
    _within_reach(guid)
    changes = read_body(KeyChanges())
    if "rate_limit" in changes:
        _check_rate(changes["rate_limit"])
    changed = keys.change_key(guid, **changes)
    if changed is None:
        raise unknown("key", guid)
    return {"key": key_shape(changed)}


@routes.post("/keys/<guid>/rotate")
@requires("keys:write")
def rotate(guid: str) -> Response:
    """Make a new key under the same guid, shown here once; the old one ends within ten seconds."""
    check_parameters([])
    _within_reach(guid)
    rotated = keys.rotate_key(guid)
    if rotated is None:
        raise conflict("revoked_key", f"the key {guid!r} was revoked, for good: make another one")
    return _shown(*rotated, 200)


@routes.post("/keys/<guid>/revoke")
@requires("keys:write")
def revoke(guid: str) -> Json:
    """End a key, for good and within ten seconds. Revoking it again changes nothing."""
    check_parameters([])
    _within_reach(guid)
    revoked = keys.revoke_key(guid)
    if revoked is None:
        raise unknown("key", guid)
    return {"key": key_shape(revoked)}


def _found(guid: str) -> ApiKey:
    row = keys.find_key(guid)
    if row is None:
        raise unknown("key", guid)
    return row


def _within_reach(guid: str) -> None:
    """Refuse what concerns a key that may do more than the asking one: who rotates a key has it."""
    row = _found(guid)
    _check_reach(row.permissions)
    _check_rate(row.rate_limit)


def _check_reach(permissions: list[str]) -> None:
    for permission in permissions:
        if permission not in g.key.permissions:
            raise forbidden(permission)


def _check_rate(wanted: int | None) -> None:
    """A key that has a rate limit gives no higher one, nor none: not to others, and not to itself."""
    own = g.key.limit.per_minute if g.key.limit else None
    if own is not None and (wanted is None or wanted > own):
        message = f"this API key has a rate limit of {own} events a minute, and can give no higher one"
        raise ApiError("forbidden", 403, message, {"rateLimit": own})


def _shown(row: ApiKey, key: str, status: int) -> Response:
    response = answer({"key": key_shape(row), "apiKey": key}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
