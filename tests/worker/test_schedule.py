"""The scheduler's process ends when it is told to, whatever Redis does."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Process, Valkey, scheduler, wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def clock(valkey: Valkey, tmp_path: Path) -> Iterator[Process]:
    log = tmp_path / "log"
    process = scheduler({"DATABASE_URL": f"sqlite:///{tmp_path}/app.sqlite3", "REDIS_URL": valkey.url}, log)
    process.start()
    wait_until(lambda: "scheduler started" in log.read_text(), what="the start of the scheduler")
    time.sleep(1)  # it sleeps until the next tick
    yield process
    process.kill()


def test_it_stops_while_redis_is_there(clock: Process) -> None:
    assert clock.stop() == 0


def test_it_stops_when_redis_went_away_since_the_last_tick(clock: Process, valkey: Valkey) -> None:
    valkey.kill()

    assert clock.stop() == 0


def test_it_stops_while_it_waits_for_redis(clock: Process, valkey: Valkey, tmp_path: Path) -> None:
    valkey.kill()
    wait_until(lambda: "Redis is away" in (tmp_path / "log").read_text(), 60, "the next tick")

    assert clock.stop() == 0
    assert "CRITICAL" not in (tmp_path / "log").read_text()
