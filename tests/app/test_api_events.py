"""Reading events over HTTP."""

import pytest
from flask import Flask

from app.api.cursor import write_cursor
from app.dead_letters import park
from app.keys import create_key, revoke_key
from backends.event import derived_event_guid
from tests.app.management import Reader, make_event, make_reader, queue, store


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def test_an_event_is_shown_with_every_field_and_its_data(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="ann", anonymous_id="phone", data={"path": "/"}, message_id="m-1", ip_address="10.0.0.1")
    store(app, event)

    shown = reader.json(f"/events/{event.guid}")["event"]

    profile = reader.json("/profiles/by/userId/ann")["profile"]
    assert shown.pop("updatedAt") >= event.created_at
    assert shown.pop("profileAssociatedAt") >= event.created_at
    assert shown == {
        "guid": event.guid,
        "messageId": "m-1",
        "producerGuid": None,
        "profileGuid": profile["guid"],
        "type": "pageview",
        "userId": "ann",
        "anonymousId": "phone",
        "ipAddress": "10.0.0.1",
        "occurredAt": "2026-01-01T00:00:00.000Z",
        "createdAt": event.created_at,
        "data": {"path": "/"},
        "state": "stored",
    }


def test_an_event_that_waits_is_shown_as_queued(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="ann")
    queue(app, event)
    shown = reader.json(f"/events/{event.guid}")["event"]
    assert (shown["state"], shown["profileGuid"]) == ("queued", None)


def test_an_event_that_was_parked_is_shown_as_dead(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="ann")
    with app.app_context():
        park(event, "it was bad")
    assert reader.json(f"/events/{event.guid}")["event"]["state"] == "dead"


@pytest.mark.parametrize("guid", ["evt_none", "a%00b", "..."])
def test_an_event_that_nobody_sent_is_unknown(reader: Reader, guid: str) -> None:
    answer = reader.get(f"/events/{guid}")
    assert answer.status_code == 404
    assert answer.json["error"].keys() == {"code", "message", "details"}


def test_the_unknown_event_has_its_own_code(reader: Reader) -> None:
    assert reader.get("/events/evt_none").json["error"]["code"] == "unknown_event"


def test_events_come_newest_first_page_by_page(app: Flask, reader: Reader) -> None:
    events = [make_event(user_id="ann", occurred_at=f"2026-01-0{day}T00:00:00.000Z") for day in range(1, 6)]
    store(app, *events)

    first = reader.json("/events", limit=2)
    second = reader.json("/events", limit=2, after=first["next"])
    third = reader.json("/events", limit=2, after=second["next"])

    shown = [event["guid"] for page in (first, second, third) for event in page["events"]]
    assert shown == [event.guid for event in reversed(events)]
    assert third["next"] is None


