"""Streaming an export: what breaks off can't be taken for complete, and can be gone on with."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from threading import BoundedSemaphore
from typing import cast

from flask import Blueprint, Response, current_app, request, stream_with_context

from app.answers import ApiError
from app.api.parameters import read_choice
from app.api.reading import place
from app.exporting.lines import CONTENT_TYPES, FORMS, ndjson
from app.logs import kind_of
from app.models import db
from app.services import services
from backends.base import Cursor

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Exports that one process sends at a time: each holds one of gunicorn's threads, and the others are for events."""


class BrokenOff(Exception):
    """Raised in the middle of an export: gunicorn closes the connection without the chunk that ends a complete answer."""


def register(blueprint: Blueprint) -> None:
    """Give each app room for its exports."""
    blueprint.record_once(lambda state: state.app.extensions.update(exports=BoundedSemaphore(AT_ONCE)))


def read_form() -> str:
    """The wanted format."""
    return read_choice("format", FORMS) or FORMS[0]


def read_place() -> Cursor | None:
    """Where a broken export goes on: behind the event `after`. Raises ApiError (404) if it was deleted meanwhile."""
    guid = request.args.get("after")
    if guid is None:
        return None
    event = services().backend.find_by_guid(guid)
    if event is None:
        why = f"there is no event {guid!r} to go on behind: begin again, or with `to` at the last occurredAt that you have"
        raise ApiError("unknown_event", 404, why, {"event": guid})
    return place(event)


def stream(lines: Iterator[bytes], form: str, name: str) -> Response:
    """Answer with these lines. What fails before the first of them is answered as ever."""
    room = cast(BoundedSemaphore, current_app.extensions["exports"])
    if not room.acquire(blocking=False):
        raise ApiError("unavailable", 503, f"{AT_ONCE} exports are under way here already: ask again later")
    with ExitStack() as taken:
        taken.callback(room.release)
        first = next(lines, b"")
        response = Response(stream_with_context(_sent(first, lines, form)), content_type=CONTENT_TYPES[form])
        response.call_on_close(taken.pop_all().close)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return response


def _sent(first: bytes, rest: Iterator[bytes], form: str) -> Iterator[bytes]:
    """The lines; behind those of NDJSON one more, for a proxy may hide that the connection broke."""
    count = first.count(b"\n")
    db.session.rollback()  # what was read to answer holds no connection meanwhile
    yield first
    try:
        for piece in rest:
            count += piece.count(b"\n")
            yield piece
    except Exception as error:
        log.error("an export broke off: %s", kind_of(error), exc_info=error)
        raise BrokenOff("see above") from None
    if form == "ndjson":
        yield ndjson([{"end": {"lines": count}}])
