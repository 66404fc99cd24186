"""Contexts: what an SDK tells of the circumstances of an event, kept in its data under dotted keys, capped.

In the data of `identify` and `group` events, everything that is no trait stands below CONTEXT.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.ingest.schemas import json_text
from backends.event import MAX_ID_LENGTH

CONTEXT = "context"
MAX_KEYS = 64
MAX_LEVELS = 4
MAX_TEXT = 1024
"""Of one event at most so many keys, levels of dots, and characters a value; what is more is left out, or cut off."""


def add_context(data: dict[str, Any], found: Mapping[str, Any], prefix: str = CONTEXT) -> None:
    """Put what was found into the data of an event; what stands there already stays."""
    left = MAX_KEYS - sum(key.startswith(f"{CONTEXT}.") for key in data)
    waiting = [(prefix, found, 0)]
    while waiting:
        above, level, depth = waiting.pop()
        for name, value in level.items():
            key = f"{above}.{name}"
            if value is None or len(key) > MAX_ID_LENGTH or key in data:
                continue
            if isinstance(value, dict) and depth < MAX_LEVELS:
                waiting.append((key, value, depth + 1))
            elif left > 0:
                data[key] = _short(value)
                left -= 1


def properties(found: Any) -> dict[str, Any]:
    """What an event's own properties are as data: without keys that no data has."""
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if 0 < len(key) <= MAX_ID_LENGTH}


def _short(value: Any) -> Any:
    if isinstance(value, list | dict):
        try:
            value = json_text(value)
        except ValidationError:
            return "…"
    return value[:MAX_TEXT] if isinstance(value, str) else value
