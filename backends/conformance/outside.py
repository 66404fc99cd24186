"""Rows written past the API, into the stores of this project: what their conformance is tested with."""

from collections.abc import Sequence

import sqlalchemy as sa

from backends.base import EventBackend
from backends.event import Event, data_guid
from backends.memory import MemoryBackend
from backends.sql.backend import SqlBackend
from backends.sql.tables import event_data, events


def write_from_outside(backend: EventBackend, some: Sequence[Event]) -> bool:
    """Write the events as nobody looked at them yet; False if this is not known of such a backend."""
    if type(backend) is MemoryBackend:
        backend.events.update({event.guid: event for event in some})
    elif isinstance(backend, SqlBackend):
        _write_rows(backend.engine, some)
    else:
        return False
    return True


def _write_rows(engine: sa.Engine, some: Sequence[Event]) -> None:
    names = [name for name in Event._fields if name not in ("data", "updated_at")]
    with engine.begin() as connection:
        for event in some:
            for key, value in event.data.items():
                row = {"guid": data_guid(event.guid, key), "event_guid": event.guid, "key": key, "value": value}
                connection.execute(sa.insert(event_data).values(row))
            connection.execute(sa.insert(events).values({name: getattr(event, name) for name in names}))
