"""Contexts: what an SDK tells of the circumstances of an event, kept in its data under dotted keys, capped.

In the data of `identify` and `group` events, everything that is no trait stands below CONTEXT.
"""

from collections.abc import Mapping
from operator import methodcaller
from typing import Any

from marshmallow import ValidationError

from app.identity.links import LINKED
from app.ingest.schemas import json_text
from backends.event import MAX_ID_LENGTH

CONTEXT = "context"
MAX_KEYS = 64
MAX_LEVELS = 4
MAX_TEXT = 1024
"""Of one event at most so many keys, levels of dots, and characters a value; what is more is left out, or cut off."""


def add_context(data: dict[str, Any], found: Mapping[str, Any], prefix: str = CONTEXT) -> None:
    """Put what was found into the data of an event; what stands there already stays."""
    left = MAX_KEYS - sum(map(_IS_CONTEXT, data))
    waiting = [(f"{prefix}.", found, 0)]
    while waiting:
        above, level, depth = waiting.pop()
        for name, value in level.items():
            key = above + name
            if value is None or len(key) > MAX_ID_LENGTH or key in data:
                continue
            if type(value) is dict and depth < MAX_LEVELS:
                waiting.append((f"{key}.", value, depth + 1))
            elif left > 0:
                data[key] = value if type(value) is str and len(value) <= MAX_TEXT else _short(value)
                left -= 1


def make_room(data: dict[str, Any], at_most: int) -> None:
    """Leave out, from its end, what of the context brings an event over its limit of data keys; a link stays."""
    if len(data) <= at_most:
        return
    over = sum(value is not None for value in data.values()) - at_most
    if over > 0:
        told = [key for key, value in data.items() if value is not None and _IS_CONTEXT(key) and key != LINKED]
        for key in told[-over:]:
            del data[key]


def properties(found: Any) -> dict[str, Any]:
    """What an event's own properties are as data: without keys that no data has."""
    if not isinstance(found, dict):
        return {}
    if "" not in found and max(map(len, found), default=0) <= MAX_ID_LENGTH:
        return found.copy()
    return {key: value for key, value in found.items() if 0 < len(key) <= MAX_ID_LENGTH}


_IS_CONTEXT = methodcaller("startswith", f"{CONTEXT}.")


def _short(value: Any) -> Any:
    if isinstance(value, list | dict):
        try:
            value = json_text(value)
        except ValidationError:
            return "…"
    return value[:MAX_TEXT] if isinstance(value, str) else value
