"""What all dialects have in common."""

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from app import create_app
from app.config import InvalidSettings, Settings
from app.ingest.calls import names
from app.services import services
from app.stream import BYTES
from tests.app.dialects.speaking import SUCCESS, Speaker, form, packed, refused
from tests.servers import Web, free_port

ROOT = Path(__file__).resolve().parent.parent.parent.parent

ORIGIN = "https://shop.example"
TRACK = {"type": "track", "event": "buy", "userId": "ann"}


def one_of_each(key: str, bad: bool = False) -> dict[str, dict[str, Any]]:
    """For each dialect a request with two events of ann, one of them good for nothing if `bad`."""
    headers = {"X-Write-Key": f"{key}:secret"}
    noise: list[Any] = [{"properties": []}] if bad else []
    mine = {"token": key, "distinct_id": "ann"}
    return {
        "segment": {"path": "/v1/b", "json": {"batch": [*noise, TRACK], "writeKey": key}},
        "rudderstack": {"path": "/v1/batch", "json": {"batch": [*noise, TRACK]}, "headers": headers},
        "jitsu": {"path": "/api/s/track", "json": TRACK, "headers": headers},
        "posthog": {"path": "/batch/", "json": {"api_key": key, "batch": [*noise, {"event": "buy", "distinct_id": "ann"}]}},
        "mixpanel": {"path": "/track", "data": form([{"event": "buy", "properties": mine}, *noise], verbose=1)},
        "amplitude": {"path": "/batch", "json": {"api_key": key, "events": [*noise, {"event_type": "buy", "user_id": "ann"}]}},
        "snowplow": {
            "path": "/com.snowplowanalytics.snowplow/tp2",
            "json": {"data": [{"e": "se", "se_ac": "buy", "uid": "ann", "aid": key}, *noise]},
        },
        "pixel": {"path": f"/v1/pixel/track?data={packed({**TRACK, 'writeKey': key})}", "method": "GET"},
    }


