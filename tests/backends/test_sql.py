"""SqlBackend passes the suite on SQLite and on PostgreSQL, and keeps its own promises to people who write SQL."""

from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa

from backends.base import EventBackend
from backends.event import Event, data_guid
from backends.sql.backend import SqlBackend
from backends.sql.tables import event_data, events
from tests.backends.conformance import BackendConformance


@pytest.fixture
def backend(database_url: str) -> Iterator[SqlBackend]:
    backend = SqlBackend.open(database_url)
    backend.setup()
    yield backend
    backend.close()


class TestSqlBackend(BackendConformance):
    @pytest.fixture
    def backend(self, backend: SqlBackend) -> SqlBackend:
        return backend

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        assert isinstance(backend, SqlBackend)
        write_from_outside(backend, events)


def write_from_outside(backend: SqlBackend, some: Sequence[Event]) -> None:
    names = [name for name in Event._fields if name not in ("data", "updated_at")]
    with backend.engine.begin() as connection:
        for event in some:
            for key, value in event.data.items():
                row = {"guid": data_guid(event.guid, key), "event_guid": event.guid, "key": key, "value": value}
                connection.execute(sa.insert(event_data).values(row))
            connection.execute(sa.insert(events).values({name: getattr(event, name) for name in names}))
