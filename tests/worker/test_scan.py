"""Rows that others inserted are associated as if they had come through the API (the seed, "Creating events outside")."""

import pytest
import sqlalchemy as sa
from flask import Flask

from app.models import EVENTS_APP, Refresh, db
from app.properties import catalogue
from app.services import services
from backends.base import Association
from backends.event import Event
from tests.worker.conftest import age_rows, sql
from worker import jobs, scan


def profile_of(type: str) -> object:
    return sql("SELECT profile_guid FROM events WHERE type = :type", type=type)[0][0]


def store(event: Event) -> None:
    services().stream.append([event])
    jobs.drain()


def made_event(number: int, user: str | None, device: str | None) -> Event:
    moment = f"2026-01-01T00:00:{number:02d}.000Z"
    return Event(f"evt_{number}", f"type-{number}", user, device, moment, moment, {})


def test_a_row_with_a_type_and_a_user_is_a_whole_event(at_work: Flask) -> None:
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', '123')")
    age_rows()

    jobs.scan()

    assert str(profile_of("purchase")).startswith("pro_")
    assert services().backend.unassociated(10, 0) == []


def test_a_young_row_waits_for_the_next_scan(at_work: Flask) -> None:
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', '123')")

    jobs.scan()

    assert profile_of("purchase") is None


def test_a_row_joins_the_profile_of_its_user(at_work: Flask) -> None:
    store(made_event(1, "ann", None))
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', 'ann')")
    age_rows()

    jobs.scan()

    assert profile_of("purchase") == profile_of("type-1")


def test_a_sign_in_that_somebody_inserted_claims_the_device(at_work: Flask) -> None:
    store(made_event(1, None, "phone"))
    store(made_event(2, "ann", None))
    sql("INSERT INTO events (type, user_id, anonymous_id) VALUES ('sign-in', 'ann', 'phone')")
    age_rows()

    jobs.scan()

    assert profile_of("type-1") == profile_of("type-2") == profile_of("sign-in")


def test_rows_that_cannot_be_associated_are_looked_at_once(at_work: Flask) -> None:
    sql("INSERT INTO events (type, user_id) VALUES ('nobody', NULL), ('placeholder', ' NULL '), ('empty', '')")
    age_rows()

    jobs.scan()

    assert [profile_of(type) for type in ("nobody", "placeholder", "empty")] == [None] * 3
    assert services().backend.unassociated(10, 0) == []


def test_a_placeholder_counts_as_absent_beside_a_real_id(at_work: Flask) -> None:
    store(made_event(1, None, "phone"))
    sql("INSERT INTO events (type, user_id, anonymous_id) VALUES ('visit', 'undefined', 'phone')")
    age_rows()

    jobs.scan()
    store(made_event(2, "ann", "phone"))

    assert profile_of("visit") == profile_of("type-1") == profile_of("type-2")


def test_a_row_without_a_time_has_the_time_it_was_written(at_work: Flask) -> None:
    sql("INSERT INTO events (type, user_id, occurred_at) VALUES ('purchase', 'ann', NULL)")
    age_rows()

    jobs.scan()

    assert sql("SELECT count(*) FROM events WHERE occurred_at = created_at")[0][0] == 1


def test_scanning_again_changes_nothing(at_work: Flask) -> None:
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', 'ann')")
    age_rows()
    jobs.scan()
    before = sql("SELECT * FROM events")

    jobs.scan()

    assert sql("SELECT * FROM events") == before


class Killed(BaseException):
    """What SIGKILL does, as far as one process can do it to itself."""


def test_what_a_scan_had_associated_when_it_was_killed_is_looked_at_again(
    at_work: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look at who is who and its own write ann signed in on the phone: the row is on the phone's profile."""
    store(made_event(1, None, "phone"))
    store(made_event(2, "ann", None))
    source = catalogue.create_source(EVENTS_APP, "visits", "visit")
    rule = {"key": "visits", "type": "integer", "column": "type", "aggregation": "count"}
    catalogue.create_rule(rule | {"source_guid": source.guid})
    sql("INSERT INTO events (type, anonymous_id) VALUES ('visit', 'phone')")
    age_rows()
    associate = services().backend.associate

    def race(associations: list[Association]) -> None:
        store(made_event(3, "ann", "phone"))
        associate(associations)
        raise Killed

    monkeypatch.setattr(services().backend, "associate", race)
    with pytest.raises(Killed):
        jobs.scan()
    monkeypatch.undo()
    assert profile_of("visit") != profile_of("type-2")
    monkeypatch.setattr(scan, "BROKEN_OFF_AFTER_S", -1)

    jobs.scan()
    assert profile_of("visit") in db.session.scalars(sa.select(Refresh.profile_guid)).all()
    jobs.repoint()

    assert profile_of("visit") == profile_of("type-1") == profile_of("type-2")
    assert not services().redis.exists(scan.UNDER_WAY)
