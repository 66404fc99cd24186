"""Dead letters, sent again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from app import dead_letters
from app.models import DeadLetter, db
from app.services import services
from backends.event import Event, derived_event_guid
from tests.worker.conftest import sql
from tests.worker.test_drain import made_event, stored
from worker import jobs


def test_a_dead_letter_can_be_sent_again(picky: Flask) -> None:
    services().stream.append([made_event("1", type="poison")])
    jobs.drain()
    sql("DROP TRIGGER picky" if db.engine.dialect.name == "sqlite" else "ALTER TABLE events DROP CONSTRAINT picky")

    assert dead_letters.retry([derived_event_guid("key", "1")]) == 1
    jobs.drain()

    assert [event.type for event in stored()] == ["poison"]
    assert db.session.scalars(sa.select(DeadLetter)).all() == []


def test_a_dead_letter_that_is_parked_again_before_the_retry_is_over_is_not_forgotten(
    at_work: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may be quicker: it reads the event, the store refuses it, it is parked, and acknowledged."""
    event = made_event("1")
    dead_letters.park(event, "refused")

    with ThreadPoolExecutor(1) as pool:

        def append(events: Sequence[Event]) -> None:
            pool.submit(park_again)
            time.sleep(0.3)

        def park_again() -> None:
            with at_work.app_context():
                dead_letters.park(event, "refused again")

        monkeypatch.setattr(services().stream, "append", append)
        assert dead_letters.retry([event.guid]) == 1

    [letter] = db.session.scalars(sa.select(DeadLetter)).all()
    assert letter.reason == "refused again" and dead_letters.event_of(letter) == event


def test_a_dead_letter_that_can_t_be_sent_again_stays(at_work: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_letters.park(made_event("1"), "refused")

    def append(events: Sequence[Event]) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(services().stream, "append", append)
    with pytest.raises(redis.ConnectionError):
        dead_letters.retry([made_event("1").guid])

    assert [letter.reason for letter in db.session.scalars(sa.select(DeadLetter))] == ["refused"]
