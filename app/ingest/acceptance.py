"""From a client's JSON to an Event, or to the reason why not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from marshmallow import ValidationError

from app.config import Settings
from app.identity.placeholders import is_placeholder
from app.ingest.compiled import compile_schema
from app.ingest.guids import content_id, event_guids
from app.ingest.schemas import UNREADABLE, EventSchema, shown
from app.ingest.times import from_ms, now_ms
from backends.event import Event, Timestamp, derived_event_guid

DAY_MS = 86_400_000


class Rejected(Exception):
    """Raised when an event is not taken; `details` has the messages by field, `reason` is one of metrics.web.REASONS."""

    def __init__(self, details: dict[str, list[str]], reason: str = "invalid") -> None:
        super().__init__("; ".join(f"{name}: {' '.join(messages)}" for name, messages in details.items()))
        self.details = details
        self.reason = reason


@dataclass
class Acceptance:
    """What the events of one request have in common."""

    producer_guid: str
    ip_address: str | None
    may_identify: bool
    sent_ms: int | None = None
    expected: int = 1
    received_ms: int = field(default_factory=now_ms)
    latency_ms: int = 0
    """By so much a client's clock may seem to be off, and is not corrected."""
    needs_id: bool = True
    """Whether an event without any id is refused; else it is nobody's."""

    def __post_init__(self) -> None:
        self.created_at: Timestamp = from_ms(self.received_ms)
        self.guids = event_guids(self.expected)


class Acceptor:
    """Turns JSON into Events by the settings' limits."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._load: Callable[[Any], dict[str, Any]] = compile_schema(EventSchema())

    def accept(self, raw: Any, common: Acceptance, is_large: bool) -> tuple[Event, list[str]]:
        """The event, and warnings of what was not taken as it was sent. Raises Rejected.

        `is_large` says that the body may hold an event over the limit, so that each must be measured.
        """
        if is_large:
            self.check_size(raw)
        try:
            valid = self._load(raw)
        except ValidationError as error:
            raise Rejected(_messages(error)) from None
        warnings: list[str] = []
        user_id = self._id("userId", valid["userId"], warnings)
        anonymous_id = self._id("anonymousId", valid["anonymousId"], warnings)
        self._check(user_id, anonymous_id, valid, common)
        message_id = self._id("messageId", valid["messageId"], warnings) if valid["messageId"] else None
        producer = common.producer_guid
        data = valid["data"] or {}
        if valid["sessionId"] and len(data) < self._settings.max_data_keys:
            data["context.sessionId"] = valid["sessionId"]
        if message_id is None and valid["ocurredAt"] not in (None, UNREADABLE):
            message_id = content_id(producer, user_id, anonymous_id, valid["type"], valid["ocurredAt"], data)
        event = Event(
            derived_event_guid(producer, message_id) if message_id else next(common.guids),
            valid["type"],
            user_id,
            anonymous_id,
            _occurred_at(valid, common, warnings),
            common.created_at,
            data,
            message_id,
            producer,
            common.ip_address,
        )
        return event, warnings

    def _id(self, name: str, value: str | None, warnings: list[str]) -> str | None:
        if value is not None and is_placeholder(value, self._settings.placeholders):
            warnings.append(f"{name} was dropped: {shown(value)} is no id")
            return None
        return value

    def _check(self, user_id: str | None, anonymous_id: str | None, valid: dict[str, Any], common: Acceptance) -> None:
        if user_id is None and anonymous_id is None and common.needs_id:
            raise Rejected({"anonymousId": ["nothing says whose event it is: send a userId or an anonymousId"]})
        if user_id is not None and not common.may_identify:
            raise Rejected({"userId": ["this API key may send only events without a userId"]}, "not_permitted")
        if valid["data"] and len(valid["data"]) > self._settings.max_data_keys:
            raise Rejected({"data": [f"it has {len(valid['data'])} keys: send {self._settings.max_data_keys} at the most"]})

    def check_size(self, raw: Any) -> None:
        """Raises Rejected if it is larger than an event may be."""
        try:
            size = len(orjson.dumps(raw))
        except TypeError:  # integers too long, or levels too many, for orjson to write
            size = _size(raw)
        if size > self._settings.max_event_bytes:
            message = f"it has {size} bytes: send {self._settings.max_event_bytes} at the most"
            raise Rejected({"event": [message]}, "too_large")


def _occurred_at(valid: dict[str, Any], common: Acceptance, warnings: list[str]) -> Timestamp:
    """When it happened by our clock: the client's own time, moved by how far its clock is off (04-http, "Time")."""
    told = valid["occurredAt"] if valid["occurredAt"] is not None else valid["ocurredAt"]
    if told is None:
        return common.created_at
    sent = valid["sentAt"] if valid["sentAt"] is not None else common.sent_ms
    off = 0 if sent is None or sent == UNREADABLE else common.received_ms - sent
    corrected = told + off if abs(off) > common.latency_ms else told
    if told == UNREADABLE or not 0 <= corrected <= common.received_ms + DAY_MS:
        warnings.append("occurredAt was not taken: it can't be read, or lies before 1970 or more than a day ahead")
        return common.created_at
    return from_ms(corrected)


def _size(raw: Any) -> int:
    """As JSON has it, but for escapes; without recursion, as levels may be more than Python's stack has."""
    size, waiting = 0, [raw]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            size += 2 + sum(len(key.encode()) + 4 for key in one)
            waiting += one.values()
        elif isinstance(one, list):
            size += 1 + len(one)
            waiting += one
        else:
            size += len(str(one).encode())
    return size


def _messages(error: ValidationError) -> dict[str, list[str]]:
    messages = error.messages if isinstance(error.messages, dict) else {"event": error.messages}
    return {"event" if name == "_schema" else str(name): list(found) for name, found in messages.items()}
