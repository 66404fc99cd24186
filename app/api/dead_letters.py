"""Dead letters over HTTP: list them, send them again, drop them."""

import sqlalchemy as sa
from flask import Blueprint, request

from app import dead_letters
from app.api.cursor import read_cursor, write_cursor
from app.api.parameters import check_parameters, read_limit
from app.api.refusals import unknown
from app.api.shapes import Json, dead_letter_shape
from app.auth import requires
from app.models import DeadLetter, db

routes = Blueprint("dead_letters", __name__)


@routes.get("/dead-letters")
@requires("dead-letters:read")
def list_all() -> Json:
    """The newest first."""
    check_parameters(["limit", "after"])
    limit, after = read_limit(), request.args.get("after")
    place = read_cursor(after, moments=1) if after is not None else None
    found = read_page(limit + 1, place)
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].guid)) if len(found) > limit else None
    shapes = [dead_letter_shape(letter, dead_letters.event_of(letter)) for letter in found[:limit]]
    return {"deadLetters": shapes, "next": following}


@routes.post("/dead-letters/<guid>/retry")
@requires("dead-letters:write")
def retry(guid: str) -> tuple[Json, int]:
    """Put the event back into the stream."""
    if not dead_letters.retry([guid]):
        raise unknown("dead letter", guid)
    return {"deadLetter": {"guid": guid, "state": "queued"}}, 202


@routes.delete("/dead-letters/<guid>")
@requires("dead-letters:write")
def drop(guid: str) -> Json:
    """Forget the event for good."""
    if not dead_letters.drop([guid]):
        raise unknown("dead letter", guid)
    return {"deadLetter": {"guid": guid, "state": "dropped"}}


def read_page(limit: int, after: tuple[str, ...] | None = None) -> list[DeadLetter]:
    """Up to `limit` dead letters, newest first, from behind `after` on."""
    order = (DeadLetter.created_at, DeadLetter.guid)
    statement = sa.select(DeadLetter).order_by(*(column.desc() for column in order)).limit(limit)
    if after:
        literals = [sa.bindparam(None, value, type_=column.type) for value, column in zip(after, order, strict=True)]
        statement = statement.where(sa.tuple_(*order) < sa.tuple_(*literals))
    return list(db.session.scalars(statement))