def test_the_cursor_stands_in_a_url_as_it_is(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann"), make_event(user_id="ann"))
    cursor = reader.json("/events", limit=1)["next"]
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_each_filter_keeps_what_it_names(app: Flask, reader: Reader) -> None:
    moment, data = "2026-02-02T00:00:00.000Z", {"a b": "1", "c": "2"}
    wanted = make_event(type="purchase", user_id="ann", anonymous_id="phone", occurred_at=moment, data=data)
    store(app, wanted, make_event(user_id="bob", anonymous_id="other", data={"c": "3"}))
    profile = reader.json("/profiles/by/userId/ann")["profile"]["guid"]
    filters = [
        {"type": "purchase"},
        {"userId": "ann"},
        {"anonymousId": "phone"},
        {"profileGuid": profile},
        {"from": "2026-02-02T00:00:00Z"},
        {"from": "2026-02-02T02:00:00+02:00", "to": "1769990400001"},
        {"data.a b": "1", "data.c": "2", "associated": "true"},
    ]
    for given in filters:
        assert [event["guid"] for event in reader.json("/events", **given)["events"]] == [wanted.guid], given


def test_the_end_of_a_time_span_is_not_in_it(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", occurred_at="2026-02-02T00:00:00.000Z"))
    assert reader.json("/events", to="2026-02-02T00:00:00Z")["events"] == []
    assert len(reader.json("/events", to="2026-02-02T00:00:00.001Z")["events"]) == 1


def test_a_message_is_found_whichever_key_sent_it(app: Flask, reader: Reader) -> None:
    with app.app_context():
        producer = create_key("old phone", ["events:write"])[0].guid
        revoke_key(producer)
    event = make_event(
        guid=derived_event_guid(producer, "m-7"), message_id="m-7", producer_guid=producer, user_id="ann"
    )
    store(app, event, make_event(user_id="ann"))
    assert [one["guid"] for one in reader.json("/events", messageId="m-7")["events"]] == [event.guid]


def test_a_profile_that_never_was_has_no_events(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann"))
    assert reader.json("/events", profileGuid="pro_none") == {"events": [], "next": None}


def test_a_row_that_nobody_looked_at_is_not_associated(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann"))
    assert reader.json("/events", associated="false")["events"] == []
    assert len(reader.json("/events", associated="true")["events"]) == 1


def test_types_are_listed_in_order(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", type="b"), make_event(user_id="ann", type="a"))
    assert reader.json("/events/types") == {"types": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1.5"),
        ("after", "nonsense"),
        ("after", "W10"),
        ("after", "é"),
        ("from", "yesterday"),
        ("to", "99999999999999999999"),
        ("associated", "maybe"),
        ("userId", "a\0b"),
    ],
)
def test_nonsense_is_refused_with_field_and_value(reader: Reader, name: str, value: str) -> None:
    answer = reader.get("/events", **{name: value})
    assert answer.status_code == 400
    assert answer.json["error"]["details"] == {"parameter": name, "value": value}


def test_a_misspelt_filter_is_refused_by_its_name(reader: Reader) -> None:
    answer = reader.get("/events", user_id="ann")
    assert answer.status_code == 400
    assert answer.json["error"]["details"]["parameters"] == ["user_id"]


def test_more_than_a_thousand_is_cut(reader: Reader) -> None:
    assert reader.get("/events", limit=5000).status_code == 200


def test_an_event_is_explained_by_rule_and_claims(app: Flask, reader: Reader) -> None:
    before = make_event(anonymous_id="phone", occurred_at="2026-01-01T00:00:00.000Z")
    sign_in = make_event(anonymous_id="phone", user_id="ann", occurred_at="2026-01-02T00:00:00.000Z")
    store(app, before, sign_in)

    explained = reader.json(f"/events/{before.guid}/explain")["explanation"]

    assert explained == {
        "eventGuid": before.guid,
        "rule": "only this person has signed in on the device",
        "owner": {"kind": "user", "value": "ann"},
        "profileGuid": reader.json("/profiles/by/userId/ann")["profile"]["guid"],
        "person": None,
        "claims": [
            {
                "anonymousId": "phone",
                "userId": "ann",
                "person": "ann",
                "occurredAt": "2026-01-02T00:00:00.000Z",
                "createdAt": sign_in.created_at,
                "eventGuid": sign_in.guid,
                "mergeGuid": None,
            }
        ],
        "merges": [],
    }


def test_what_is_not_stored_has_no_explanation(app: Flask, reader: Reader) -> None:
    event = make_event(user_id="ann")
    queue(app, event)
    assert reader.get(f"/events/{event.guid}/explain").status_code == 404


@pytest.mark.parametrize("path", ["/events", "/events/types", "/events/evt_1", "/events/evt_1/explain"])
def test_reading_events_needs_its_permission(app: Flask, path: str) -> None:
    assert make_reader(app, ["events:write", "profiles:read"]).get(path).status_code == 403
    assert app.test_client().get(f"/api/v1{path}").status_code == 401


def test_a_slash_at_the_end_changes_nothing(reader: Reader) -> None:
    assert reader.get("/events/").status_code == 200


@pytest.mark.parametrize("path", ["/events", "/keys", "/dead-letters"])
@pytest.mark.parametrize("moment", ["2026-99-99T99:99:99.999Z", "2026-02-30T00:00:00.000Z", "٢٠٢٦-01-01T00:00:00.000Z"])
def test_a_cursor_of_no_moment_is_refused(reader: Reader, path: str, moment: str) -> None:
    fields = (moment, moment, "evt_1") if path == "/events" else (moment, "key_1")
    answer = reader.get(path, after=write_cursor(fields))
    assert answer.status_code == 400 and answer.json["error"]["code"] == "invalid_parameter"


def test_more_filters_of_data_than_a_database_joins_are_refused(reader: Reader) -> None:
    assert reader.get("/events", **{f"data.k{number}": "" for number in range(20)}).status_code == 200
    answer = reader.get("/events", **{f"data.k{number}": "" for number in range(21)})
    assert answer.status_code == 400 and "20 of them" in answer.json["error"]["message"]
