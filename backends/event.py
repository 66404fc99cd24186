"""Event: the value that travels from the request to the backend. No I/O."""

import hashlib
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

Timestamp = str
"""A moment as ISO 8601 in UTC with milliseconds, `2026-11-23T10:00:00.123Z`: fixed width, so that text order is time order."""

MAX_ID_LENGTH = 191
"""Characters of an id, a type or a data key: what an index of utf8mb4 text holds on every database."""


class Event(NamedTuple):
    """One thing that happened (the seed's `events` row with its `eventData`).

    A tuple, because a drain makes and reads some ten thousand of them a second.
    """

    guid: str
    type: str
    user_id: str | None
    anonymous_id: str | None
    occurred_at: Timestamp
    created_at: Timestamp
    data: dict[str, str]
    message_id: str | None = None
    producer_guid: str | None = None
    ip_address: str | None = None
    profile_guid: str | None = None
    profile_associated_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def __repr__(self) -> str:
        """Without what it holds: that shall get into no log, whoever writes a value there."""
        return f"Event({self.guid!r})"

    @property
    def seen(self) -> str:
        """When the event was, as one text whose order is that of (occurredAt, createdAt, guid)."""
        return f"{self.occurred_at} {self.created_at} {self.guid}"


def new_guid(prefix: str) -> str:
    """A guid of the seed's form: the prefix, an underscore, a UUIDv4."""
    return f"{prefix}_{uuid.uuid4()}"


def derived_event_guid(producer_guid: str, message_id: str) -> str:
    """The same guid for the same message of the same producer, so that the primary key refuses a repeat.

    A UUIDv8 (RFC 9562, custom) over SHA-256.
    """
    digest = bytearray(hashlib.sha256(f"{producer_guid}\0{message_id}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"evt_{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def data_guid(event_guid: str, key: str) -> str:
    """The guid of one `event_data` row; the same for the same event and key, so that a repeat changes nothing."""
    return data_guid_start(event_guid) + key_digest(key)


def data_guid_start(event_guid: str) -> str:
    """What the guids of all of an event's data begin with."""
    return f"edt_{event_guid[4:]}-"


@lru_cache(maxsize=4096)
def key_digest(key: str) -> str:
    """What they end with."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def timestamp(moment: datetime) -> Timestamp:
    """`moment` (aware, or naive in UTC) as a Timestamp; what is finer than a millisecond is cut off."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def now() -> Timestamp:
    """This moment as a Timestamp."""
    return timestamp(datetime.now(UTC))
