"""Events as rows of the tables, and back."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from backends.event import Event, Timestamp, data_guid, data_guid_start, key_digest
from backends.sql.copy import field
from backends.sql.tables import event_data, events

EVENT_COLUMNS = [column.name for column in events.columns]
DATA_COLUMNS = [column.name for column in event_data.columns]

UNREADABLE = "1970-01-01T00:00:00.000Z"
"""The createdAt of a row whose own can't be read."""


def event_from_row(row: sa.Row[Any], data: dict[str, str]) -> Event:
    """The event of a row of `events`."""
    created_at = row.created_at or UNREADABLE
    return Event(
        row.guid,
        row.type,
        row.user_id,
        row.anonymous_id,
        row.occurred_at or created_at,
        created_at,
        data,
        row.message_id,
        row.producer_guid,
        row.ip_address,
        row.profile_guid,
        row.profile_associated_at,
        row.updated_at,
    )


def event_record(event: Event, moment: Timestamp) -> dict[str, str | None]:
    """The event as a row of `events`, associated at `moment`."""
    record = {name: getattr(event, name) for name in EVENT_COLUMNS}
    return {**record, "profile_associated_at": moment, "updated_at": moment}


def event_line(event: Event, moment: Timestamp) -> str:
    """The same as a line for COPY, in the order of EVENT_COLUMNS."""
    return (
        f"{field(event.guid)}\t{field(event.message_id)}\t{field(event.producer_guid)}\t{field(event.profile_guid)}"
        f"\t{field(event.ip_address)}\t{field(event.type)}\t{field(event.user_id)}\t{field(event.anonymous_id)}"
        f"\t{event.occurred_at}\t{moment}\t{event.created_at}\t{moment}"
    )


def data_lines(fresh: Iterable[Event]) -> Iterator[str]:
    """The rows of `event_data` as lines for COPY, in the order of DATA_COLUMNS."""
    for event in fresh:
        guid = event.guid
        start = data_guid_start(guid)
        for key, value in event.data.items():
            digest, key_field = _key_fields(key)
            if "\\" in value or not value.isprintable():
                value = field(value)
            yield f"{start}{digest}\t{guid}\t{key_field}\t{value}"


@lru_cache(maxsize=4096)
def _key_fields(key: str) -> tuple[str, str]:
    """What `data_guid` ends with, and the key as a field; keys recur in event after event."""
    return key_digest(key), field(key)


def data_records(fresh: Iterable[Event]) -> list[dict[str, str]]:
    """The rows of `event_data`."""
    return [
        {"guid": data_guid(event.guid, key), "event_guid": event.guid, "key": key, "value": value}
        for event in fresh
        for key, value in event.data.items()
    ]
