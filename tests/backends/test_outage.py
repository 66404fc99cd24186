"""A server that is stopped, killed and paused under SqlBackend."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.base import EventQuery
from backends.errors import BackendUnavailable
from backends.sql.backend import SqlBackend
from tests.backends.conformance import an_event
from tests.conftest import need_mariadb
from tests.servers import Database, MariaDb

pytestmark = pytest.mark.faults


@pytest.fixture
def server(database: type[Database], server_directory: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """One of this test's own, that keeps what it said it has stored."""
    directory = server_directory / f"outage-{abs(hash(request.node.name)) % 10**8}"
    directory.mkdir(mode=0o755)
    server = database(directory, options="")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def backend(server: Database) -> Iterator[SqlBackend]:
    backend = SqlBackend.open(server.url)
    backend.setup()
    yield backend
    backend.close()


def test_a_stopped_server_is_unavailable_and_works_when_it_is_back(server: Database, backend: SqlBackend) -> None:
    event = an_event(data={"k": "v"})
    backend.ping()

    server.kill()
    for call in (backend.ping, backend.types, lambda: backend.save([event]), lambda: backend.unassociated(9, 0)):
        with pytest.raises(BackendUnavailable):
            call()
    server.start()

    assert backend.save([event]) == {event.guid}


def test_a_server_that_stops_while_it_saves_keeps_whole_batches(server: Database, backend: SqlBackend) -> None:
    saved: list[str] = []
    batches = [[an_event(type=f"batch {number}", data={"k": "v"}) for _ in range(200)] for number in range(1000)]

    def save_until_it_fails() -> None:
        for batch in batches:
            try:
                backend.save(batch)
            except BackendUnavailable:
                return
            saved.append(batch[0].type)

    saving = threading.Thread(target=save_until_it_fails)
    saving.start()
    while len(saved) < 5:
        saving.join(0.01)
    server.kill()
    saving.join(30)
    server.start()

    assert len(saved) < len(batches)
    counts = {type: backend.count(EventQuery(type=type, data={"k": "v"})) for type in backend.types()}
    assert set(saved) <= set(counts)
    assert set(counts.values()) == {200}
    assert backend.save(batches[len(saved)]) in ({event.guid for event in batches[len(saved)]}, set())


def test_a_server_that_is_paused_is_not_waited_for_for_ever(server_directory: Path) -> None:
    need_mariadb()  # PostgreSQL's driver has no time limit of its own; a job's time limit ends the wait
    (server_directory / "paused").mkdir()
    server = MariaDb(server_directory / "paused")
    server.start()
    backend = SqlBackend.open(server.url)
    backend.setup()
    event = an_event()

    server.send(signal.SIGSTOP)
    with pytest.raises(BackendUnavailable):
        backend.save([event])
    server.send(signal.SIGCONT)

    assert backend.save([event]) == {event.guid}
    backend.close()
    server.kill()
