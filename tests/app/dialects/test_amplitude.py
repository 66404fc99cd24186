"""What Amplitude's SDKs send; they read an answer's `code`, not its status."""

from typing import Any

import pytest
from flask import Flask

from tests.app.dialects.speaking import MOMENT, MOMENT_MS, Speaker

ONE = {"event_type": "buy", "user_id": "ann", "device_id": "phone", "time": MOMENT_MS, "insert_id": "i1"}


def body(sdk: Speaker, *events: object, **more: Any) -> dict[str, Any]:
    return {"api_key": sdk.key, "events": [*events], **more}


def event_of(sdk: Speaker, **told: Any) -> Any:
    return sdk.taken(sdk.client.post("/2/httpapi", json=body(sdk, {**ONE, **told})))


@pytest.mark.parametrize("path", ["/2/httpapi", "/2/httpapi/", "/batch", "/batch/"])
def test_events_are_taken(sdk: Speaker, path: str) -> None:
    told = {**ONE, "event_properties": {"total": 9.5}, "platform": "Web", "revenue": 3, "groups": {"company": "acme"}}
    answer = sdk.client.post(path, json=body(sdk, told, options={"min_id_length": 1}))

    assert answer.json is not None and answer.status_code == 200
    assert (answer.json["code"], answer.json["events_ingested"]) == (200, 1)
    assert answer.json["payload_size_bytes"] > 100 and answer.json["server_upload_time"] > MOMENT_MS
    event = sdk.taken(answer)
    assert (event.type, event.user_id, event.anonymous_id, event.message_id) == ("buy", "ann", "phone", "i1")
    assert event.occurred_at == MOMENT
    assert event.data == {"total": "9.5", "revenue": "3", "context.platform": "Web", "context.groups.company": "acme"}


def test_an_identify_sets_traits(sdk: Speaker) -> None:
    told = {"$set": {"plan": "pro"}, "$setOnce": {"referrer": "EMPTY"}, "$add": {"visits": 1}, "plain": 1}
    event = event_of(sdk, event_type="$identify", user_properties=told)

    assert event.type == "identify"
    assert event.data == {"plan": "pro", "plain": "1", "context.$setOnce.referrer": "EMPTY", "context.$add.visits": "1"}


def test_a_group_has_its_own_traits(sdk: Speaker) -> None:
    event = event_of(sdk, event_type="$groupidentify", groups={"company": "acme"}, group_properties={"$set": {"plan": "pro"}})

    assert event.type == "group"
    assert event.data == {"groupType": "company", "groupId": "acme", "plan": "pro"}


@pytest.mark.parametrize("told, address", [("$remote", "127.0.0.1"), ("8.8.8.8", "8.8.8.8"), (None, "127.0.0.1")])
def test_remote_is_the_peers_address(sdk: Speaker, told: str | None, address: str) -> None:
    assert event_of(sdk, ip=told).ip_address == address


def test_the_clients_clock_is_corrected(sdk: Speaker) -> None:
    one = {**ONE, "time": 1_577_836_800_000}
    event = sdk.taken(sdk.client.post("/2/httpapi", json=body(sdk, one, client_upload_time="2020-01-01T00:00:10.000Z")))

    assert event.created_at > event.occurred_at > "2026"


@pytest.mark.parametrize("key", ["wrong", None, 5, ""])
def test_a_bad_key_is_answered_with_400(sdk: Speaker, key: object) -> None:
    answer = sdk.client.post("/2/httpapi", json={"api_key": key, "events": [ONE]})

    assert answer.status_code == 400 and answer.json
    assert answer.json["code"] == 400 and answer.json["error"].startswith("Invalid API key: ")


def test_so_is_one_without_the_permission(app: Flask) -> None:
    reader = Speaker(app, ["events:read"])
    answer = reader.client.post("/batch", json=body(reader, ONE))

    assert (answer.status_code, answer.json and answer.json["error"][:17]) == (400, "Invalid API key: ")


def test_where_nothing_is_valid_the_events_are_named(sdk: Speaker) -> None:
    answer = sdk.client.post("/2/httpapi", json=body(sdk, {}, 5, {"event_type": "a"}))

    assert answer.status_code == 400 and answer.json
    assert (answer.json["code"], answer.json["missing_field"]) == (400, None)
    assert answer.json["events_with_invalid_fields"] == {"events": [0, 1, 2]}


@pytest.mark.parametrize("events", [None, {}, "x"])
def test_where_the_body_is_of_no_use_the_field_is_named(sdk: Speaker, events: object) -> None:
    answer = sdk.client.post("/2/httpapi", json={"api_key": sdk.key, "events": events})

    assert answer.status_code == 400 and answer.json and answer.json["missing_field"] == "events"


def test_a_spent_limit_names_the_events(app: Flask) -> None:
    limited = Speaker(app, rate_limit=1)
    answers = [limited.client.post("/2/httpapi", json=body(limited, ONE, ONE)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json and (answers[1].json["code"], answers[1].json["throttled_events"]) == (429, [0, 1])
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 60


def test_a_large_body_is_413(sdk: Speaker) -> None:
    answer = sdk.client.post("/2/httpapi", data=b" " * (5 * 1024 * 1024 + 1))

    assert (answer.status_code, answer.json and answer.json["code"]) == (413, 413)
