"""Dead letters over HTTP: list them, send them again, drop them."""

import sqlalchemy as sa
from flask import Blueprint, request

from app import dead_letters
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit, read_moment
from app.api.refusals import unknown
from app.api.shapes import Json, dead_letter_shape
from app.auth import requires
from app.models import DeadLetter, db, newest

routes = Blueprint("dead_letters", __name__)


@routes.get("/dead-letters")
@requires("dead-letters:read")
def list_all() -> Json:
    """Those that were parked last first; filters must all hold."""
    check_parameters(["userId", "anonymousId", "from", "to", "limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    place = read_cursor(after, moments=1) if after is not None else None
    found = read_page(limit + 1, place, *_filters())
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].guid)) if len(found) > limit else None
    shapes = [dead_letter_shape(letter, dead_letters.event_of(letter)) for letter in found[:limit]]
    return {"deadLetters": shapes, "next": following}


@routes.get("/dead-letters/<guid>")
@requires("dead-letters:read")
def show(guid: str) -> Json:
    """One dead letter, by its event's guid."""
    check_parameters([])
    letter = db.session.get(DeadLetter, guid)
    if letter is None:
        raise unknown("dead letter", guid)
    return {"deadLetter": dead_letter_shape(letter, dead_letters.event_of(letter))}


@routes.post("/dead-letters/<guid>/retry")
@requires("dead-letters:write")
def retry(guid: str) -> tuple[Json, int]:
    """Put the event back into the stream."""
    check_parameters([])
    if not dead_letters.retry([guid]):
        raise unknown("dead letter", guid)
    return {"deadLetter": {"guid": guid, "state": "queued"}}, 202


@routes.delete("/dead-letters/<guid>")
@requires("dead-letters:write")
def drop(guid: str) -> Json:
    """Forget the event for good."""
    check_parameters([])
    if not dead_letters.drop([guid]):
        raise unknown("dead letter", guid)
    return {"deadLetter": {"guid": guid, "state": "dropped"}}


def read_page(limit: int, after: tuple[str, ...] | None = None, *where: sa.ColumnElement[bool]) -> list[DeadLetter]:
    """Up to `limit` dead letters, newest first, from behind `after` on."""
    return newest(DeadLetter, limit, after, *where)


def _filters() -> list[sa.ColumnElement[bool]]:
    """What the URL's query asks for: whose event, and when it was parked."""
    columns = sa.inspect(DeadLetter).local_table.c
    ids = {columns.user_id: request.args.get("userId"), columns.anonymous_id: request.args.get("anonymousId")}
    found = [column == value for column, value in ids.items() if value is not None]
    if (since := read_moment("from")) is not None:
        found.append(columns.created_at >= since)
    if (until := read_moment("to")) is not None:
        found.append(columns.created_at < until)
    return found
