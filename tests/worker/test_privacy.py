"""What is not kept: events of suppressed ids, and events older than retention allows."""

import dataclasses
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app, dead_letters
from app.config import InvalidSettings, Settings
from app.identity import decisions, deletions, profiles, suppressions
from app.keys import PERMISSIONS, create_key
from app.models import DeadLetter, db
from app.retention import Retention
from app.services import services
from backends.base import EventQuery
from backends.event import Event, now
from tests.app.management import Reader
from tests.conftest import close
from tests.worker.conftest import age_rows, sql
from worker import jobs

LONG_AGO = "2020-01-01T00:00:00.000Z"


def visit(guid: str, user: str | None, device: str | None, occurred_at: str = "", type: str = "visit") -> Event:
    moment = now()
    return Event(f"evt_{guid}", type, user, device, occurred_at or moment, moment, {"path": "/"})


def store(*events: Event) -> None:
    services().stream.append(events)
    jobs.drain()


def stored() -> list[str]:
    return sorted(event.guid for event in services().backend.find(EventQuery(), 1000))


def refused() -> dict[tuple[str, str], int]:
    return {(row.kind, row.value): row.refused for row in suppressions.page(services().identity, 1000)}


@pytest.fixture
def reader(at_work: Flask) -> Reader:
    _, key = create_key("test", PERMISSIONS)
    return Reader(at_work.test_client(), key)


@pytest.mark.usefixtures("at_work")
def test_what_comes_for_a_suppressed_id_is_not_stored_and_counted() -> None:
    suppressions.suppress(services().identity, "user", "ann")
    suppressions.suppress(services().identity, "anonymous", "phone")

    store(visit("1", "ann", None), visit("2", "ann", "laptop"), visit("3", "bob", "phone"), visit("4", "phone", "ann"))

    assert stored() == ["evt_4"]
    assert refused() == {("user", "ann"): 2, ("anonymous", "phone"): 1}
    assert profiles.find_by(services().identity, "anonymous", "laptop") is None


@pytest.mark.usefixtures("at_work")
def test_rows_from_outside_are_refused_too() -> None:
    suppressions.suppress(services().identity, "user", "ann")
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', 'ann')")
    sql("INSERT INTO events (type, user_id) VALUES ('purchase', 'bob')")
    age_rows()

    jobs.scan()

    assert [event.user_id for event in services().backend.find(EventQuery(), 10)] == ["bob"]
    assert refused() == {("user", "ann"): 1}


@pytest.mark.usefixtures("at_work")
def test_an_id_that_is_released_is_stored_again() -> None:
    suppressions.suppress(services().identity, "user", "ann")
    assert suppressions.release(services().identity, "user", "ann")

    store(visit("1", "ann", None))

    assert stored() == ["evt_1"]
    assert not suppressions.release(services().identity, "user", "ann")


@pytest.mark.usefixtures("at_work")
def test_a_deletion_may_suppress_the_person_but_no_device_of_others() -> None:
    store(visit("1", "ann", "phone"), visit("2", "ann", "kiosk"), visit("3", "bob", "kiosk"))
    ann = profiles.find_by(services().identity, "user", "ann")
    assert ann

    deletions.delete(services().identity, ann, suppress=True)
    jobs.delete()
    store(visit("4", "ann", None), visit("5", None, "phone"), visit("6", None, "kiosk"))

    assert stored() == ["evt_3", "evt_6"]
    assert set(refused()) == {("user", "ann"), ("anonymous", "phone")}


def test_suppressions_are_made_listed_and_removed_over_http(reader: Reader) -> None:
    for value in ("ann", "bob", "c/d e"):
        made = reader.post("/suppressions", {"userId": value})
        assert (made.status_code, made.json["suppression"]["refusedEvents"]) == (201, 0)
    again = reader.post("/suppressions", {"userId": "ann"})

    first = reader.json("/suppressions", limit=2)
    rest = reader.json("/suppressions", limit=2, after=first["next"])

    assert again.status_code == 201
    assert [one["value"] for one in first["suppressions"] + rest["suppressions"]] == ["ann", "bob", "c/d e"]
    assert rest["next"] is None
    assert reader.delete("/suppressions/userId/c%2Fd%20e").status_code == 200
    assert reader.delete("/suppressions/userId/c%2Fd%20e").status_code == 404
    assert len(reader.json("/suppressions")["suppressions"]) == 2


@pytest.mark.parametrize(
    "body", [None, [], {}, {"userId": ""}, {"userId": 5}, {"email": "a"}, {"userId": "a", "anonymousId": "b"}]
)
def test_a_suppression_of_nothing_is_refused(reader: Reader, body: object) -> None:
    answer = reader.post("/suppressions", body)

    assert answer.status_code in (400, 415, 422)
    assert reader.json("/suppressions")["suppressions"] == []