def send(sdk: Speaker, request: dict[str, Any], **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return sdk.client.open(**{"method": "POST", **request, "headers": {**request.get("headers", {}), **named}})


def test_each_dialect_is_here(sdk: Speaker) -> None:
    assert sorted(one_of_each("")) == names()


@pytest.mark.parametrize("name", names())
def test_a_bad_event_does_not_fail_its_good_neighbour(sdk: Speaker, name: str) -> None:
    answer = send(sdk, one_of_each(sdk.key, bad=True)[name])

    assert answer.status_code == 200
    [event] = sdk.stored()
    assert (event.type, event.user_id or event.anonymous_id) == ("buy", "ann")
    assert event.producer_guid == sdk.guid and sdk.key not in str(tuple(event))


@pytest.mark.parametrize("name", names())
def test_each_may_be_off(make_app: Any, name: str) -> None:
    others = Speaker(make_app(dialects=frozenset(names()) - {name}))
    alone = Speaker(make_app(dialects=frozenset({name})))
    request = one_of_each(others.key)[name]
    request["path"] = {"rudderstack": "/sourceConfig"}.get(name, request["path"])

    answer = send(others, request, Origin=ORIGIN)
    if name == "amplitude":  # its route is PostHog's too
        assert answer.status_code == 400
    elif name == "posthog":
        assert answer.status_code == 400
    else:
        assert answer.status_code == 404
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert send(alone, one_of_each(alone.key)[name]).status_code == 200


def test_none_may_be_on(make_app: Any) -> None:
    app = make_app(dialects=frozenset({"none"}))

    assert not [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("dialects.")]


def test_a_dialect_that_is_none_is_named(settings: Settings) -> None:
    with pytest.raises(InvalidSettings, match="DIALECTS has 'segmnt': choose from all, none, amplitude"):
        create_app(Settings(**{**vars(settings), "dialects": frozenset({"segmnt"})}))


def test_every_route_is_in_the_docs(app: Flask) -> None:
    said = set(re.findall(r"`(GET|POST) (/[^` ?]*)`", (ROOT / "docs/dialects.md").read_text()))

    assert said == {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST"}
        if rule.endpoint.startswith("dialects.")
    }


def test_every_dialect_is_in_the_docs() -> None:
    said = re.findall(r"^\| `DIALECTS` \|.*$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)[0]

    assert all(f"`{name}`" in said for name in names())


# Keys


@pytest.mark.parametrize("name", names())
def test_an_unknown_key_is_refused(sdk: Speaker, name: str) -> None:
    answer = send(sdk, one_of_each("unknown")[name])

    assert answer.status_code == (400 if name == "amplitude" else 401)
    if name not in ("amplitude", "pixel"):
        refused(answer, 401, "unknown")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("place", ["apiKey", "writeKey", "api_key", "token", "key"])
def test_a_key_in_the_query_is_none(sdk: Speaker, name: str, place: str) -> None:
    request = one_of_each("")[name]
    request["path"] += f"{'&' if '?' in request['path'] else '?'}{place}={sdk.key}"

    assert send(sdk, request).status_code in (400, 401)
    assert sdk.stored() == []


@pytest.mark.parametrize("name", names())
def test_a_key_without_the_permission_is_refused(app: Flask, name: str) -> None:
    reader = Speaker(app, ["events:read"])

    assert send(reader, one_of_each(reader.key)[name]).status_code == (400 if name == "amplitude" else 403)


def test_a_key_for_anonymous_events_takes_no_user(app: Flask) -> None:
    sdk = Speaker(app, ["events:write:anonymous"])
    batch = [TRACK, {**TRACK, "userId": None, "anonymousId": "phone"}]

    assert sdk.client.post("/v1/b", json={"batch": batch, "writeKey": sdk.key}).json == SUCCESS
    assert [(event.user_id, event.anonymous_id) for event in sdk.stored()] == [(None, "phone")]
    refused(sdk.client.post("/v1/b", json={"batch": [TRACK], "writeKey": sdk.key}), 400, "without a userId")


def test_a_key_may_be_for_some_origins_only(app: Flask) -> None:
    sdk = Speaker(app, origins=[ORIGIN])
    request = one_of_each(sdk.key)["segment"]

    assert send(sdk, request, Origin=ORIGIN).status_code == 200
    answer = send(sdk, request, Origin="https://evil.example")
    refused(answer, 403, "https://evil.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://evil.example"


# Browsers


def test_a_preflight_is_answered_on_every_route_and_leads_nowhere_else(app: Flask) -> None:
    client = app.test_client()
    asked = {"Origin": ORIGIN, "Access-Control-Request-Headers": "anonymousid, authorization, sentat"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("dialects."):
            path = rule.rule.replace("<key>", "k")
            for ending in ("", "/") if not path.endswith(".js") else ("",):
                answer = client.options(path + ending, headers=asked)
                assert answer.status_code == 204, path
                assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
                assert answer.headers["Access-Control-Allow-Credentials"] == "true"
                assert answer.headers["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("key", ["", "unknown"])
def test_the_origin_is_echoed_on_errors_too(sdk: Speaker, name: str, key: str) -> None:
    answer = send(sdk, one_of_each(key)[name], Origin=ORIGIN)

    assert answer.status_code in (400, 401)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


# Limits


def test_a_body_has_five_mebibytes_at_the_most(sdk: Speaker) -> None:
    body = json.dumps({"batch": [TRACK], "writeKey": sdk.key}).encode()
    room = 5 * 1024 * 1024 - len(body)

    assert sdk.client.post("/v1/b", data=body + b" " * room).status_code == 200
    refused(sdk.client.post("/v1/b", data=body + b" " * (room + 1)), 413, "5242880")
    refused(sdk.client.post("/v1/b", data=gzip.compress(body + b" " * (room + 1))), 413, "5242880")


def test_a_large_event_is_refused_alone_by_the_size_that_was_sent(sdk: Speaker) -> None:
    nested = {"a" * 100: {str(number): 1 for number in range(60)}}
    almost = {**TRACK, "context": nested, "properties": {"text": "x" * 31_500}}
    batch = [{**TRACK, "properties": {"text": "x" * 33_000}}, almost]

    assert sdk.client.post("/v1/b", json={"batch": batch, "writeKey": sdk.key}).status_code == 200
    assert len(sdk.stored()) == 1


OWN = "own"
ABOUT = {f"about{number}": "x" for number in range(40)}
LINK = {"$anon_distinct_id": "phone", **ABOUT}
MANY = [
    ("/v1/t", {"event": "buy", "userId": "ann", "properties": OWN, "context": ABOUT}, 0),
    ("/v1/t", {"event": "buy", "userId": "ann", "properties": OWN, "context": {"library": ABOUT}}, 0),
    ("/v1/i", {"userId": "ann", "traits": OWN, "properties": ABOUT, "context": ABOUT}, 0),
    ("/v1/g", {"userId": "ann", "traits": OWN, "groupId": "acme", "context": ABOUT}, 1),
    ("/api/s/page", {"userId": "ann", "properties": OWN, "name": "Home", "context": ABOUT}, 1),
    ("/v1/pixel/identify", {"userId": "ann", "traits": OWN, "context": ABOUT}, 0),
    ("/e", {"event": "$set", "distinct_id": "ann", "$set": OWN, "properties": ABOUT}, 0),
    ("/e", {"event": "$identify", "distinct_id": "ann", "$set": OWN, "properties": LINK}, 1),
    ("/e", {"event": "$groupidentify", "distinct_id": "ann", "properties": {"$group_set": OWN, "$group_key": 1, **ABOUT}}, 1),
    ("/engage", {"$distinct_id": "ann", "$set": OWN, "$add": ABOUT}, 0),
    ("/engage", {"$distinct_id": "ann", "$user_id": "ann", "mp_lib": "python", "$set": OWN, "$add": ABOUT}, 1),
    ("/groups", {"$group_key": "company", "$group_id": "acme", "$set": OWN, "$add": ABOUT}, 2),
    ("/2/httpapi", {"event_type": "buy", "user_id": "ann", "event_properties": OWN, "price": 1, **ABOUT}, 1),
    ("/2/httpapi", {"event_type": "$identify", "user_id": "ann", "user_properties": {"$set": OWN, "$add": ABOUT}}, 0),
    ("/2/httpapi", {"event_type": "$groupidentify", "device_id": 1, "group_properties": OWN, "groups": {"a": 1}, **ABOUT}, 2),
    ("/i", {"e": "ue", "uid": "ann", "ue_pr": OWN, **ABOUT}, 0),
]
"""Where to send it, an event with keys of its own and what is told about it, and how many keys it needs beside."""


def with_own(value: Any, own: dict[str, int]) -> Any:
    """The event with its own keys in it."""
    if isinstance(value, dict):
        return {name: with_own(one, own) for name, one in value.items()}
    return own if value == OWN else value


def send_alone(sdk: Speaker, path: str, event: dict[str, Any]) -> Any:
    """As the dialect that has the path does."""
    headers = {"X-Api-Key": sdk.key}
    if path == "/i":
        told = json.dumps({"data": {"schema": "iglu:a/buy/jsonschema/1", "data": event["ue_pr"]}})
        return sdk.client.get(path, query_string={**event, "ue_pr": told}, headers=headers)
    if path.startswith("/v1/pixel"):
        return sdk.client.get(path, query_string={"data": packed(event)}, headers=headers)
    return sdk.client.post(path, json={"events": [event]} if path == "/2/httpapi" else event, headers=headers)


@pytest.mark.parametrize("path, told, beside", MANY)
@pytest.mark.parametrize("room", [0, 1, 25])
def test_the_context_takes_the_room_that_an_apps_keys_leave(
    sdk: Speaker, path: str, told: dict[str, Any], beside: int, room: int
) -> None:
    own = {f"k{number}": number for number in range(255 - beside - room)}

    event = sdk.taken(send_alone(sdk, path, with_own(told, own)))

    assert own.keys() <= event.data.keys() and len(event.data) == 255
    assert ("context.linkedId" in event.data) == ("$anon_distinct_id" in str(told) or "mp_lib" in told)


def test_what_is_null_takes_no_room(sdk: Speaker) -> None:
    told = {**TRACK, "properties": dict.fromkeys(map(str, range(300))), "context": {"a": 1}, "writeKey": sdk.key}

    assert sdk.taken(sdk.client.post("/v1/t", json=told)).data == {"context.a": "1"}


def test_an_app_that_sends_too_many_keys_is_refused(sdk: Speaker) -> None:
    own = dict.fromkeys(map(str, range(256)), 1)

    refused(sdk.client.post("/v1/t", json={**TRACK, "properties": own, "writeKey": sdk.key}), 400, "256 keys")


def test_more_events_than_the_limit_are_refused(sdk: Speaker) -> None:
    refused(sdk.client.post("/v1/b", json={"batch": [TRACK] * 2501, "writeKey": sdk.key}), 413, "2500")


def test_a_batch_of_nothing_is_done(sdk: Speaker) -> None:
    assert sdk.client.post("/v1/b", json={"batch": [], "writeKey": sdk.key}).json == SUCCESS


@pytest.mark.parametrize("name", sorted(set(names()) - {"pixel"}))
def test_a_spent_limit_says_when_to_come_again(app: Flask, name: str) -> None:
    limited = Speaker(app, rate_limit=1)
    answers = [send(limited, one_of_each(limited.key)[name], Origin=ORIGIN) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json["code"] == 429
    assert re.fullmatch(r"[0-9]+", answers[1].headers["Retry-After"])
    assert answers[1].headers["Access-Control-Expose-Headers"] == "Retry-After"


def test_a_full_buffer_is_said(make_app: Any) -> None:
    sdk = Speaker(make_app(buffer_max_bytes=10))
    with sdk.app.app_context():
        services().redis.set(BYTES, 10)
    answer = send(sdk, one_of_each(sdk.key)["segment"], Origin=ORIGIN)

    refused(answer, 503, "nothing was accepted")
    assert answer.headers["Retry-After"] == "2" and answer.headers["X-Request-Id"]
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("name", names())
def test_without_redis_it_is_503(make_app: Any, name: str) -> None:
    sdk = Speaker(make_app(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    answer = send(sdk, one_of_each(sdk.key)[name])

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("how, kept", [("full", "8.8.8.8"), ("anonymised", "8.8.8.0"), ("none", None)])
def test_an_address_that_is_told_is_kept_as_the_settings_want(make_app: Any, how: str, kept: str | None) -> None:
    sdk = Speaker(make_app(ip_addresses=how))
    event = {**TRACK, "context": {"ip": "8.8.8.8"}}
    sdk.client.post("/v1/b", json={"batch": [event], "writeKey": sdk.key})

    assert [(event.ip_address, event.data) for event in sdk.stored()] == [(kept, {})]


# Ids and keys of any form


@pytest.mark.parametrize("told", ["x" * 191, "x" * 192, "x" * 5000, 5, 1.5])
def test_a_message_id_of_any_form_names_the_message(sdk: Speaker, told: object) -> None:
    for _ in range(2):
        sdk.client.post("/v1/b", json={"batch": [{**TRACK, "messageId": told}], "writeKey": sdk.key})

    first, second = sdk.stored()
    assert first.guid == second.guid and first.message_id


@pytest.mark.parametrize("told", [True, [], {}, ["a"], None, ""])
def test_what_is_no_message_id_is_none(sdk: Speaker, told: object) -> None:
    sdk.client.post("/v1/b", json={"batch": [{**TRACK, "messageId": told}], "writeKey": sdk.key})

    assert sdk.stored()[0].message_id is None


def test_keys_that_no_data_has_are_left_out(sdk: Speaker) -> None:
    told = {**TRACK, "properties": {"": 1, "k" * 192: 2, "a": 3}, "context": {"c" * 190: 1}}
    sdk.client.post("/v1/b", json={"batch": [told], "writeKey": sdk.key})

    assert sdk.stored()[0].data == {"a": "3"}


@pytest.mark.parametrize("levels", [300, 3000, 50_000])
@pytest.mark.parametrize("place", ["context", "properties", "traits"])
def test_deep_nesting_breaks_nothing(sdk: Speaker, levels: int, place: str) -> None:
    deep = b'{"type":"identify","userId":"ann","%s":{"a":%s}}' % (place.encode(), b"[" * levels + b"]" * levels)
    body = b'{"writeKey":"%s","batch":[%s,%s]}' % (sdk.key.encode(), deep, json.dumps(TRACK).encode())

    assert sdk.client.post("/v1/b", data=body).status_code in (200, 400)


# Bodies by their bytes


@pytest.mark.parametrize("header", [None, "gzip", "identity"])
def test_gzip_is_seen_by_its_bytes(sdk: Speaker, header: str | None) -> None:
    body = gzip.compress(json.dumps({"batch": [TRACK], "writeKey": sdk.key}).encode())
    headers = {"Content-Encoding": header} if header else {}

    assert sdk.client.post("/v1/b", data=body, headers=headers).status_code == 200


def test_deflate_is_seen_by_its_header(sdk: Speaker) -> None:
    body = zlib.compress(json.dumps({"batch": [TRACK], "writeKey": sdk.key}).encode())

    assert sdk.client.post("/v1/b", data=body, headers={"Content-Encoding": "deflate"}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"x", b"null", b"7", b'"x"', b"data=", b"data=x", b"a=b", b"\xff\xfe", b"e30!"])
def test_what_can_not_be_read_is_refused(sdk: Speaker, body: bytes) -> None:
    for path in ("/v1/batch", "/batch", "/track", "/2/httpapi", "/e"):
        answer = sdk.client.post(path, data=body)
        assert answer.status_code == 400 and answer.json and answer.json["code"] == 400, path


def test_a_form_with_very_many_fields_is_refused(sdk: Speaker) -> None:
    refused(sdk.client.post("/track", data=b"data=e30&" + b"a=b&" * 101), 400, "fields")


def test_a_long_line_is_taken_and_one_without_end_is_not(app: Flask, sdk: Speaker) -> None:
    with app.app_context():
        urls = services().settings
    web = Web({"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url, "SECRET_KEY": "x"})
    web.start()
    try:
        told = {**TRACK, "properties": {"text": "x" * 30_000}, "writeKey": sdk.key}
        assert requests.get(f"{web.url}/v1/pixel/track", params={"data": packed(told)}, timeout=30).status_code == 200
        assert requests.get(f"{web.url}/i?{'x' * 66_000}", timeout=30).status_code == 414
    finally:
        web.stop()
    assert len(sdk.stored()) == 1
