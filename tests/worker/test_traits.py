"""Traits: what is told of people by `identify` and `group` is known of them, without anybody making a rule."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.identity import decisions, profiles
from app.keys import PERMISSIONS, create_key
from app.models import Trait, db
from app.properties.traits import LOOK_AGAIN_S, MOST, Traits
from app.services import services
from backends.event import Event, new_guid
from tests.app.management import Reader
from tests.worker.conftest import age_rows, sql
from worker import jobs

pytestmark = pytest.mark.usefixtures("at_work")


@pytest.fixture
def reader(at_work: Flask) -> Reader:
    _, key = create_key("test", PERMISSIONS)
    return Reader(at_work.test_client(), key)


def told(user: str | None, second: int = 0, device: str | None = None, type: str = "identify", **data: str) -> Event:
    moment = f"2026-01-01T00:00:{second:02}.000Z"
    return Event(new_guid("evt"), type, user, device, moment, moment, data)


def drain(*events: Event) -> None:
    """What a worker does."""
    services().stream.append(events)
    jobs.drain()
    work()


def work() -> None:
    """What is left to do to bring all properties up to date."""
    jobs.repoint()
    jobs.refresh()
    jobs.backfill()
    jobs.refresh()


def known(reader: Reader, user: str, kind: str = "userId") -> dict[str, Any]:
    found = reader.json(f"/profiles/by/{kind}/{user}")["profile"]["properties"]
    return {key: one["value"] for key, one in found.items()}


def rules(reader: Reader) -> dict[str, dict[str, Any]]:
    return {rule["key"]: rule for rule in reader.json("/property-rules", limit=1000)["propertyRules"]}


def test_what_identify_tells_is_known_of_the_person_as_it_was_told_last(reader: Reader) -> None:
    drain(told("ann", 1, email="ann@old.example", plan="free"))
    drain(told("ann", 3, email="ann@shop.example"), told("ann", 2, email="late@shop.example"), told("bob", plan="pro"))

    assert known(reader, "ann") == {"email": "ann@shop.example", "plan": "free"}
    assert known(reader, "bob") == {"plan": "pro"}
    assert {(one["origin"], one["aggregation"], one["type"]) for one in rules(reader).values()} == {
        ("trait", "most recent value", "string")
    }


def test_what_group_tells_has_a_name_of_its_own(reader: Reader) -> None:
    drain(told("ann", name="Ann"), told("ann", type="group", name="Shop & Co"), told("ann", type="visit", name="home"))

    assert known(reader, "ann") == {"name": "Ann", "group.name": "Shop & Co"}


def test_only_what_tells_of_the_person_becomes_a_property(reader: Reader) -> None:
    others = {"context.ip": "192.0.2.1", "userId": "ann", "guid": "x", "a b": "1", "a/b": "2", "": "3"}

    drain(told("ann", **others, plan="pro"))

    assert known(reader, "ann") == {"plan": "pro"}


def test_a_trait_is_known_at_once_though_the_backfill_has_not_come_to_the_person(reader: Reader) -> None:
    services().stream.append([told("ann", plan="pro")])
    jobs.drain()

    jobs.refresh()

    assert known(reader, "ann") == {"plan": "pro"}
    assert rules(reader)["plan"]["backfill"]["state"] == "running"


def test_rows_from_outside_tell_traits_too(reader: Reader) -> None:
    sql("INSERT INTO event_data (event_guid, \"key\", value) VALUES ('evt_1', 'plan', 'pro')".replace('"key"', quoted("key")))
    sql("INSERT INTO events (guid, type, user_id) VALUES ('evt_1', 'identify', 'ann')")
    age_rows()

    jobs.scan()
    work()

    assert known(reader, "ann") == {"plan": "pro"}


def quoted(name: str) -> str:
    return db.engine.dialect.identifier_preparer.quote(name)


def test_a_deleted_rule_does_not_come_back_with_the_next_event(reader: Reader) -> None:
    drain(told("ann", plan="pro", name="Ann"))
    reader.delete(f"/property-rules/{rules(reader)['plan']['guid']}")
    drain(told("ann", 1, plan="free"))

    assert Traits(services().identity).discover([told("ann", plan="free")._replace(profile_guid="pro_1")]) is False
    assert rules(reader).keys() == {"name"}
    assert known(reader, "ann") == {"name": "Ann"}


def test_a_person_s_rule_is_left_alone(reader: Reader) -> None:
    make_rule(reader, "plan", "signup")
    drain(told("ann", type="signup", plan="basic"), told("ann", 1, plan="pro"))

    assert rules(reader)["plan"]["origin"] == "user"
    assert known(reader, "ann") == {"plan": "basic"}


def test_a_person_s_rule_takes_the_place_of_one_that_made_itself(reader: Reader) -> None:
    drain(told("ann", plan="pro", name="Ann"), told("ann", type="signup", plan="basic"))
    made = make_rule(reader, "plan", "signup")
    drain(told("ann", 1, plan="free"))
    assert known(reader, "ann") == {"plan": "basic", "name": "Ann"}

    renamed = reader.patch(f"/property-rules/{made['guid']}", {"key": "name"})
    work()

    assert renamed.status_code == 200
    assert known(reader, "ann") == {"name": "basic"}


def make_rule(reader: Reader, key: str, event_type: str) -> dict[str, Any]:
    source = reader.post("/sources", {"name": event_type, "eventType": event_type}).json["source"]["guid"]
    body = {"key": key, "type": "string", "sourceGuid": source, "column": f"data.{key}", "aggregation": "most recent value"}
    answer = reader.post("/property-rules", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json["propertyRule"]
    return made


def test_a_trait_can_be_given_a_type_and_be_unique(reader: Reader) -> None:
    drain(told("ann", email="ann@shop.example", age="30"))
    made = rules(reader)
    reader.patch(f"/property-rules/{made['email']['guid']}", {"type": "email", "unique": True})
    reader.patch(f"/property-rules/{made['age']['guid']}", {"type": "integer"})
    drain(told("bob", age="none"))

    found = reader.json("/profiles/by/email/ann@shop.example")["profile"]
    assert {key: one["value"] for key, one in found["properties"].items()} == {"email": "ann@shop.example", "age": 30}
    assert known(reader, "bob") == {}


def test_no_more_than_so_many_keys_become_rules(reader: Reader) -> None:
    keys = [f"k{number:03}" for number in range(MOST + 20)]
    drain(*(told("ann", **{key: "x" for key in keys[start : start + 100]}) for start in range(0, len(keys), 100)))
    assert rules(reader).keys() == set(keys[:MOST])

    reader.delete(f"/property-rules/{rules(reader)['k000']['guid']}")
    in_a_minute = Traits(services().identity)
    assert in_a_minute.discover([told("ann", **{keys[-1]: "x"})._replace(profile_guid="pro_1")])
    assert rules(reader).keys() == {*keys[1:MOST], keys[-1]}
    assert LOOK_AGAIN_S == 60


def test_workers_that_see_keys_at_the_same_moment_make_each_rule_once(at_work: Flask, reader: Reader) -> None:
    workers = [Traits(services().identity) for _ in range(4)]
    parts = [[told("ann", **{f"k{number}": "x" for number in range(start, start + 9)})] for start in range(0, 12, 3)]
    events = [[event._replace(profile_guid="pro_1") for event in part] for part in parts]

    def discover(number: int) -> bool:
        with at_work.app_context():
            return workers[number].discover(events[number])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(discover, range(4)))

    assert sorted(rules(reader)) == sorted(f"k{number}" for number in range(18))
    assert db.session.query(Trait).count() == 18
    assert [source["name"] for source in reader.json("/sources")["sources"]] == ["identify traits"]


def test_traits_go_with_the_person_through_merge_and_revert(reader: Reader) -> None:
    drain(told(None, 1, "phone", plan="pro"), told("ann", 2, plan="free"), told("bob", 3, plan="basic"))
    store = services().identity
    ann, bob = (profiles.find_by(store, "user", name) for name in ("ann", "bob"))
    assert ann and bob
    merge = decisions.merge(store, ann, bob)
    work()
    assert merge and known(reader, "ann") == known(reader, "bob") == {"plan": "basic"}

    decisions.revert(store, merge)
    work()

    assert (known(reader, "ann"), known(reader, "bob")) == ({"plan": "free"}, {"plan": "basic"})
    drain(told("ann", 4, "phone"))
    assert known(reader, "ann") == {"plan": "free"}


def test_a_source_of_somebody_else_s_by_that_name_is_in_nobody_s_way(reader: Reader) -> None:
    reader.post("/sources", {"name": "identify traits", "eventType": "signup"})

    drain(told("ann", plan="pro"))

    assert known(reader, "ann") == {"plan": "pro"}
