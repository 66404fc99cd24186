"""The one definition of a valid event: a marshmallow schema whose fields convert by plain functions, as compiled.py does."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.ingest.times import parse_ms
from backends.event import MAX_ID_LENGTH

MAX_LEVELS = 200
"""Lists in lists in data: orjson writes 254."""

UNREADABLE = -1
"""Stands for a time that could not be read: no reason to refuse the event, but one to warn."""


class Converted(fields.Field[Any]):
    """A field whose whole meaning is one function: from JSON to the value, or a ValidationError."""

    def __init__(self, convert: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.convert = convert

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:
        return self.convert(value)


def event_type(value: Any) -> str:
    """A name of 1 to 191 characters."""
    if type(value) is str and 0 < len(value) <= MAX_ID_LENGTH:
        return value
    raise ValidationError(f"{shown(value)} is no type: send a text of 1 to {MAX_ID_LENGTH} characters, like 'pageview'")


def identifier(value: Any) -> str:
    """A text or number of up to 191 characters; numbers become texts as JSON writes them."""
    text = value if type(value) is str else _number_text(value)
    if text is None or len(text) > MAX_ID_LENGTH:
        raise ValidationError(f"{shown(value)} is no id: send a text or a number of up to {MAX_ID_LENGTH} characters")
    return text


def message_id(value: Any) -> str:
    """As an identifier, but no boolean: a client that always sends `true` would have all its messages taken for one."""
    if type(value) is bool:
        raise ValidationError(f"{shown(value)} is no messageId: send a text or a number that no other message has")
    return identifier(value)


def session_id(value: Any) -> str | None:
    """The original client's: kept in data, and no reason to refuse an event."""
    return value if type(value) is str and len(value) <= MAX_ID_LENGTH else None


def moment(value: Any) -> int:
    """Milliseconds since 1970, or UNREADABLE."""
    found = parse_ms(value)
    return UNREADABLE if found is None or found < 0 else found


def event_data(value: Any) -> dict[str, str]:
    """Keys of 1 to 191 characters, values as texts; null values are left out (04-http, "Values")."""
    if type(value) is not dict:
        raise ValidationError(f"{shown(value)} is no data: send an object of keys and values")
    found = {}
    for key, one in value.items():
        if not 0 < len(key) <= MAX_ID_LENGTH:
            raise ValidationError(f"the key {shown(key)} has {len(key)} characters: send 1 to {MAX_ID_LENGTH}")
        if type(one) is str:
            found[key] = one
        elif one is not None:
            found[key] = json_text(one)
    return found


def shown(value: Any) -> str:
    """A value as an error message shows it: short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "what is nested so deeply"
    return text if len(text) <= 60 else f"{text[:57]}…"


class EventSchema(Schema):
    """The seed's event as a client sends it. What is not named here is ignored."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE

    type = Converted(event_type, required=True)
    userId = Converted(identifier, allow_none=True, load_default=None)
    anonymousId = Converted(identifier, allow_none=True, load_default=None)
    occurredAt = Converted(moment, allow_none=True, load_default=None)
    # As the original Grouparoo web client spells it (09-sdks): it sends no messageId, so that its content is one.
    ocurredAt = Converted(moment, allow_none=True, load_default=None)
    sentAt = Converted(moment, allow_none=True, load_default=None)
    messageId = Converted(message_id, allow_none=True, load_default=None)
    sessionId = Converted(session_id, allow_none=True, load_default=None)
    data = Converted(event_data, allow_none=True, load_default=None)


def _number_text(value: Any) -> str | None:
    return json_text(value) if isinstance(value, bool | int | float) else None


def json_text(value: Any) -> str:
    """The value as JSON writes it, without blanks. Raises ValidationError for what is nested too deeply."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits, or more levels than orjson writes
        if _is_deeper(value, MAX_LEVELS):
            raise ValidationError(f"a value is nested too deeply: send {MAX_LEVELS} levels at the most") from None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_deeper(value: Any, levels: int) -> bool:
    """Level by level, not by recursion: the value may be deeper than Python's stack."""
    level = [value]
    for _ in range(levels + 1):
        level = [below for one in level if isinstance(one, list | dict) for below in _children(one)]
    return bool(level)


def _children(one: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return one.values() if isinstance(one, dict) else one
