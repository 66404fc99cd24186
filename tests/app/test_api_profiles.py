"""Profiles over HTTP: reading them, and deciding about them."""

from urllib.parse import quote

import pytest
from flask import Flask

from app.dead_letters import park
from tests.app.management import Reader, make_event, make_reader, store, work_off


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def guid_of(reader: Reader, key: str, value: str) -> str:
    """The profile of an id."""
    found: str = reader.json(f"/profiles/by/{key}/{value}")["profile"]["guid"]
    return found


def test_a_profile_is_shown_with_its_identifiers(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", anonymous_id="phone"))

    profile = reader.json("/profiles/by/userId/ann")["profile"]

    assert profile.keys() == {"guid", "identifiers", "properties", "createdAt", "updatedAt"}
    assert profile["identifiers"] == [{"kind": "user", "value": "ann"}, {"kind": "anonymous", "value": "phone"}]
    assert reader.json(f"/profiles/{profile['guid']}")["profile"] == profile
    assert reader.json(f"/profiles/{profile['guid']}/identifiers") == {"identifiers": profile["identifiers"]}


@pytest.mark.parametrize("value", ["a/b", "http://x/y", "Zoë ", "50%", "a?b", "a+b"])
def test_an_id_is_found_whatever_characters_it_has(app: Flask, reader: Reader, value: str) -> None:
    store(app, make_event(user_id=value))
    profile = reader.json(f"/profiles/by/userId/{quote(value, safe='')}")["profile"]
    assert profile["identifiers"] == [{"kind": "user", "value": value}]


@pytest.mark.parametrize("path", ["pro_none", "by/userId/nobody", "by/name/ann", "by/userId/a%00"])
def test_a_profile_that_is_not_there_is_unknown(reader: Reader, path: str) -> None:
    answer = reader.get(f"/profiles/{path}")
    assert answer.status_code == 404
    assert answer.json["error"]["code"].startswith("unknown_")


def test_profiles_are_listed_page_by_page(app: Flask, reader: Reader) -> None:
    store(app, *(make_event(user_id=f"user {number}") for number in range(5)))
    seen, after = [], None
    while True:
        page = reader.json("/profiles", limit=2, **({"after": after} if after else {}))
        seen += [profile["guid"] for profile in page["profiles"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 5


def test_the_events_of_a_profile_are_those_of_its_devices_too(app: Flask, reader: Reader) -> None:
    on_phone = [make_event(anonymous_id="phone"), make_event(user_id="ann", anonymous_id="phone")]
    events = [*on_phone, make_event(user_id="ann", type="x")]
    store(app, *events, make_event(user_id="bob"))
    guid = guid_of(reader, "userId", "ann")
    assert {event["guid"] for event in reader.json(f"/profiles/{guid}/events")["events"]} == {event.guid for event in events}
    assert [event["guid"] for event in reader.json(f"/profiles/{guid}/events", type="x")["events"]] == [events[2].guid]


def test_reads_follow_a_merge_before_any_event_has_moved(app: Flask, reader: Reader) -> None:
    mine, other = make_event(user_id="ann"), make_event(user_id="ann.old")
    store(app, mine, other)
    into, source = guid_of(reader, "userId", "ann"), guid_of(reader, "userId", "ann.old")

    answer = reader.post(f"/profiles/{into}/merge", {"from": source})

    assert answer.status_code == 202
    assert answer.json["merge"] == {"guid": answer.json["merge"]["guid"], "profileGuid": into, "from": source}
    assert reader.json(f"/events/{other.guid}")["event"]["profileGuid"] == into
    assert reader.json(f"/profiles/{source}")["profile"]["guid"] == into
    for guid in (into, source):
        assert {event["guid"] for event in reader.json("/events", profileGuid=guid)["events"]} == {mine.guid, other.guid}


def test_reads_follow_a_revert_before_any_event_has_moved(app: Flask, reader: Reader) -> None:
    mine, other = make_event(user_id="ann"), make_event(user_id="bob", anonymous_id="phone")
    early = make_event(anonymous_id="phone")
    store(app, mine, other, early)
    into, source = guid_of(reader, "userId", "ann"), guid_of(reader, "userId", "bob")
    merge = reader.post(f"/profiles/{into}/merge", {"from": source}).json["merge"]["guid"]
    work_off(app)

    answer = reader.post(f"/merges/{merge}/revert")

    assert answer.status_code == 202
    assert answer.json == {"merge": {"guid": merge, "state": "reverted"}}
    assert [event["guid"] for event in reader.json(f"/profiles/{into}/events")["events"]] == [mine.guid]
    assert {event["guid"] for event in reader.json(f"/profiles/{source}/events")["events"]} == {other.guid, early.guid}
    assert guid_of(reader, "userId", "bob") == source


def test_a_page_is_full_though_much_of_it_belongs_elsewhere_by_now(app: Flask, reader: Reader) -> None:
    store(app, *(make_event(user_id="ann", occurred_at=f"2026-01-01T00:00:0{n}.000Z") for n in range(3)))
    store(app, *(make_event(user_id="bob", occurred_at=f"2026-01-02T00:00:0{n}.000Z") for n in range(9)))
    into, source = guid_of(reader, "userId", "ann"), guid_of(reader, "userId", "bob")
    merge = reader.post(f"/profiles/{into}/merge", {"from": source}).json["merge"]["guid"]
    work_off(app)
    reader.post(f"/merges/{merge}/revert")
    page = reader.json(f"/profiles/{into}/events", limit=2)
    assert len(page["events"]) == 2
    assert len(reader.json(f"/profiles/{into}/events", limit=2, after=page["next"])["events"]) == 1


def test_merging_what_is_one_already_changes_nothing(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann"), make_event(user_id="bob"))
    into, source = guid_of(reader, "userId", "ann"), guid_of(reader, "userId", "bob")
    reader.post(f"/profiles/{into}/merge", {"from": source})
    again = reader.post(f"/profiles/{into}/merge", {"from": source})
    assert (again.status_code, again.json) == (202, {"merge": None})


def test_a_device_takes_nobody_in(app: Flask, reader: Reader) -> None:
    store(app, make_event(anonymous_id="phone"), make_event(user_id="ann"))
    device, person = guid_of(reader, "anonymousId", "phone"), guid_of(reader, "userId", "ann")
    answer = reader.post(f"/profiles/{device}/merge", {"from": person})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "cannot_merge")
    assert reader.post(f"/profiles/{person}/merge", {"from": device}).status_code == 202


@pytest.mark.parametrize("body", [None, [], {}, {"from": 3}, {"from": "x", "more": 1}])
def test_a_merge_names_its_source(app: Flask, reader: Reader, body: object) -> None:
    store(app, make_event(user_id="ann"))
    answer = reader.post(f"/profiles/{guid_of(reader, 'userId', 'ann')}/merge", body)
    wanted = (422, "invalid_field") if isinstance(body, dict) else (400, "invalid_body")
    assert (answer.status_code, answer.json["error"]["code"]) == wanted


def test_what_is_not_there_can_be_neither_merged_nor_reverted_nor_deleted(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann"))
    guid = guid_of(reader, "userId", "ann")
    assert reader.post(f"/profiles/{guid}/merge", {"from": "pro_none"}).status_code == 404
    assert reader.post("/profiles/pro_none/merge", {"from": guid}).status_code == 404
    assert reader.post("/merges/mrg_none/revert").status_code == 404
    assert reader.delete("/profiles/pro_none").status_code == 404


def test_a_deleted_person_is_gone_at_once_with_events_and_dead_letters(app: Flask, reader: Reader) -> None:
    event, parked = make_event(user_id="ann", anonymous_id="phone"), make_event(user_id="ann")
    device_only = make_event(anonymous_id="phone")
    store(app, event)
    with app.app_context():
        park(parked, "it was bad")
        park(device_only, "so was this")

    answer = reader.delete(f"/profiles/{guid_of(reader, 'userId', 'ann')}")

    assert answer.status_code == 202
    assert answer.json["deletion"].keys() == {"guid"}
    assert reader.get("/profiles/by/userId/ann").status_code == 404
    assert reader.json("/events")["events"] == []
    for gone in (event, parked, device_only):
        assert reader.get(f"/events/{gone.guid}").status_code == 404


def test_a_merged_profile_says_what_holds_it_together(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="bob", anonymous_id="phone")
    store(app, make_event(user_id="ann"), event)
    into, source = guid_of(reader, "userId", "ann"), guid_of(reader, "userId", "bob")
    merge = reader.post(f"/profiles/{into}/merge", {"from": source}).json["merge"]["guid"]

    explained = reader.json(f"/profiles/{source}/explain")["explanation"]

    assert explained["profileGuid"] == into
    assert explained["owner"] == {"kind": "user", "value": "ann"}
    assert [(one["guid"], one["from"], one["into"]) for one in explained["merges"]] == [
        (merge, {"kind": "user", "value": "bob"}, {"kind": "user", "value": "ann"})
    ]
    assert [(claim["userId"], claim["person"]) for claim in explained["claims"]] == [("bob", "ann")]
    of_event = reader.json(f"/profiles/{into}/explain", event=event.guid)["explanation"]
    assert (of_event["person"], of_event["rule"]) == ("ann", "the event names the user")


def test_a_device_that_was_merged_is_explained_by_the_merge(app: Flask, reader: Reader) -> None:
    event = make_event(anonymous_id="phone")
    store(app, make_event(user_id="ann"), event)
    person, device = guid_of(reader, "userId", "ann"), guid_of(reader, "anonymousId", "phone")
    merge = reader.post(f"/profiles/{person}/merge", {"from": device}).json["merge"]["guid"]
    claim = reader.json(f"/events/{event.guid}/explain")["explanation"]["claims"][0]
    assert (claim["mergeGuid"], claim["eventGuid"], claim["occurredAt"]) == (merge, None, None)


def test_deciding_needs_its_permission(app: Flask) -> None:
    reader = make_reader(app, ["profiles:read", "events:write", "events:read"])
    assert reader.post("/profiles/pro_1/merge", {"from": "pro_2"}).status_code == 403
    assert reader.post("/merges/mrg_1/revert").status_code == 403
    assert reader.delete("/profiles/pro_1").status_code == 403
    assert make_reader(app, ["events:read"]).get("/profiles").status_code == 403


def test_an_event_is_explained_only_to_who_may_read_events(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="ann")
    store(app, event)
    guid = guid_of(reader, "userId", "ann")
    alone = make_reader(app, ["profiles:read"])

    assert alone.get(f"/profiles/{guid}/explain").status_code == 200
    answer = alone.get(f"/profiles/{guid}/explain", event=event.guid)
    assert answer.status_code == 403 and "events:read" in answer.json["error"]["message"]
