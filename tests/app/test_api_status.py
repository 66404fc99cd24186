"""The status over HTTP."""

import re

import redis
import sqlalchemy as sa
from flask import Flask
from rq import Queue, SimpleWorker

from app.dead_letters import park
from app.services import services
from app.stream import QUEUE
from backends.base import Association
from backends.sql.backend import SqlBackend
from tests.app.management import make_event, make_reader, queue


def test_the_status_counts_what_waits_and_what_is_left_open(app: Flask) -> None:
    reader = make_reader(app)
    queue(app, make_event(user_id="ann"), make_event(user_id="bob"))
    with app.app_context():
        park(make_event(user_id="ann"), "it was bad")

    status = reader.json("/status")

    assert status.pop("oldestWaitingSeconds") >= 0
    assert status == {
        "waitingEvents": 2,
        "unassociated": 0,
        "unassociable": 0,
        "deadLetters": 1,
        "refreshes": 0,
        "conflicts": 0,
        "failingSources": 0,
        "repoints": 0,
        "workers": [],
        "dependencies": {"redis": "ok", "database": "ok", "backend": "ok"},
    }


def test_each_worker_is_named_with_when_it_was_last_seen(app: Flask, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        worker = SimpleWorker([Queue(QUEUE, connection=connection)], name="one", connection=connection)
        worker.register_birth()
        worker.set_state("idle")
        (shown,) = make_reader(app).json("/status")["workers"]
    assert (shown["name"], shown["state"]) == ("one", "idle")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["lastSeen"])


def test_rows_that_nobody_looked_at_are_told_from_those_that_are_nobodys(app: Flask) -> None:
    with app.app_context():
        backend = services().backend
        assert isinstance(backend, SqlBackend)
        with backend.engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO events (guid, type) VALUES ('a', 'x'), ('b', 'x'), ('c', 'x')"))
        backend.associate([Association("a", None, None, None)])
    status = make_reader(app).json("/status")
    assert (status["unassociated"], status["unassociable"]) == (2, 1)


def test_the_status_needs_its_permission(app: Flask) -> None:
    assert make_reader(app, ["events:read"]).get("/status").status_code == 403
