"""Events for tests; what a test does not care about is filled in."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backends.base import Assignment, Cursor, EventBackend
from backends.event import Event, new_guid

DIFFERENT_TEXTS = ["anna", "Anna", "ANNA", "änna", "a\u0308nna", "anna ", " anna", "ann", "ａnna", "anna'"]

HARD_TEXTS = [
    *("", " ", "trailing ", '"quoted"', "back\\slash", "\\", "\\N", "\\.", "\\n", "tab\there", "line\nbreak", "end\r\n"),
    *("🎉👩‍👩‍👧", "\u2028\u00a0\ufeff", "%s %(x)s :name {}", "'; DROP TABLE events; --", "[1]", "null", "it's", "é" * 10_000),
]


def at(second: int) -> str:
    """A moment on one day of 2026."""
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000Z"


def an_event(second: int = 0, **values: Any) -> Event:
    """An event that occurred, and was received, at that second; of a new guid and of nobody."""
    event = Event(new_guid("evt"), "viewed", None, None, at(second), at(second), {})
    return event._replace(**values)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, each made in a thread of its own."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [one.result(timeout=60) for one in [threads.submit(call) for call in calls]]


def guids(events: Iterable[Event]) -> list[str]:
    """Their guids, in their order."""
    return [event.guid for event in events]


def place(event: Event) -> Cursor:
    """Where the event stands in a list."""
    return Cursor(event.occurred_at, event.created_at, event.guid)


def put_in_place(backend: EventBackend, assignments: Sequence[Assignment], limit: int = 9) -> int:
    """Move what is misplaced; return how many events that were."""
    moves = backend.misplaced(assignments, limit)
    backend.move(moves)
    return len(moves)
