"""Events of a query as lines: each that is stored, newest first, on the profile that it belongs to now."""

from collections.abc import Iterator

from app.api.reading import ReadEvent, list_events
from app.api.shapes import event_shape
from app.exporting.lines import csv_header, csv_rows, ndjson
from backends.base import Cursor, EventQuery

PAGE = 500
"""Events read at a time, and held in memory."""


def event_pages(query: EventQuery, after: Cursor | None = None) -> Iterator[list[ReadEvent]]:
    """All events of the query from behind `after` on. What is stored meanwhile may be among them or not.

    Needs an app context at each step. Raises BackendUnavailable.
    """
    while True:
        found, after = list_events(query, PAGE, after)
        if found:
            yield found
        if after is None:
            return


def event_lines(query: EventQuery, form: str, after: Cursor | None = None) -> Iterator[bytes]:
    """The same as `ndjson` or `csv`, some hundred whole lines at a time; a CSV that begins behind `after` has no header."""
    if form == "csv" and after is None:
        yield csv_header()
    write = csv_rows if form == "csv" else ndjson
    for page in event_pages(query, after):
        yield write(event_shape(*one) for one in page)
