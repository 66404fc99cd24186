"""Cells: what stands in a foreign database's columns, as text and as values of properties."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson

from app.properties.types import FORMS, PropertyType, Value
from backends.event import timestamp

MOST_CHARACTERS = 32 * 1024
"""A longer text is no value of a property, as a larger event is no event."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""JSON may have these escaped, one half of a surrogate pair too; no text of a database has them."""


def text_of(cell: Any) -> str | None:
    """The cell as event data would have it; None for NULL, and for what has no text."""
    found = _of_type(cell)
    return found if found is not None and not _UNSTORABLE.search(found) else None


def value_of(cell: Any, type: PropertyType) -> Value | None:
    """The cell as a value of that type; None if it is none."""
    if type is PropertyType.INTEGER and _is_whole(cell):
        cell = int(cell)
    text = text_of(cell)
    return FORMS[type].value_of(text) if text is not None and len(text) <= MOST_CHARACTERS else None


def _is_whole(cell: Any) -> bool:
    return isinstance(cell, float | Decimal) and math.isfinite(cell) and cell == int(cell)


def _of_type(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes | bytearray | memoryview):
        return _of_bytes(bytes(cell))
    return next((write(cell) for kind, write in _WRITERS if isinstance(cell, kind)), str(cell))


def _of_bytes(cell: bytes) -> str | None:
    if cell in (b"\0", b"\1"):  # MySQL's BIT(1)
        return str(cell[0])
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return None


def _of_moment(cell: datetime) -> str:
    """Without a zone it is in UTC."""
    return timestamp(cell.astimezone(UTC) if cell.tzinfo else cell.replace(tzinfo=UTC))


def _of_json(cell: Any) -> str:
    try:
        return orjson.dumps(cell, default=str).decode()
    except TypeError:  # it refuses integers of more than 64 bits, and surrogates
        return json.dumps(cell, default=str, separators=(",", ":"))


_WRITERS: list[tuple[Any, Callable[[Any], str]]] = [
    (bool, lambda cell: "true" if cell else "false"),
    (Decimal, lambda cell: format(cell, "f")),
    (float, repr),
    (datetime, _of_moment),
    (date, date.isoformat),
    (dict | list, _of_json),
]
"""In order: a bool is an int, a datetime a date."""
