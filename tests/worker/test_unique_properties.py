"""Unique properties, wanted by several workers at once: each value is one profile's, and its rivals know whose."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from flask import Flask

from app.identity.view import identifiers
from app.models import PropertyRule, Source, db
from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from app.properties.values import Computed, properties, write_values
from app.services import services
from backends.event import Event, now
from backends.sql.engine import writing
from tests.app.management import make_event, make_reader, pipeline
from worker.refresh import Refresher

pytestmark = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)

MOMENT = "2026-01-01T00:00:00.000Z"
RULE = "rul_email"
PEOPLE = [f"person {number}" for number in range(6)]
VALUES = ["a", "b", "c", "d"]


@pytest.fixture
def values(app: Flask) -> Iterator[PropertyStore]:
    """With a unique property of three profiles, pro_a, pro_b and pro_c."""
    with app.app_context():
        times = {"created_at": MOMENT, "updated_at": MOMENT}
        db.session.add(Source(guid="src_1", app_guid="app_events", name="t", event_type="t", options={}, **times))
        made = {"key": "email", "type": "string", "is_unique": True, "is_array": False, "origin": "user", "filters": []}
        options = {"column": "data.email", "aggregation": "most recent value"}
        db.session.add(PropertyRule(guid=RULE, source_guid="src_1", options=options, **made, **times))
        people = [{"kind": "user", "value": user, "home": f"pro_{user}", "created_at": MOMENT} for user in "abc"]
        db.session.execute(sa.insert(identifiers), people)
        db.session.commit()
        yield PropertyStore(services().identity)


def computed(values: PropertyStore, profile_guid: str, value: str | None, **others: str) -> Computed:
    (rule,) = values.rules(EventRule)
    found = {profile_guid: value, **others}
    return Computed(rule, list(found), {guid: (value, 0) for guid, value in found.items()}, now())


@contextmanager
def paused(values: PropertyStore, one: Computed) -> Iterator[None]:
    """A worker that has written the value, and commits at the end."""
    with writing(values.identity.engine) as connection:
        write_values(connection, [one])
        yield


@contextmanager
def interrupted(values: PropertyStore, statement: str, other: Computed) -> Iterator[None]:
    """Another worker writes `other` when this one is about to send the first statement that begins so."""
    thread = threading.Thread(target=values.write, args=([other],))

    def interrupt(_connection: object, _cursor: object, sent: str, *_others: object) -> None:
        if sent.startswith(statement) and thread.ident is None:
            thread.start()
            thread.join(0.5)

    sa.event.listen(values.identity.engine, "before_cursor_execute", interrupt)
    try:
        yield
    finally:
        sa.event.remove(values.identity.engine, "before_cursor_execute", interrupt)
        thread.join()


def owners() -> dict[str, tuple[str | None, str | None]]:
    """Per profile the unique value, and with whom it is in conflict."""
    with db.engine.connect() as connection:
        rows = connection.execute(sa.select(properties.c.profile_guid, properties.c.unique_value, properties.c.conflict))
        return {row[0]: (row[1], row[2]) for row in rows}


def test_who_wants_what_is_given_up_at_that_moment_gets_it_or_is_woken(app: Flask, values: PropertyStore) -> None:
    for first, second in (("pro_a", "pro_b"), ("pro_b", "pro_a")):
        values.write([computed(values, "pro_b", None), computed(values, "pro_a", "x")])
        wanted = {"pro_a": "y", "pro_b": "x"}
        other = threading.Thread(target=values.write, args=([computed(values, second, wanted[second])],))
        with paused(values, computed(values, first, wanted[first])):
            other.start()
            other.join(0.5)
        other.join()

        is_woken = "pro_b" in {one.profile_guid for one in values.take(10)}
        assert owners()["pro_a"] == ("y", None)
        assert owners()["pro_b"] == ("x", None) or is_woken, first
        with db.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM refreshes"))


def test_one_of_two_who_want_a_value_at_once_gets_it(app: Flask, values: PropertyStore) -> None:
    other = threading.Thread(target=values.write, args=([computed(values, "pro_b", "x")],))
    with paused(values, computed(values, "pro_a", "x")):
        other.start()
        other.join(0.5)
    other.join()
    assert owners() == {"pro_a": ("x", None), "pro_b": (None, "pro_a")}


def test_one_of_two_who_see_at_once_that_nobody_has_a_value_gets_it(app: Flask, values: PropertyStore) -> None:
    with interrupted(values, "INSERT INTO properties", computed(values, "pro_b", "x")):
        values.write([computed(values, "pro_a", "x")])

    assert owners() in (
        {"pro_a": ("x", None), "pro_b": (None, "pro_a")},
        {"pro_a": (None, "pro_b"), "pro_b": ("x", None)},
    )


def test_who_gives_a_value_up_takes_no_newer_one_away(app: Flask, values: PropertyStore) -> None:
    values.write([computed(values, "pro_a", "x")])
    older = computed(values, "pro_a", "y")
    time.sleep(0.002)

    with interrupted(values, "UPDATE properties SET unique_value", computed(values, "pro_a", "z")):
        values.write([older])

    assert owners() == {"pro_a": ("z", None)}


def test_who_is_in_conflict_hears_of_it_when_the_value_goes_to_a_third(app: Flask, values: PropertyStore) -> None:
    values.write([computed(values, "pro_a", "x")])
    values.write([computed(values, "pro_b", "x")])

    values.write([computed(values, "pro_a", "y", pro_c="x")])

    assert [one.profile_guid for one in values.take(10)] == ["pro_b"]
    values.write([computed(values, "pro_b", "x")])
    assert owners() == {"pro_a": ("y", None), "pro_b": (None, "pro_c"), "pro_c": ("x", None)}


def test_workers_who_fight_over_values_leave_each_with_one_owner(app: Flask, values: PropertyStore) -> None:
    chance = random.Random(7)

    def work(number: int) -> None:
        with app.app_context():
            refresher = Refresher(PropertyStore(services().identity), services().backend)
            for _ in range(30):
                refresher.work_off(lambda: True)

    def send(number: int) -> None:
        with app.app_context():
            for _ in range(20):
                pipeline().settle(pipeline().store_events([_wish(chance)]))

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda job: job[0](job[1]), [(send, 0), (send, 1), (work, 2), (work, 3), (work, 4)]))
    refresher = Refresher(values, services().backend)
    while refresher.work_off(lambda: True):
        pass
    _check(app)


def _wish(chance: random.Random) -> Event:
    return make_event(type="t", user_id=chance.choice(PEOPLE), occurred_at=now(), data={"email": chance.choice(VALUES)})


def _check(app: Flask) -> None:
    reader = make_reader(app)
    found = [one for one in reader.json("/profiles", limit=100)["profiles"] if "email" in one["properties"]]
    wanted = {one["guid"]: one["properties"]["email"] for one in found}
    assert len(wanted) > 3
    for guid, known in wanted.items():
        owner = reader.json(f"/profiles/by/email/{known['value']}")["profile"]["guid"]
        assert known.get("conflict", guid) == owner
    assert reader.json("/status")["conflicts"] == len(wanted) - len({known["value"] for known in wanted.values()})