def test_a_deletion_over_http_may_suppress(reader: Reader) -> None:
    store(visit("1", "ann", "phone"))
    guid = reader.json("/profiles/by/userId/ann")["profile"]["guid"]

    assert reader.delete(f"/profiles/{guid}?suppress=true").status_code == 202

    found = reader.json("/suppressions")["suppressions"]
    assert [(one["kind"], one["value"]) for one in found] == [("anonymous", "phone"), ("user", "ann")]


def test_the_command_line_suppresses_lists_and_removes(at_work: Flask) -> None:
    runner = at_work.test_cli_runner()

    assert runner.invoke(args=["suppressions", "add", "user", "ann"]).exit_code == 0
    assert "ann" in runner.invoke(args=["suppressions", "list"]).output
    assert runner.invoke(args=["suppressions", "remove", "user", "ann"]).exit_code == 0
    assert runner.invoke(args=["suppressions", "remove", "user", "ann"]).exit_code == 1
    assert runner.invoke(args=["suppressions", "add", "user", "a" * 192]).exit_code == 1


@pytest.fixture
def forgetful(settings: Settings) -> Iterator[Flask]:
    """A worker whose visits are kept for 30 days, and everything else for a thousand years but for logins."""
    app = create_app(dataclasses.replace(settings, retention_days=Retention.parse("visit=30,*=36500,login=30")))
    jobs.set_up(app, "test")
    with app.app_context():
        db.create_all()
        services().backend.setup()
        yield app
    app.extensions["workbench"].client.close()
    close(app)


@pytest.mark.usefixtures("forgetful")
def test_old_events_go_by_the_rule_of_their_type() -> None:
    store(visit("old", "ann", None, LONG_AGO), visit("new", "ann", None))
    store(visit("kept", "ann", None, LONG_AGO, "purchase"))

    jobs.expire()

    assert stored() == ["evt_kept", "evt_new"]
    assert sql("SELECT count(*) FROM event_data")[0][0] == 2


@pytest.mark.usefixtures("forgetful")
def test_old_dead_letters_go_by_the_same_rule() -> None:
    for event in (visit("old", "ann", None, LONG_AGO), visit("new", "ann", None), visit("kept", "ann", None, LONG_AGO, "buy")):
        dead_letters.park(event, "refused")

    jobs.expire()

    assert sorted(db.session.scalars(sa.select(DeadLetter.guid))) == ["evt_kept", "evt_new"]


@pytest.mark.usefixtures("forgetful")
def test_whose_device_it_is_stays_known_when_the_sign_in_is_gone() -> None:
    store(visit("login", "ann", "phone", LONG_AGO, "login"), visit("page", None, "phone"))
    ann = profiles.find_by(services().identity, "user", "ann")
    assert ann

    jobs.expire()
    store(visit("later", None, "phone"))
    decisions.reindex(services().identity, services().backend, tell=lambda _: None)
    jobs.repoint()

    assert stored() == ["evt_later", "evt_page"]
    assert {event.profile_guid for event in services().backend.find(EventQuery(), 9)} == {ann.guid}


@pytest.mark.usefixtures("forgetful")
def test_rows_that_nobody_looked_at_wait_for_the_scan_first() -> None:
    sql("INSERT INTO events (type, anonymous_id, user_id, occurred_at) VALUES ('visit', 'phone', 'ann', '2020-01-01')")
    age_rows()
    jobs.expire()
    assert len(stored()) == 1

    jobs.scan()
    jobs.expire()
    store(visit("page", None, "phone"))

    found = profiles.find_by(services().identity, "user", "ann")
    assert stored() == ["evt_page"]
    assert found and services().backend.find(EventQuery(), 9)[0].profile_guid == found.guid


@pytest.mark.usefixtures("forgetful")
def test_more_than_one_chunk_goes() -> None:
    store(*(visit(f"{number}", "ann", f"phone {number}", LONG_AGO) for number in range(2300)))

    jobs.expire()

    assert stored() == []


@pytest.mark.parametrize(
    "text, type, days",
    [
        ("365", "visit", 365),
        ("visit=30", "visit", 30),
        ("visit=30,*=5", "other", 5),
        ("a%2Cb%3D=7", "a,b=", 7),
        ("a=1", "b", None),
    ],
)
def test_retention_is_read(text: str, type: str, days: int | None) -> None:
    assert Retention.parse(text).days_of(type) == days


@pytest.mark.parametrize("text", ["x", "0", "visit=", "visit=-1", "visit=1,visit=2", "1,,2", "visit=99999"])
def test_retention_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="RETENTION_DAYS is"):
        Settings.from_environ({"RETENTION_DAYS": text})
