"""Deletion and retention are carried through, though the worker that does it is killed again and again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.services import services
from app.stream import DELETE, EXPIRE
from backends.base import EventQuery
from tests.servers import Database, wait_until
from tests.worker.system import System, event

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture
def system(server_directory: Path, tmp_path: Path, database: type[Database]) -> Iterator[System]:
    directory = server_directory / tmp_path.name
    directory.mkdir(mode=0o755)
    with System(directory, database=database) as system:
        system.workers[0].environ |= {"RETENTION_DAYS": "view=30"}
        yield system


def test_a_worker_killed_at_every_sign_of_progress_forgets_all_that_it_should_and_nothing_else(system: System) -> None:
    """Given events of ann, some that are too old, and others, when both go, then all of the others are left, and only they."""
    doomed = [event("ann", "phone") for _ in range(5000)]
    old = [event("bob", "laptop", type="view", occurredAt="2020-01-01T00:00:00Z") for _ in range(3000)]
    kept = [event("bob", "phone") for _ in range(500)] + [event(None, "kiosk") for _ in range(500)]
    store(system, doomed + old + kept)
    ann = system.get("/profiles/by/userId/ann")["profile"]["guid"]
    answer = requests.delete(f"{system.web.url}/api/v1/profiles/{ann}", headers={"X-Api-Key": system.key}, timeout=10)
    assert answer.status_code == 202

    deaths = 0
    while (left := count(system)) > len(kept):
        begin(system)
        wait_until(lambda left=left: count(system) < left, what="a sign of progress")  # type: ignore[misc]  # mypy's limit
        system.workers[0].kill()
        deaths += 1
    begin(system)
    system.settle()

    assert deaths > 2
    assert {one.message_id for one in system.stored().values()} == {one["messageId"] for one in kept}
    wait_until(lambda: not is_known(system, "ann"), what="that ann is forgotten")
    assert is_known(system, "bob")


def store(system: System, sent: list[dict[str, Any]]) -> None:
    for start in range(0, len(sent), 1000):
        assert system.post(sent[start : start + 1000]).status_code == 202
    system.start_workers()
    system.wait_until_drained()
    system.workers[0].kill()


def begin(system: System) -> None:
    """Start the worker, and what the schedule would."""
    system.start_workers()
    system.wake(DELETE)
    system.wake(EXPIRE)


def count(system: System) -> int:
    with system.app.app_context():
        return services().backend.count(EventQuery())


def is_known(system: System, user: str) -> bool:
    url = f"{system.web.url}/api/v1/profiles/by/userId/{user}"
    return requests.get(url, headers={"X-Api-Key": system.key}, timeout=10).status_code == 200
