"""Profiles of a segment as lines, with their properties, in its order."""

from collections.abc import Iterable, Iterator

from app.api.describing import profile_shapes
from app.api.shapes import Json
from app.exporting.lines import csv_header, csv_rows, ndjson
from app.identity.profiles import ProfileRecord
from app.segments.matching import Place
from app.segments.reading import page
from app.segments.segment import Segment
from app.services import services

PAGE = 500
"""Profiles read at a time, and held in memory."""

OWN = ("guid", "userId", "identifiers", "createdAt", "updatedAt")
"""The first columns of a profile as CSV; behind them stands one for each property."""


def segment_pages(segment: Segment, after: Place | None = None, limit: int | None = None) -> Iterator[list[ProfileRecord]]:
    """All profiles of the segment from behind `after` on, or the first `limit` of them.

    Needs an app context at each step. Raises BackendUnavailable.
    """
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = page(services().identity, segment, size, after)
        if found:
            yield [one.profile for one in found]
        if len(found) < size:
            return
        after, left = found[-1].place, left and left - size


def segment_lines(
    segment: Segment, keys: Iterable[str], form: str, after: Place | None = None, limit: int | None = None
) -> Iterator[bytes]:
    """The same as `ndjson`, or as `csv` with the properties of these keys; that has no header if it begins behind `after`."""
    columns = [*OWN, *(f"properties.{key}" for key in keys)]
    if form == "csv" and after is None:
        yield csv_header(columns)
    for found in segment_pages(segment, after, limit):
        shapes = profile_shapes(found)
        yield ndjson(shapes) if form == "ndjson" else csv_rows(map(_row, found, shapes), columns)


def _row(profile: ProfileRecord, shape: Json) -> Json:
    kind, value = profile.owner
    values = {f"properties.{key}": known["value"] for key, known in shape["properties"].items()}
    return {**shape, "userId": value if kind == "user" else None, **values}
