"""`flask doctor` says what is wrong, and what to do, whatever is away."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.cli.doctor import CHECKS
from app.config import Settings
from app.dead_letters import park
from app.services import services
from tests.app.management import make_event
from tests.conftest import close
from tests.servers import free_port


@pytest.fixture
def released(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    with app.app_context():
        upgrade()
        services().backend.setup()
    yield app
    close(app)


def examined(app: Flask) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by subject."""
    done = app.test_cli_runner().invoke(args=["doctor", "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, {finding["subject"]: finding for finding in json.loads(done.stdout)}


def test_what_is_well_is_said_and_what_is_not_comes_with_advice(released: Flask) -> None:
    code, found = examined(released)

    assert code == 1, "there is no worker"
    for subject in ("versions", "redis version", "redis persistence", "database tables", "event backend", "stream"):
        assert found[subject]["level"] == "ok", found[subject]
    for subject in ("workers", "scheduler"):
        assert found[subject]["level"] == "error"
    assert all(bool(finding["advice"]) == (finding["level"] != "ok") for finding in found.values())


def test_tables_that_are_not_there_are_named_with_the_command_that_makes_them(settings: Settings) -> None:
    app = create_app(settings)

    code, found = examined(app)

    assert code == 1
    assert found["database tables"]["level"] == "error"
    assert "release" in found["database tables"]["advice"]
    assert found["event backend"]["level"] == "error"
    close(app)


@pytest.mark.parametrize(
    "setting, bad, good, subject",
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "redis eviction"),
        ("appendonly", "no", "yes", "redis persistence"),
        ("appendfsync", "no", "everysec", "redis persistence"),
    ],
)
def test_a_redis_that_may_forget_is_told(
    released: Flask, redis_url: str, setting: str, bad: str, good: str, subject: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set(setting, bad)
        try:
            _, found = examined(released)
        finally:
            client.config_set(setting, good)

    assert found[subject]["level"] != "ok"
    assert setting in found[subject]["advice"]


def test_what_was_left_lying_is_told(released: Flask) -> None:
    with released.app_context():
        park(make_event(user_id="ann"), "it was refused")

    assert examined(released)[1]["dead letters"]["level"] == "warning"


def test_it_answers_with_everything_away(settings: Settings) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    app = create_app(
        replace(settings, database_url=f"postgresql://user:secret@{nowhere}/x", redis_url=f"redis://:secret@{nowhere}/0")
    )

    done = app.test_cli_runner().invoke(args=["doctor"])

    assert done.exit_code == 1
    assert all(subject in done.output for subject in ("redis", "database", "event backend", "workers", "leftovers"))
    assert "secret" not in done.output and "Traceback" not in done.output
    close(app)


def test_it_answers_with_everything_hanging(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        nowhere = f"127.0.0.1:{mute.getsockname()[1]}"
        app = create_app(replace(settings, database_url=f"postgresql://user@{nowhere}/x", redis_url=f"redis://{nowhere}/0"))

        code, found = examined(app)

    assert code == 1
    assert found.keys() >= {subject for subject, _ in CHECKS} - {"machine"}
    close(app)


def test_a_disk_that_goes_with_the_dyno_is_no_place_for_a_database(
    settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "DYNO", "web.1")
    app = create_app(replace(settings, database_url="sqlite://"))

    _, found = examined(app)

    assert (found["DATABASE_URL"]["level"], found["TRUSTED_PROXIES"]["level"]) == ("error", "warning")
    close(app)
