"""What PostHog's SDKs send."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.app.dialects.speaking import MOMENT, SUCCESS, Speaker, packed, refused

NOBODY = "$posthog_cookieless"
JS = {"$device_id": "phone", "$lib": "web"}


def event_of(sdk: Speaker, told: dict[str, Any]) -> Any:
    """The event as it waits, sent in a batch."""
    return sdk.taken(sdk.client.post("/batch/", json={"api_key": sdk.key, "batch": [{"event": "buy", **told}]}))


def test_a_batch_is_taken(sdk: Speaker) -> None:
    one = {
        "event": "buy",
        "distinct_id": "ann",
        "uuid": "0198c2a4-7b7e-7000-8000-000000000000",
        "timestamp": MOMENT,
        "properties": {"total": 9.5, "$lib": "posthog-python", "token": sdk.key},
    }
    answer = sdk.client.post("/batch/", json={"api_key": sdk.key, "batch": [one], "sent_at": None})

    assert (answer.status_code, answer.json) == (200, SUCCESS)
    event = sdk.taken(answer)
    assert (event.type, event.user_id, event.anonymous_id) == ("buy", None, "ann")
    assert (event.occurred_at, event.message_id) == (MOMENT, one["uuid"])
    assert event.data == {"total": "9.5", "$lib": "posthog-python"}


def test_every_form_in_which_a_page_sends(sdk: Speaker) -> None:
    one = {"event": "$pageview", "properties": {"token": sdk.key, "distinct_id": "phone", **JS}}
    envelope = {"api_key": sdk.key, "batch": [one]}
    bodies = [json.dumps(one).encode(), json.dumps([one]).encode(), json.dumps(envelope).encode()]
    bodies += [gzip.compress(body) for body in bodies]
    bodies += [b"data=" + quote(packed(one)).encode() + b"&compression=base64", b"data=" + packed([one]).encode()]
    for path in ("/e/", "/i/v0/e/", "/capture"):
        for body in bodies:
            answer = sdk.client.post(f"{path}?compression=gzip-js&ip=1&ver=1.449", data=body, content_type="text/plain")
            assert (answer.status_code, answer.json) == (200, SUCCESS)
    assert [(event.type, event.anonymous_id) for event in sdk.stored()] == [("$pageview", "phone")] * 3 * len(bodies)


@pytest.mark.parametrize(
    "told, ids",
    [
        ({"distinct_id": "ann"}, (None, "ann")),
        ({"distinct_id": 5}, (None, "5")),
        ({"properties": {"distinct_id": "ann"}}, (None, "ann")),
        ({"properties": {"distinct_id": "phone", **JS}}, (None, "phone")),
        ({"properties": {"distinct_id": "ann", **JS}}, ("ann", "phone")),
        ({"properties": {"distinct_id": "ann", "$is_identified": True, **JS}}, ("ann", "phone")),
        ({"properties": {"distinct_id": "seed", "$is_identified": False, **JS}}, (None, "seed")),
    ],
)
def test_whose_an_event_is(sdk: Speaker, told: dict[str, Any], ids: tuple[str | None, str | None]) -> None:
    event = event_of(sdk, told)

    assert (event.user_id, event.anonymous_id) == ids
    assert "context.linkedId" not in event.data


@pytest.mark.parametrize(
    "told, ids",
    [
        ({"distinct_id": NOBODY}, (None, None)),
        ({"properties": {"distinct_id": NOBODY, "$device_id": None}}, (None, None)),
        ({"properties": {"distinct_id": NOBODY, "$device_id": NOBODY}}, (None, None)),
        ({"properties": {"distinct_id": "ann", "$device_id": NOBODY}}, (None, "ann")),
        ({"event": "$identify", "distinct_id": "ann", "properties": {"$anon_distinct_id": NOBODY}}, ("ann", None)),
        ({"event": "$create_alias", "distinct_id": NOBODY, "properties": {"alias": "ann", **JS}}, ("ann", None)),
    ],
)
def test_what_a_page_without_cookies_says_is_no_id(sdk: Speaker, told: dict[str, Any], ids: tuple[str | None, ...]) -> None:
    event = event_of(sdk, told)

    assert (event.user_id, event.anonymous_id) == ids


@pytest.mark.parametrize("distinct", [None, "", "null"])
def test_an_event_that_should_have_an_id_and_has_none_is_refused(sdk: Speaker, distinct: str | None) -> None:
    body = {"api_key": sdk.key, "batch": [{"event": "buy", "distinct_id": distinct}]}

    refused(sdk.client.post("/batch/", json=body), 400, "nothing says whose event it is")


@pytest.mark.parametrize(
    "name, kind, told, ids",
    [
        ("$identify", "identify", {"$anon_distinct_id": "phone"}, ("ann", "phone")),
        ("$identify", "identify", {}, ("ann", None)),
        ("$create_alias", "alias", {"alias": "phone", "$lib": "posthog-node"}, ("ann", "phone")),
        ("$merge_dangerously", "alias", {"alias": "phone"}, ("ann", "phone")),
    ],
)
def test_links(sdk: Speaker, name: str, kind: str, told: dict[str, Any], ids: tuple[str, str | None]) -> None:
    event = event_of(sdk, {"event": name, "distinct_id": "ann", "properties": told})

    assert (event.type, event.user_id, event.anonymous_id) == (kind, *ids)
    assert event.data["context.linkedId"] == "ann"


@pytest.mark.parametrize("library", ["posthog-python", "web"])
def test_in_python_and_pages_the_alias_is_the_user(sdk: Speaker, library: str) -> None:
    event = event_of(sdk, {"event": "$create_alias", "distinct_id": "phone", "properties": {"alias": "ann", "$lib": library}})

    assert (event.user_id, event.anonymous_id, event.data["context.linkedId"]) == ("ann", "phone", "ann")


@pytest.mark.parametrize("library, ids", [("posthog-python", ("ann", "phone")), ("posthog-node", ("phone", "ann"))])
def test_in_capture_v1_a_header_says_whose_alias_it_is(sdk: Speaker, library: str, ids: tuple[str, str]) -> None:
    headers = {"Authorization": f"Bearer {sdk.key}", "PostHog-Sdk-Info": f"{library}/7.0"}
    told = {"batch": [{"event": "$create_alias", "uuid": "1", "distinct_id": "phone", "properties": {"alias": "ann"}}]}

    event = sdk.taken(sdk.client.post("/i/v1/analytics/events", json=told, headers=headers))

    assert (event.user_id, event.anonymous_id) == ids


@pytest.mark.parametrize("name", ["$create_alias", "$merge_dangerously"])
def test_an_alias_of_an_id_with_itself_is_stored_and_links_nothing(sdk: Speaker, name: str) -> None:
    event = event_of(sdk, {"event": name, "distinct_id": "ann", "properties": {"alias": "ann"}})

    assert (event.type, event.user_id, event.anonymous_id) == ("alias", None, "ann")
    assert "context.linkedId" not in event.data


@pytest.mark.parametrize("place", ["event", "properties"])
@pytest.mark.parametrize("name", ["$identify", "$set"])
def test_what_is_set_are_the_traits(sdk: Speaker, name: str, place: str) -> None:
    traits = {"$set": {"email": "a@b.c"}, "$set_once": {"first": 1}}
    told = {"properties": {"$lib": "x"}, **traits} if place == "event" else {"properties": {"$lib": "x", **traits}}
    event = event_of(sdk, {"event": name, "distinct_id": "ann", **told})

    assert event.type == "identify"
    plain = {key: value for key, value in event.data.items() if not key.startswith("context.")}
    assert plain == {"email": "a@b.c"}
    assert (event.data["context.$set_once.first"], event.data["context.$lib"]) == ("1", "x")


def test_a_group(sdk: Speaker) -> None:
    told = {"$group_type": "company", "$group_key": "acme", "$group_set": {"plan": "pro"}}
    event = event_of(sdk, {"event": "$groupidentify", "distinct_id": "$company_acme", "properties": told})

    assert (event.type, event.anonymous_id) == ("group", "$company_acme")
    assert event.data == {"groupType": "company", "groupId": "acme", "plan": "pro"}


def test_an_offset_is_a_time(sdk: Speaker) -> None:
    before = time.time() - 60
    one = {"event": "$pageview", "offset": 60_000, "properties": {"token": sdk.key, "distinct_id": "phone"}}
    event = sdk.taken(sdk.client.post(f"/e/?_={int(before * 1000)}", json=[one]))

    assert abs(60_000 - _ms(event.created_at) + _ms(event.occurred_at)) <= 2


def _ms(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


def test_the_clock_of_a_page_is_in_the_query(sdk: Speaker) -> None:
    one = {"event": "a", "timestamp": "2020-01-01T00:00:00Z", "properties": {"token": sdk.key, "distinct_id": "phone"}}
    event = sdk.taken(sdk.client.post("/e/?_=1577836810000", json=one))

    assert abs(10_000 - _ms(event.created_at) + _ms(event.occurred_at)) <= 2


def test_an_address_that_is_told_goes_before_the_peers_and_is_no_data(sdk: Speaker) -> None:
    event = event_of(sdk, {"distinct_id": "ann", "properties": {"$ip": "8.8.8.8"}})

    assert (event.ip_address, event.data) == ("8.8.8.8", {})


def test_capture_v1_hears_of_each_event(sdk: Speaker) -> None:
    batch = [{"uuid": "1", "event": "a", "distinct_id": "ann"}, {"uuid": "2", "event": "b"}, {"uuid": [3]}, 4]
    headers = {"Authorization": f"Bearer {sdk.key}"}
    answer = sdk.client.post("/i/v1/analytics/events", json={"created_at": MOMENT, "batch": batch}, headers=headers)

    assert answer.status_code == 200 and answer.json
    assert answer.json["results"]["1"] == {"result": "ok"}
    assert answer.json["results"]["2"]["result"] == "drop"
    assert sorted(answer.json["results"]) == ["1", "2"]
    assert sdk.taken(answer).type == "a"


def test_in_capture_v1_each_attempt_says_when_it_was_sent(sdk: Speaker) -> None:
    """Given a batch that was made a minute before an attempt, and a clock that is right."""
    told = {"created_at": _ago(60), "batch": [{"event": "a", "uuid": "1", "distinct_id": "ann", "timestamp": MOMENT}]}
    for attempt in ({}, {"PostHog-Request-Timestamp": _ago(0)}):
        headers = {"Authorization": f"Bearer {sdk.key}", **attempt}
        assert sdk.client.post("/i/v1/analytics/events", json=told, headers=headers).status_code == 200

    assert [event.occurred_at for event in sdk.stored()] == [MOMENT, MOMENT]


def test_in_capture_v1_a_clock_that_is_off_is_corrected(sdk: Speaker) -> None:
    told = {"created_at": _ago(0), "batch": [{"event": "a", "uuid": "1", "distinct_id": "ann", "timestamp": _ago(3610)}]}
    headers = {"Authorization": f"Bearer {sdk.key}", "PostHog-Request-Timestamp": _ago(3600)}
    event = sdk.taken(sdk.client.post("/i/v1/analytics/events", json=told, headers=headers))

    assert abs(10_000 - _ms(event.created_at) + _ms(event.occurred_at)) < 1000


def _ago(seconds: int) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_what_a_page_asks_for_before_it_sends(sdk: Speaker) -> None:
    for path in ("/flags/?v=2", "/flags?v=2", "/decide/?v=3"):
        answer = sdk.client.post(path, data=b"\x1f\x8bwhatever")
        assert (answer.status_code, answer.json and answer.json["featureFlags"]) == (200, {})
    config = sdk.client.get(f"/array/{sdk.key}/config")
    assert config.json == {"supportedCompression": ["gzip-js"], "featureFlags": {}, "sessionRecording": False}
    script = sdk.client.get(f"/array/{sdk.key}/config.js")
    assert script.mimetype == "text/javascript" and f'["{sdk.key}"]' in script.text
    for name in ("config", "config.js"):
        refused(sdk.client.get(f"/array/%22%5D;alert(1)/{name}"), 401, "unknown")


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, [], {"api_key": "none", "batch": []}])
def test_a_body_of_no_use_is_refused(sdk: Speaker, body: object) -> None:
    answer = sdk.client.post("/batch/", json=body)

    assert answer.status_code in (400, 401) and answer.json and answer.json["code"] == answer.status_code
