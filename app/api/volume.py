"""Volume: how many events occurred in each interval of a time span, also where none did."""

from datetime import UTC, datetime, timedelta

from app.api.refusals import invalid_parameter
from app.api.shapes import Json
from app.services import services
from backends.base import EventQuery, interval_start
from backends.event import Timestamp, timestamp

LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
SPANS = {"minute": timedelta(hours=1), "hour": timedelta(days=1), "day": timedelta(days=30)}
"""How far back to look where nobody says."""

MOST = 1500
"""Intervals in one answer: a day of minutes, two months of hours, four years of days."""


def count_volume(interval: str, type: str | None, since: Timestamp | None, until: Timestamp | None) -> Json:
    """The counts of all whole intervals (in UTC) that the span touches; without an end it ends now."""
    length = LENGTHS[interval]
    end = _end(until or timestamp(datetime.now(UTC)), interval)
    start = _start(since, interval) if since else end - SPANS[interval]
    count = (end - start) // length
    if not 0 < count <= MOST:
        wanted = f"`from` must lie before `to`, with at most {MOST} intervals between them; here are {count}"
        raise invalid_parameter("from", since or timestamp(start), wanted)
    starts = [timestamp(start + step * length) for step in range(count)]
    found = services().backend.volume(EventQuery(type=type, since=starts[0], until=timestamp(end)), interval)
    shapes = [{"start": one, "count": found.get(one, 0)} for one in starts]
    return {"interval": interval, "from": starts[0], "to": timestamp(end), "volume": shapes}


def _start(moment: Timestamp, interval: str) -> datetime:
    """When the moment's interval begins."""
    return datetime.fromisoformat(interval_start(moment, interval))


def _end(moment: Timestamp, interval: str) -> datetime:
    """When the first interval begins that lies behind the moment, which is not included."""
    start = _start(moment, interval)
    try:
        return start if timestamp(start) == moment else start + LENGTHS[interval]
    except OverflowError:
        raise invalid_parameter("to", moment, "time ends with the year 9999") from None
