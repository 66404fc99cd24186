"""From the arguments of a call to the JSON of an event, as it is sent."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

MAX_EVENT_BYTES = 32 * 1024
"""The service's limit for one event, by default."""

Id = str | int | uuid.UUID
Moment = datetime | str | int | float


class InvalidEvent(ValueError):
    """Raised when it is plain already that the service could not take the event."""


class Message(NamedTuple):
    """An event that is ready to be sent: its messageId, and its JSON."""

    id: str
    payload: bytes

    def __repr__(self) -> str:
        return f"Message({self.id!r})"


def make_event(
    type: str,
    user_id: Id | None,
    anonymous_id: Id | None,
    data: Mapping[str, object] | None,
    occurred_at: Moment | None,
    message_id: str | None,
) -> dict[str, object]:
    """The event with the service's names: a messageId of its own, and now for its time, unless they are given."""
    fields = {
        "type": type,
        "userId": user_id,
        "anonymousId": anonymous_id,
        "messageId": message_id or uuid.uuid4().hex,  # the service takes an empty one for none
        "occurredAt": _iso(datetime.now(UTC)) if occurred_at is None else occurred_at,
        "data": data,
    }
    return {name: value for name, value in fields.items() if value is not None}


def write_event(event: Mapping[str, object]) -> Message:
    """The event as JSON, as it is now: what its data are changed to later does not count. Raises InvalidEvent."""
    if not isinstance(event.get("type"), str) or not event["type"]:
        raise InvalidEvent("the event has no type: give it a name, like 'purchase'")
    if "userId" not in event and "anonymousId" not in event:
        raise InvalidEvent("nothing says whose event it is: give it a user_id or an anonymous_id")
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except Exception as error:  # whatever an object of somebody's own does when it is read
        raise InvalidEvent(f"the event can't be written as JSON: {error}") from None
    payload = text.encode("utf-8", "replace")  # no UTF-8 has lone surrogates
    if len(payload) > MAX_EVENT_BYTES:
        raise InvalidEvent(f"the event has {len(payload)} bytes: send {MAX_EVENT_BYTES} at the most")
    return Message(str(event["messageId"]), payload)


def now_iso() -> str:
    """This moment."""
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    """In UTC. A naive datetime is local time, as Python's own methods have it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> object:
    """What JSON has no word for."""
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"there is no JSON for a {type(value).__name__}: make it a text or a number")
