"""The service that the client libraries are tried on: web process, worker and stores, all real."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from grouparoo import Client, Problem

from tests.clients.unreliable import Unreliable
from tests.servers import wait_until
from tests.worker.system import System


@pytest.fixture(scope="package")
def system(server_directory: Path) -> Iterator[System]:
    directory = server_directory / "clients"
    directory.mkdir(mode=0o755)
    with System(directory) as system:
        system.start_workers()
        yield system


@pytest.fixture
def unreliable(system: System) -> Iterator[Unreliable]:
    with Unreliable(system.web.url) as proxy:
        yield proxy


class Told(list[Problem]):
    """An `on_error` that remembers."""

    def __call__(self, problem: Problem) -> None:
        self.append(problem)

    def of(self, code: str) -> list[Problem]:
        return [problem for problem in self if problem.code == code]


Make = Callable[..., Client]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make(system: System, told: Told) -> Iterator[Make]:
    """Makes clients that are shut down when the test ends."""
    made: list[Client] = []

    def make(endpoint: str = system.web.url, key: str = system.key, **options: Any) -> Client:
        client = Client(key, endpoint, **{"on_error": told, "flush_interval_s": 0.05, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        client.shutdown(0)


@pytest.fixture
def person() -> str:
    """A userId that nobody else has."""
    return f"user-{uuid.uuid4().hex}"


def events_of(system: System, person: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.get(f"/events?userId={person}&limit=1000")["events"]
    return found


def wait_for(system: System, person: str, count: int) -> list[dict[str, Any]]:
    """That person's events, when so many are stored; then no more may come."""
    wait_until(lambda: len(events_of(system, person)) >= count, 60, f"the arrival of {count} events")
    system.wait_until_drained()
    found = events_of(system, person)
    assert len(found) == count
    return found
