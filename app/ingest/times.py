"""Times as clients send them: ISO 8601, epoch seconds or milliseconds (04-http, "Time")."""

import time
from datetime import UTC, datetime
from typing import Any

from backends.event import Timestamp, timestamp

_FIRST_MILLISECONDS = 100_000_000_000
"""Numbers from here on are milliseconds: as such it is 1973, as seconds the year 5138."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_ms(value: Any) -> int | None:
    """Milliseconds since 1970, or None for what is no time."""
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _from_number(value)


def now_ms() -> int:
    """This moment."""
    return time.time_ns() // 1_000_000


def from_ms(milliseconds: int) -> Timestamp:
    """The Timestamp of what `parse_ms` found, which must lie in the years 1 to 9999."""
    return timestamp(datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000))


def _parse_text(text: str) -> int | None:
    try:
        if _is_number(text):
            return _from_number(float(text))
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since_epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since_epoch.days * 86_400_000 + since_epoch.seconds * 1000 + since_epoch.microseconds // 1000


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal() and text.isascii()


def _from_number(value: int | float) -> int | None:
    if not abs(value) < 1e15:  # also what is no number at all
        return None
    return int(value) if abs(value) >= _FIRST_MILLISECONDS else round(value * 1000)
