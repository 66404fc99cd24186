"""Readiness when a dependency hangs: it neither refuses nor answers."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask

from app import create_app
from app.config import Settings
from app.health import Probe, dependencies
from tests.conftest import close


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server


@pytest.fixture
def app(silent: socket.socket, redis_url: str) -> Iterator[Flask]:
    """An app whose databases hang."""
    port = silent.getsockname()[1]
    app = create_app(Settings(database_url=f"postgresql://user@127.0.0.1:{port}/database", redis_url=redis_url))
    yield app
    silent.close()
    close(app)


def test_a_database_that_hangs_is_said_within_a_second_and_the_process_stays_ready(app: Flask) -> None:
    began = time.monotonic()
    answer = app.test_client().get("/health/ready")
    took = time.monotonic() - began
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "dependencies": {"redis": "ok", "database": "away", "backend": "away"}}
    assert took < 1.2


def test_that_it_hangs_is_told_to_those_who_may_know(app: Flask) -> None:
    with app.app_context():
        assert dependencies()["database"] == "away: no answer within 0.8 s"


def test_what_hangs_is_asked_once_at_a_time() -> None:
    answered, asked = threading.Event(), []

    def check() -> None:
        asked.append(1)
        answered.wait()

    probe = Probe()
    futures = [probe.ask(check) for _ in range(3)]
    answered.set()
    assert [future.result(5) for future in futures] == ["ok"] * 3
    assert len(asked) == 1
    assert probe.ask(check).result(5) == "ok"
    assert len(asked) == 2


def test_a_bug_in_a_check_is_no_outage() -> None:
    def check() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        Probe().ask(check).result(5)
