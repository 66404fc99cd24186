"""Segment's language as Segment's, RudderStack's and Jitsu's SDKs speak it, and the pixel."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask

from tests.app.dialects.speaking import MOMENT, SUCCESS, Speaker, packed, refused

TRACK = {
    "type": "track",
    "event": "Order Completed",
    "userId": "ann",
    "anonymousId": None,
    "messageId": "node-next-1700000000000-5f2a",
    "timestamp": MOMENT,
    "properties": {"total": 9.5, "items": [1, {"sku": "a"}], "coupon": None},
    "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "page": {"path": "/buy"}},
    "integrations": {"All": True},
}
BATCH = "/v1/batch"


def test_a_batch_is_taken(sdk: Speaker) -> None:
    answer = sdk.client.post(BATCH, json={"batch": [TRACK], "sentAt": None}, headers=sdk.basic)

    assert (answer.status_code, answer.json, answer.content_type) == (200, SUCCESS, "application/json")
    [event] = sdk.stored()
    assert (event.type, event.user_id, event.anonymous_id) == ("Order Completed", "ann", None)
    assert (event.occurred_at, event.message_id, event.producer_guid) == (MOMENT, TRACK["messageId"], sdk.guid)
    assert event.data == {
        "total": "9.5",
        "items": '[1,{"sku":"a"}]',
        "context.library.name": "analytics-python",
        "context.library.version": "2.4.0",
        "context.page.path": "/buy",
    }


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/", "/v1/b", "/v1/import"])
def test_routes_of_batches(sdk: Speaker, path: str) -> None:
    sdk.taken(sdk.client.post(path, json={"batch": [TRACK]}, headers=sdk.basic))


@pytest.mark.parametrize("kind", ["track", "page", "screen", "identify", "group", "alias"])
def test_routes_of_single_events_say_what_they_tell_of(sdk: Speaker, kind: str) -> None:
    body = {"event": "e", "userId": "ann", "previousId": "phone", "writeKey": sdk.key}
    for path in (f"/v1/{kind}", f"/v1/{kind[0]}", f"/v1/{kind[0]}/"):
        assert sdk.client.post(path, data=json.dumps(body), content_type="text/plain").json == SUCCESS
    assert sdk.client.post(f"/api/s/{kind}", json=body, headers={"X-Write-Key": f"{sdk.key}:secret"}).json == SUCCESS
    assert [event.type for event in sdk.stored()] == ["e" if kind == "track" else kind] * 4


@pytest.mark.parametrize(
    "told, data",
    [
        ({"type": "page", "name": "Home", "properties": {"url": "/"}}, {"url": "/", "name": "Home"}),
        ({"type": "page", "name": "Home", "category": "Docs"}, {"name": "Home", "category": "Docs"}),
        ({"type": "screen", "name": "Main"}, {"name": "Main"}),
        ({"type": "identify", "traits": {"email": "a@b.c", "age": 3}}, {"email": "a@b.c", "age": "3"}),
        ({"type": "identify", "context": {"traits": {"email": "a@b.c"}}}, {"email": "a@b.c"}),
        ({"type": "identify", "traits": {"a": 1}, "context": {"traits": {"a": 2, "b": 3}}}, {"a": "1", "b": "3"}),
        ({"type": "group", "groupId": "acme", "traits": {"plan": "pro"}}, {"groupId": "acme", "plan": "pro"}),
        ({"type": "group", "groupId": 5, "context": {"traits": {"a": 1}}}, {"groupId": "5", "context.traits.a": "1"}),
        ({"type": "track", "event": "e", "context": {"traits": {"a": 1}}}, {"context.traits.a": "1"}),
        ({"type": "identify", "properties": {"a": 1}}, {"context.properties.a": "1"}),
    ],
)
def test_what_becomes_data(sdk: Speaker, told: dict[str, Any], data: dict[str, str]) -> None:
    event = sdk.taken(sdk.client.post(BATCH, json={"batch": [{**told, "userId": "ann"}]}, headers=sdk.basic))

    assert event.data == data


@pytest.mark.parametrize(
    "told, ids",
    [
        ({"userId": "ann", "previousId": "phone"}, ("ann", "phone")),
        ({"userId": "ann", "previousId": "phone", "anonymousId": "other"}, ("ann", "phone")),
        ({"userId": "ann", "previousId": "ann", "anonymousId": "phone"}, ("ann", "phone")),
        ({"userId": "ann", "previousId": "ann"}, ("ann", None)),
        ({"userId": "ann", "anonymousId": "phone"}, ("ann", "phone")),
    ],
)
def test_an_alias_is_stored_once_and_links_what_differs(sdk: Speaker, told: dict[str, str], ids: tuple[str, Any]) -> None:
    event = sdk.taken(sdk.client.post(BATCH, json={"batch": [{**told, "type": "alias"}]}, headers=sdk.basic))

    assert (event.type, event.user_id, event.anonymous_id) == ("alias", *ids)


@pytest.mark.parametrize(
    "times, occurred_at",
    [
        ({"timestamp": MOMENT}, MOMENT),
        ({"timestamp": "2026-01-02T03:04:05.678123+00:00"}, MOMENT),
        ({"timestamp": MOMENT, "originalTimestamp": "2026-02-02T00:00:00Z"}, MOMENT),
        ({"originalTimestamp": MOMENT}, MOMENT),
        ({"originalTimestamp": MOMENT, "timestamp": None}, MOMENT),
    ],
)
def test_the_time_is_the_apps_before_the_queues(sdk: Speaker, times: dict[str, Any], occurred_at: str) -> None:
    one = {"type": "track", "event": "e", "userId": "ann", **times}

    assert sdk.taken(sdk.client.post(BATCH, json={"batch": [one]}, headers=sdk.basic)).occurred_at == occurred_at


@pytest.mark.parametrize("place", ["envelope", "event"])
def test_the_clients_clock_is_corrected(sdk: Speaker, place: str) -> None:
    one = {"type": "track", "event": "e", "userId": "ann", "timestamp": "2020-01-01T00:00:00Z"}
    sent = {"sentAt": "2020-01-01T00:00:10Z"}
    body = {"batch": [one], **sent} if place == "envelope" else {**one, **sent}
    event = sdk.taken(sdk.client.post(BATCH if place == "envelope" else "/v1/t", json=body, headers=sdk.basic))

    assert event.created_at > event.occurred_at > "2026"


def test_what_a_request_may_take_is_no_fault_of_a_clock(sdk: Speaker) -> None:
    sent = datetime.now(UTC) - timedelta(seconds=1)
    body = {"batch": [{"type": "track", "event": "e", "userId": "ann", "timestamp": MOMENT}], "sentAt": sent.isoformat()}

    assert sdk.taken(sdk.client.post(BATCH, json=body, headers=sdk.basic)).occurred_at == MOMENT


@pytest.mark.parametrize(
    "context, address",
    [
        ({"ip": "8.8.8.8", "library": {"name": "analytics-ruby"}}, "8.8.8.8"),
        ({"ip": "2001:db8::1"}, "2001:db8::1"),
        ({"ip": "8.8.8.8", "library": {"name": "analytics.js"}}, "127.0.0.1"),
        ({"ip": "8.8.8.8", "library": {"name": "RudderLabs JavaScript SDK"}}, "127.0.0.1"),
        ({"ip": "nowhere"}, "127.0.0.1"),
        ({"ip": ["8.8.8.8"], "library": {"name": []}}, "127.0.0.1"),
    ],
)
def test_the_address_that_a_server_tells_goes_before_its_own(sdk: Speaker, context: dict[str, Any], address: str) -> None:
    one = {"type": "track", "event": "e", "userId": "ann", "context": context}
    event = sdk.taken(sdk.client.post(BATCH, json={"batch": [one]}, headers=sdk.basic))

    assert event.ip_address == address
    assert "context.ip" not in event.data


def test_rudder_node_labels_its_gzip_as_a_form(sdk: Speaker) -> None:
    body = gzip.compress(json.dumps({"batch": [TRACK]}).encode())
    headers = {**sdk.basic, "Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}

    sdk.taken(sdk.client.post(BATCH, data=body, headers=headers))


def test_the_context_is_capped(sdk: Speaker) -> None:
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    context = {"a_long": "x" * 5000, "deep": deep, **{f"k{number}": number for number in range(500)}}
    event = sdk.taken(sdk.client.post(BATCH, json={"batch": [{**TRACK, "context": context}]}, headers=sdk.basic))

    kept = {key: value for key, value in event.data.items() if key.startswith("context.")}
    assert len(kept) == 64
    assert max(map(len, kept.values())) == 1024


def test_analytics_js_gets_its_settings_and_where_to_send(sdk: Speaker) -> None:
    answer = sdk.client.get(f"/v1/projects/{sdk.key}/settings", headers={"Host": "events.example:8000"})
    sender = {"apiKey": sdk.key, "apiHost": "events.example:8000/v1", "protocol": "http"}
    assert (answer.status_code, answer.json) == (200, {"integrations": {"Segment.io": sender}})

    behind_tls = sdk.client.get(f"/v1/projects/{sdk.key}/settings", headers={"X-Forwarded-Proto": "https"})
    assert behind_tls.json and behind_tls.json["integrations"]["Segment.io"]["protocol"] == "https"

    refused(sdk.client.get("/v1/projects/other/settings"), 401, "unknown")


def test_rudderstack_gets_its_source(sdk: Speaker) -> None:
    for path, headers in (("/sourceConfig", sdk.basic), (f"/sourceConfig/?p=npm&writeKey={sdk.key}", {})):
        answer = sdk.client.get(path, headers=headers)
        assert answer.status_code == 200 and answer.json
        source = answer.json["source"]
        assert (source["writeKey"], source["enabled"], source["destinations"]) == (sdk.key, True, [])
    refused(sdk.client.get("/sourceConfig/?writeKey=other"), 401, "unknown")


def test_who_may_not_write_starts_nothing(app: Flask) -> None:
    reader = Speaker(app, ["events:read"])

    refused(reader.client.get(f"/v1/projects/{reader.key}/settings"), 403, "events:write")
    refused(reader.client.get("/sourceConfig/", headers=reader.basic), 403, "events:write")


GIF = b"GIF89a\x01\x00\x01\x00"


@pytest.mark.parametrize("form", ["base64", "json"])
def test_the_pixel_is_an_event_and_an_image(sdk: Speaker, form: str) -> None:
    told = {**TRACK, "writeKey": sdk.key}
    answer = sdk.client.get("/v1/pixel/track?" + urlencode({"data": packed(told) if form == "base64" else json.dumps(told)}))

    assert (answer.status_code, answer.content_type, answer.headers["Cache-Control"]) == (200, "image/gif", "no-store")
    assert answer.data.startswith(GIF)
    assert sdk.taken(answer).type == "Order Completed"


def test_a_look_at_the_pixels_address_tells_of_nothing(sdk: Speaker) -> None:
    assert sdk.client.head(f"/v1/pixel/track?data={packed({**TRACK, 'writeKey': sdk.key})}").status_code == 200
    assert sdk.stored() == []


@pytest.mark.parametrize(
    "query, status",
    [("", 401), ("?data=", 400), ("?data=%00", 400), ("?data=e30", 401), ("?data=eyJ3cml0ZUtleSI6Im4ifQ", 401)],
)
def test_the_pixel_is_an_image_also_when_it_is_refused(sdk: Speaker, query: str, status: int) -> None:
    answer = sdk.client.get(f"/v1/pixel/track{query}")

    assert (answer.status_code, answer.content_type) == (status, "image/gif")
    assert answer.data.startswith(GIF)
