"""What clients send, and what is accepted of it: read back from the stream, for no worker runs."""

import base64
import gzip
import json
import logging
import re
import socket
import time
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import Settings
from app.keys import create_key
from app.models import db
from app.openapi.document import our_routes
from app.services import services
from app.stream import BYTES, STREAM, decode
from backends.event import Event, derived_event_guid
from tests.conftest import close
from tests.servers import Web, free_port

TRACK = "/api/v1/track"
BATCH = "/api/v1/batch"
EVENT = {"type": "pageview", "userId": "u1"}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database will do: the request path stores nothing in it."""
    return f"sqlite:///{tmp_path}/test.sqlite3"


class Sender:
    """A client with a key."""

    def __init__(self, app: Flask, permissions: list[str] | None = None, origins: list[str] | None = None) -> None:
        self.app = app
        with app.app_context():
            row, self.key = create_key("sender", permissions or ["events:write"], origins or [])
            self.guid = row.guid
        self.client = app.test_client()

    def post(self, path: str, body: object = None, data: bytes | None = None, **headers: str) -> TestResponse:
        """POST with the key, as JSON or as the bytes given. Header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        payload = json.dumps(body).encode() if data is None else data
        return self.client.post(path, data=payload, headers={"Authorization": f"Bearer {self.key}", **named})

    def track(self, **event: Any) -> TestResponse:
        """Send one event; what the test does not care about is filled in."""
        return self.post(TRACK, {**EVENT, **event})

    def accepted(self, **event: Any) -> Event:
        """Send one event and read it back."""
        answer = self.track(**event)
        assert answer.status_code == 202, answer.get_data(as_text=True)
        return self.stored()[-1]

    def stored(self) -> list[Event]:
        """All that waits in the stream."""
        with self.app.app_context():
            return read_stream()


def read_stream() -> list[Event]:
    return [event for _, fields in services().redis.xrange(STREAM) for event in decode(fields[b"events"])]


def error_of(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The error, which must have the one form."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/json"
    assert answer.json is not None and list(answer.json) == ["error"]
    error: dict[str, Any] = answer.json["error"]
    assert sorted(error) == ["code", "details", "message"]
    assert error["code"] == code, error
    assert error["message"] and isinstance(error["details"], dict)
    assert "WWW-Authenticate" not in answer.headers
    return error


@pytest.fixture
def sender(app: Flask) -> Sender:
    return Sender(app)


@pytest.fixture
def make_app(settings: Settings) -> Iterator[Any]:
    """An app with other settings."""
    apps = []

    def make(**changes: Any) -> Flask:
        app = create_app(Settings(**{**vars(settings), **changes}))
        with app.app_context():
            db.create_all()
        apps.append(app)
        return app

    yield make
    for app in apps:
        close(app)


def ms_from_now(milliseconds: int = 0) -> int:
    return time.time_ns() // 1_000_000 + milliseconds


def ms_of(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


# What is sent, and what is answered


def test_an_event_is_accepted_with_its_guid_and_time(sender: Sender) -> None:
    answer = sender.track(data={"path": "/"})
    assert answer.status_code == 202
    assert answer.json is not None and list(answer.json) == ["event"]
    [event] = sender.stored()
    assert answer.json["event"] == {"guid": event.guid, "createdAt": event.created_at}
    assert ISO.fullmatch(event.created_at)


def test_an_event_carries_what_the_client_said_and_what_the_server_knows(sender: Sender) -> None:
    event = sender.accepted(anonymousId="a1", data={"path": "/"}, messageId="m1", profileGuid="x", ipAddress="6.6.6.6")
    assert (event.type, event.user_id, event.anonymous_id, event.data) == ("pageview", "u1", "a1", {"path": "/"})
    assert (event.message_id, event.producer_guid, event.ip_address) == ("m1", sender.guid, "127.0.0.1")
    assert event.profile_guid is None
    assert event.occurred_at == event.created_at


def test_what_is_unknown_in_an_event_is_ignored(sender: Sender) -> None:
    assert sender.accepted(surprise=[1]).data == {}


def test_a_trailing_slash_is_the_same_route(sender: Sender) -> None:
    assert sender.post(f"{TRACK}/", EVENT).status_code == 202


@pytest.mark.parametrize("body", [{"events": [EVENT, EVENT]}, [EVENT, EVENT]], ids=["object", "bare list"])
def test_a_batch_is_an_object_or_a_bare_list(sender: Sender, body: object) -> None:
    answer = sender.post(BATCH, body)
    assert answer.status_code == 202
    guids = [event.guid for event in sender.stored()]
    assert len(guids) == 2
    outcomes = [{"index": index, "guid": guid} for index, guid in enumerate(guids)]
    assert answer.json == {"accepted": 2, "rejected": 0, "events": outcomes}


def test_a_bad_event_does_not_fail_its_good_neighbours(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT, {"userId": "u2"}, 7, None, [], {**EVENT, "userId": "u3"}])
    assert answer.status_code == 202 and answer.json
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 4)
    errors = [outcome for outcome in answer.json["events"] if "error" in outcome]
    assert [outcome["index"] for outcome in errors] == [1, 2, 3, 4]
    assert {outcome["error"]["code"] for outcome in errors} == {"invalid_event"}
    assert "type" in errors[0]["error"]["details"]
    assert [event.user_id for event in sender.stored()] == ["u1", "u3"]


def test_a_batch_in_which_nothing_is_valid_is_refused_with_all_reasons(sender: Sender) -> None:
    error = error_of(sender.post(BATCH, [{}, 1]), 400, "invalid_event")
    assert [outcome["index"] for outcome in error["details"]["events"]] == [0, 1]
    assert sender.stored() == []


@pytest.mark.parametrize("body", [[], {"events": []}, {}, {"events": None}, {"events": {}}, 1, "x", None, EVENT])
def test_a_batch_without_events_is_refused(sender: Sender, body: object) -> None:
    error_of(sender.post(BATCH, body), 400, "invalid_body")


@pytest.mark.parametrize("body", [[], [EVENT], 1, "x", None, True])
def test_what_is_no_object_is_no_event(sender: Sender, body: object) -> None:
    error_of(sender.post(TRACK, body), 400, "invalid_event")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"type=pageview", b'{"type": "\x00"}', b"\xef\xbb\xbf{}", b"["])
def test_what_is_no_json_is_refused(sender: Sender, data: bytes) -> None:
    error_of(sender.post(TRACK, data=data), 400, "invalid_body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_takes_for_json_is_refused(sender: Sender, number: str) -> None:
    error_of(sender.post(TRACK, data=b'{"type":"a","userId":"u","data":{"n":%s}}' % number.encode()), 400, "invalid_body")


def test_a_beacon_is_plain_text(sender: Sender) -> None:
    assert sender.post(TRACK, EVENT, Content_Type="text/plain;charset=UTF-8").status_code == 202


def test_the_content_type_does_not_matter(sender: Sender) -> None:
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream"):
        assert sender.post(TRACK, EVENT, Content_Type=content_type).status_code == 202


# Keys


@pytest.mark.parametrize(
    "header, form",
    [
        ("Authorization", "Bearer {}"),
        ("Authorization", "bearer {}"),
        ("X-Api-Key", "{}"),
        ("X-Write-Key", "{}"),
        ("X-Write-Key", "{}:"),
        ("X-Write-Key", "{}:more"),
    ],
)
def test_a_key_may_be_sent_in_a_header(sender: Sender, header: str, form: str) -> None:
    assert sender.client.post(TRACK, json=EVENT, headers={header: form.format(sender.key)}).status_code == 202


def test_a_key_may_be_sent_as_basic_authorization(sender: Sender) -> None:
    token = base64.b64encode(f"{sender.key}:".encode()).decode()
    assert sender.client.post(TRACK, json=EVENT, headers={"Authorization": f"Basic {token}"}).status_code == 202


@pytest.mark.parametrize("name", ["apiKey", "writeKey"])
@pytest.mark.parametrize("path, body", [(TRACK, EVENT), (BATCH, {"events": [EVENT]})], ids=["track", "batch"])
def test_a_key_may_be_sent_in_the_body(sender: Sender, name: str, path: str, body: dict[str, Any]) -> None:
    assert sender.client.post(path, json={**body, name: sender.key}).status_code == 202


@pytest.mark.parametrize("name", ["apiKey", "writeKey", "api_key", "key", "write_key"])
def test_a_key_in_the_query_is_none(sender: Sender, name: str) -> None:
    error_of(sender.client.post(f"{TRACK}?{name}={sender.key}", json=EVENT), 401, "missing_key")


@pytest.mark.parametrize("key", ["wrong", "a:b", "ä", "x" * 1000, "' OR 1=1", "\\"])
def test_an_unknown_key_is_refused(sender: Sender, key: str) -> None:
    error_of(sender.client.post(TRACK, json={**EVENT, "apiKey": key}), 401, "unknown_key")


@pytest.mark.parametrize("value", ["Basic é", "Basic ???", "Basic /w==", "Bearer", "Digest x", "Basic"])
def test_a_header_that_holds_no_key_is_as_none(sender: Sender, value: str) -> None:
    error_of(sender.client.post(TRACK, json=EVENT, headers={"Authorization": value}), 401, "missing_key")


def test_a_key_that_is_no_text_is_none(sender: Sender) -> None:
    error_of(sender.client.post(TRACK, json={**EVENT, "apiKey": [sender.key]}), 401, "missing_key")


def test_a_key_without_the_permission_is_refused(app: Flask) -> None:
    reader = Sender(app, ["events:read", "keys:write"])
    error = error_of(reader.track(), 403, "forbidden")
    assert error["details"] == {"permission": "events:write"}
    assert reader.stored() == []


def test_a_key_for_anonymous_events_takes_no_user_id(app: Flask) -> None:
    sender = Sender(app, ["events:write:anonymous"])
    error = error_of(sender.track(anonymousId="a1"), 400, "invalid_event")
    assert list(error["details"]) == ["userId"]
    assert sender.post(TRACK, {"type": "pageview", "anonymousId": "a1"}).status_code == 202


def test_a_key_for_anonymous_events_takes_a_user_id_that_is_a_placeholder(app: Flask) -> None:
    sender = Sender(app, ["events:write:anonymous"])
    assert sender.track(userId="null", anonymousId="a1").status_code == 202


def test_a_key_may_be_for_some_origins_only(app: Flask) -> None:
    sender = Sender(app, origins=["https://shop.example"])
    assert sender.post(TRACK, EVENT, Origin="https://shop.example").status_code == 202
    assert sender.post(TRACK, EVENT).status_code == 202
    answer = sender.post(TRACK, EVENT, Origin="https://evil.example")
    error_of(answer, 403, "origin_not_allowed")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://evil.example"


WITHOUT_KEY = {"clients.script", "health.live", "health.ready", "openapi.document", "openapi.page", "openapi.asset"}
"""What says nothing of anybody's data: documentation and the JavaScript client are the same wherever this is served."""


def test_a_write_key_can_do_nothing_else(app: Flask, sender: Sender) -> None:
    for rule in our_routes(app):
        if rule.endpoint in {*WITHOUT_KEY, "ingest.track", "ingest.batch"}:
            continue
        path = re.sub(r"<[^>]+>", "user", rule.rule)
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = sender.client.open(path, method=method, headers={"Authorization": f"Bearer {sender.key}"})
            assert answer.status_code == 403, f"{method} {path}"


def test_without_a_key_only_health_documentation_and_the_client_can_be_asked(app: Flask, client: FlaskClient) -> None:
    for rule in our_routes(app):
        if rule.endpoint not in WITHOUT_KEY:
            path = re.sub(r"<[^>]+>", "user", rule.rule)
            for method in (rule.methods or set()) - {"OPTIONS"}:
                answer = client.open(path, method=method, data=b"{}" if method == "POST" else None)
                assert answer.status_code == 401, f"{method} {path}"


# Errors have one form


def test_an_unknown_path_has_the_one_form(client: FlaskClient) -> None:
    error_of(client.get("/nothing/here"), 404, "not_found")


def test_a_wrong_method_has_the_one_form(client: FlaskClient) -> None:
    answer = client.get(TRACK)
    error_of(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_unknown_encoding_has_the_one_form(sender: Sender) -> None:
    error_of(sender.post(TRACK, EVENT, Content_Encoding="br"), 415, "unsupported_encoding")


# Limits


def test_a_body_over_the_limit_is_refused(sender: Sender) -> None:
    error_of(sender.post(TRACK, data=b" " * (1024 * 1024 + 1)), 413, "body_too_large")


def test_a_body_at_the_limit_is_taken(sender: Sender) -> None:
    body = json.dumps(EVENT).encode()
    assert sender.post(TRACK, data=body + b" " * (1024 * 1024 - len(body))).status_code == 202


def test_more_events_than_the_limit_are_refused(sender: Sender) -> None:
    error_of(sender.post(BATCH, [EVENT] * 2501), 413, "too_many_events")


def test_as_many_events_as_the_limit_are_taken(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT] * 2500)
    assert answer.json and answer.json["accepted"] == 2500
    assert len(sender.stored()) == 2500


def test_entries_have_at_most_five_hundred_events(sender: Sender) -> None:
    sender.post(BATCH, [EVENT] * 501)
    with sender.app.app_context():
        entries = services().redis.xrange(STREAM)
    assert [len(decode(fields[b"events"])) for _, fields in entries] == [500, 1]


def test_a_large_event_is_refused_alone(sender: Sender) -> None:
    answer = sender.post(BATCH, [{**EVENT, "data": {"a": "x" * 33_000}}, EVENT])
    assert answer.json and answer.json["accepted"] == 1
    assert "32768" in answer.json["events"][0]["error"]["message"]


def test_a_large_event_alone_is_refused(sender: Sender) -> None:
    error_of(sender.track(data={"a": "x" * 33_000}), 400, "invalid_event")


def test_a_large_event_with_very_long_integers_is_refused(sender: Sender) -> None:
    error_of(sender.track(data={"a": [10**4000] * 10}), 400, "invalid_event")


@pytest.mark.parametrize("count, status", [(255, 202), (256, 400)])
def test_an_event_has_at_most_so_many_data_keys(sender: Sender, count: int, status: int) -> None:
    assert sender.track(data={f"k{number}": 1 for number in range(count)}).status_code == status


@pytest.mark.parametrize("length, status", [(191, 202), (192, 400)])
@pytest.mark.parametrize("name", ["type", "userId", "anonymousId", "messageId"])
def test_ids_and_types_have_at_most_so_many_characters(sender: Sender, name: str, length: int, status: int) -> None:
    answer = sender.track(**{name: "ä" * length})
    assert answer.status_code == status
    if status == 400:
        assert name in error_of(answer, 400, "invalid_event")["details"]


@pytest.mark.parametrize("length, status", [(0, 400), (1, 202), (191, 202), (192, 400)])
def test_data_keys_have_at_most_so_many_characters(sender: Sender, length: int, status: int) -> None:
    assert sender.track(data={"k" * length: 1}).status_code == status


@pytest.mark.parametrize("value", ["", 5, None, True, ["a"], {}])
def test_a_type_is_a_text(sender: Sender, value: object) -> None:
    assert "type" in error_of(sender.track(type=value), 400, "invalid_event")["details"]


# Compression


def test_a_body_may_be_gzipped(sender: Sender) -> None:
    assert sender.post(TRACK, data=gzip.compress(json.dumps(EVENT).encode()), Content_Encoding="gzip").status_code == 202


def test_a_gzipped_body_needs_no_header(sender: Sender) -> None:
    assert sender.post(TRACK, data=gzip.compress(json.dumps(EVENT).encode())).status_code == 202


def test_a_body_may_be_deflated(sender: Sender) -> None:
    assert sender.post(TRACK, data=zlib.compress(json.dumps(EVENT).encode()), Content_Encoding="deflate").status_code == 202


def test_a_bomb_costs_nothing(sender: Sender) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 1)
    began = time.process_time()
    error_of(sender.post(TRACK, data=bomb[:900_000], Content_Encoding="gzip"), 413, "body_too_large")
    assert time.process_time() - began < 0.3


def test_a_compressed_body_at_the_limit_is_taken(sender: Sender) -> None:
    body = json.dumps(EVENT).encode().ljust(1024 * 1024)
    assert sender.post(TRACK, data=gzip.compress(body)).status_code == 202
    error_of(sender.post(TRACK, data=gzip.compress(body + b" ")), 413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_that_is_cut_off_is_refused(sender: Sender, encoding: str) -> None:
    body = json.dumps(EVENT).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    error_of(sender.post(TRACK, data=packed[:-3], Content_Encoding=encoding), 400, "invalid_body")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused(sender: Sender, encoding: str) -> None:
    error_of(sender.post(TRACK, EVENT, Content_Encoding=encoding), 400, "invalid_body")


# Texts and numbers that databases do not keep


def test_nul_is_replaced_everywhere(sender: Sender) -> None:
    sender.post(TRACK, data=rb'{"type":"a\u0000","userId":"\u0000\u0000","data":{"k\u0000":["\u0000"], "kept":"\\u0000"}}')
    [event] = sender.stored()
    assert (event.type, event.user_id) == ("a\ufffd", "\ufffd\ufffd")
    assert event.data == {"k\ufffd": '["\ufffd"]', "kept": "\\u0000"}


def test_lone_surrogates_are_replaced_and_pairs_are_kept(sender: Sender) -> None:
    sender.post(TRACK, data=rb'{"type":"a\ud800","userId":"\udc00u","data":{"\ud83d":"\ud83d\ude00","n":["\ude00"]}}')
    [event] = sender.stored()
    assert (event.type, event.user_id) == ("a\ufffd", "\ufffdu")
    assert event.data == {"\ufffd": "\U0001f600", "n": '["\ufffd"]'}


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"])
def test_integers_of_any_length_are_kept_to_the_digit(sender: Sender, number: str) -> None:
    sender.post(TRACK, data=b'{"type":"a","userId": %s,"data":{"n":%s,"l":[%s]}}' % ((number.encode(),) * 3))
    [event] = sender.stored()
    assert event.user_id == number
    assert event.data == {"n": number, "l": f"[{number}]"}


def test_numbers_that_python_does_not_hold_stay_as_they_are_written(sender: Sender) -> None:
    sender.post(TRACK, data=b'{"type":"a","userId":"u","data":{"long":%s,"large":1e999}}' % (b"9" * 5000))
    [event] = sender.stored()
    assert event.data == {"long": "9" * 5000, "large": "1e999"}


def test_an_id_with_very_many_digits_is_refused(sender: Sender) -> None:
    error = error_of(sender.post(TRACK, data=b'{"type":"a","userId":%s}' % (b"9" * 5000)), 400, "invalid_event")
    assert len(error["message"]) < 300


@pytest.mark.parametrize("levels", [100, 300, 600, 1000, 2000, 50_000])
@pytest.mark.parametrize("inside", [b"", rb'"\u0000"', rb'"\ud800"', b"9" * 30], ids=["empty", "nul", "surrogate", "long"])
@pytest.mark.parametrize("name", [b"data", b"type", b"userId", b"occurredAt", b"other"])
def test_deep_nesting_breaks_nothing(sender: Sender, levels: int, inside: bytes, name: bytes) -> None:
    nested = b"[" * levels + inside + b"]" * levels
    value = b'{"k":%s}' % nested if name == b"data" else nested
    answer = sender.post(TRACK, data=b'{"type":"a","userId":"u",%s:%s}' % (b'"%s"' % name, value))
    assert answer.status_code in (202, 400)
    assert (answer.status_code == 202) == bool(sender.stored())


def test_deep_nesting_is_refused_alone(sender: Sender) -> None:
    deep = b'{"type":"a","userId":"u","data":{"k":%s}}' % (b"[" * 600 + b"]" * 600)
    answer = sender.post(BATCH, data=b"[%s,%s]" % (deep, json.dumps(EVENT).encode()))
    assert answer.json and answer.json["accepted"] == 1
    assert "nested" in answer.json["events"][0]["error"]["message"]


def test_deep_nesting_in_a_large_body_is_measured(sender: Sender) -> None:
    deep = b'{"type":"a","userId":"u","data":{"k":%s}}' % (b"[" * 600 + b'"%s"' % (b"x" * 33_000) + b"]" * 600)
    answer = sender.post(BATCH, data=b"[%s,%s]" % (deep, json.dumps(EVENT).encode()))
    assert answer.json and answer.json["accepted"] == 1
    assert "bytes" in answer.json["events"][0]["error"]["message"]


# Times


@pytest.mark.parametrize(
    "told, meant",
    [
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05.678901+02:00", "2026-01-02T01:04:05.678Z"),
        ("2026-01-02T03:04:05-0530", "2026-01-02T08:34:05.000Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00.000Z"),
        (" 2026-01-02 ", "2026-01-02T00:00:00.000Z"),
        (1_767_323_045, "2026-01-02T03:04:05.000Z"),
        (1_767_323_045.678, "2026-01-02T03:04:05.678Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (1_767_323_045_678.9, "2026-01-02T03:04:05.678Z"),
        ("1767323045", "2026-01-02T03:04:05.000Z"),
        ("1767323045.678", "2026-01-02T03:04:05.678Z"),
        ("1767323045678", "2026-01-02T03:04:05.678Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_iso_8601_or_seconds_or_milliseconds(sender: Sender, told: object, meant: str) -> None:
    assert sender.accepted(occurredAt=told).occurred_at == meant


@pytest.mark.parametrize(
    "told",
    [
        *("yesterday", "", "--5", "-", ".", "2026-13-01", "1" * 400, "\u0661\u0662", "2026-01-02T03:04:05+99:99"),
        *(-1, -1.5, "-1", "1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00+14:00", -(10**30)),
        *("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-14:00", 253402300799999, 10**14, 10**18, 10**400, 1e300),
        *(True, [], {}, [1]),
    ],
)
def test_a_time_that_is_unreadable_or_absurd_is_replaced_with_a_warning(sender: Sender, told: object) -> None:
    answer = sender.track(occurredAt=told)
    assert answer.status_code == 202 and answer.json
    assert len(answer.json["warnings"]) == 1 and "occurredAt" in answer.json["warnings"][0]
    [event] = sender.stored()
    assert event.occurred_at == event.created_at


def test_a_time_less_than_a_day_ahead_is_taken(sender: Sender) -> None:
    told = ms_from_now(23 * 3_600_000)
    assert ms_of(sender.accepted(occurredAt=told).occurred_at) == told


def test_a_time_more_than_a_day_ahead_is_not(sender: Sender) -> None:
    event = sender.accepted(occurredAt=ms_from_now(25 * 3_600_000))
    assert event.occurred_at == event.created_at


def test_sent_at_corrects_the_clients_clock(sender: Sender) -> None:
    ahead = timedelta(days=400)
    sent = datetime.now(UTC) + ahead
    event = sender.accepted(occurredAt=(sent - timedelta(hours=1)).isoformat(), sentAt=sent.isoformat())
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 3_600_000


def test_sent_at_of_a_batch_corrects_each_event(sender: Sender) -> None:
    sender.post(BATCH, {"events": [{**EVENT, "occurredAt": 1_000_000}], "sentAt": 1_000_060})
    [event] = sender.stored()
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 60_000


def test_sent_at_of_an_event_goes_before_that_of_its_batch(sender: Sender) -> None:
    sender.post(BATCH, {"events": [{**EVENT, "occurredAt": 1_000_000, "sentAt": 1_000_001}], "sentAt": 1_000_060})
    [event] = sender.stored()
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 1000


@pytest.mark.parametrize("sent", ["soon", -5, None, [], 10**400])
def test_sent_at_that_is_unreadable_corrects_nothing(sender: Sender, sent: object) -> None:
    assert sender.accepted(occurredAt=1_700_000_000, sentAt=sent).occurred_at == "2023-11-14T22:13:20.000Z"


def test_a_correction_that_leads_before_1970_is_not_taken(sender: Sender) -> None:
    event = sender.accepted(occurredAt=1, sentAt="9999-01-01T00:00:00Z")
    assert event.occurred_at == event.created_at


def test_sent_at_alone_changes_nothing(sender: Sender) -> None:
    event = sender.accepted(sentAt=1_000_000)
    assert event.occurred_at == event.created_at


# Ids


@pytest.mark.parametrize("told, kept", [(123, "123"), (1.5, "1.5"), (" u ", " u "), ("Ü", "Ü"), (-7, "-7")])
def test_numbers_sent_as_ids_become_texts(sender: Sender, told: object, kept: str) -> None:
    event = sender.accepted(userId=told, anonymousId=told)
    assert (event.user_id, event.anonymous_id) == (kept, kept)


PLACEHOLDERS = ["", "  ", "null", "NULL", " Undefined ", "[object Object]", "none", "NaN", "anonymous", "Guest", "0", 0, -1]
MORE = [True, False, "00000000-0000-0000-0000-000000000000", "0" * 32, "nil", "unknown"]


@pytest.mark.parametrize("word", [*PLACEHOLDERS, *MORE])
@pytest.mark.parametrize("name", ["userId", "anonymousId"])
def test_a_placeholder_is_dropped_with_a_warning(sender: Sender, name: str, word: object) -> None:
    answer = sender.track(**{"userId": "u1", "anonymousId": "a1", name: word})
    assert answer.status_code == 202 and answer.json
    assert len(answer.json["warnings"]) == 1 and name in answer.json["warnings"][0]
    [event] = sender.stored()
    assert (event.user_id, event.anonymous_id) == ((None, "a1") if name == "userId" else ("u1", None))


@pytest.mark.parametrize("event", [{}, {"userId": None}, {"userId": "null", "anonymousId": "undefined"}, {"anonymousId": ""}])
def test_an_event_that_nobody_is_behind_is_refused(sender: Sender, event: dict[str, Any]) -> None:
    error_of(sender.post(TRACK, {"type": "pageview", **event}), 400, "invalid_event")
    assert sender.stored() == []


@pytest.mark.parametrize("value", [[], {}, ["u1"]])
def test_an_id_is_a_text_or_a_number(sender: Sender, value: object) -> None:
    assert "userId" in error_of(sender.track(userId=value), 400, "invalid_event")["details"]


def test_warnings_in_a_batch_stand_with_their_event(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT, {**EVENT, "anonymousId": "null", "occurredAt": "?"}])
    assert answer.json and "warnings" not in answer.json["events"][0]
    assert len(answer.json["events"][1]["warnings"]) == 2


# Values


@pytest.mark.parametrize(
    "told, kept",
    [
        *(("text", "text"), ("", ""), (1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), (-0.25, "-0.25")),
        *(([1, 2], "[1,2]"), ({"a": [None, "ä"]}, '{"a":[null,"ä"]}'), ([], "[]"), ({}, "{}")),
    ],
)
def test_values_become_texts_as_json_writes_them(sender: Sender, told: object, kept: str) -> None:
    assert sender.accepted(data={"k": told}).data == {"k": kept}


def test_null_values_are_left_out(sender: Sender) -> None:
    assert sender.accepted(data={"k": None, "l": 1}).data == {"l": "1"}


@pytest.mark.parametrize("data", [[], "x", 1, True])
def test_data_is_an_object(sender: Sender, data: object) -> None:
    assert "data" in error_of(sender.track(data=data), 400, "invalid_event")["details"]


def test_all_that_is_wrong_with_an_event_is_told_at_once(sender: Sender) -> None:
    error = error_of(sender.post(TRACK, {"type": 5, "userId": [], "data": 1}), 400, "invalid_event")
    assert sorted(error["details"]) == ["data", "type", "userId"]


# Guids


def test_the_same_message_has_the_same_guid(sender: Sender) -> None:
    guids = {sender.accepted(messageId="m1", userId=user).guid for user in ("u1", "u2")}
    assert guids == {derived_event_guid(sender.guid, "m1")}


def test_the_same_message_of_another_producer_has_another_guid(app: Flask, sender: Sender) -> None:
    assert sender.accepted(messageId="m1").guid != Sender(app).accepted(messageId="m1").guid


@pytest.mark.parametrize("message_id", [None, ""])
def test_without_a_message_id_the_guid_is_random(sender: Sender, message_id: object) -> None:
    first, second = sender.accepted(messageId=message_id), sender.accepted(messageId=message_id)
    assert first.guid != second.guid
    assert first.message_id is None
    assert first.guid.startswith("evt_") and uuid.UUID(first.guid[4:]).version == 4


# The original Grouparoo web client


def test_the_grouparoo_client_s_body_is_understood(sender: Sender) -> None:
    body = {
        "apiKey": sender.key,
        "sessionId": "session",
        "type": "pageview",
        "anonymousId": "a1",
        "userId": None,
        "data": {"path": "/"},
        "ocurredAt": "2026-01-02T03:04:05.678Z",
    }
    assert sender.client.post(TRACK, json=body).status_code == 202
    [event] = sender.stored()
    assert (event.anonymous_id, event.user_id, event.occurred_at) == ("a1", None, "2026-01-02T03:04:05.678Z")
    assert event.data == {"path": "/", "context.sessionId": "session"}


def test_what_the_grouparoo_client_sends_again_has_the_same_guid(sender: Sender) -> None:
    body = {"anonymousId": "a1", "ocurredAt": 1_767_323_045_678, "data": {"path": "/"}, "sessionId": "s"}
    first, second = sender.accepted(**body), sender.accepted(**body)
    assert first.guid == second.guid and first.message_id
    for change in ({"ocurredAt": 1_767_323_045_679}, {"data": {"path": "/b"}}, {"anonymousId": "a2"}, {"type": "t"}):
        assert sender.accepted(**{**body, **change}).guid != first.guid


def test_a_message_id_goes_before_the_content(sender: Sender) -> None:
    assert sender.accepted(messageId="m1", ocurredAt=1_767_323_045_678).message_id == "m1"


def test_an_unreadable_time_makes_no_message_id(sender: Sender) -> None:
    assert sender.accepted(ocurredAt="soon").message_id is None


@pytest.mark.parametrize("told", [5, [], {}, "s" * 192, None, True])
def test_a_session_that_is_none_is_left_out(sender: Sender, told: object) -> None:
    assert sender.accepted(sessionId=told).data == {}


def test_the_right_spelling_goes_before_the_misspelt_one(sender: Sender) -> None:
    assert sender.accepted(occurredAt=1_700_000_000, ocurredAt=1).occurred_at == "2023-11-14T22:13:20.000Z"


# Browsers


def test_a_preflight_needs_no_key(client: FlaskClient) -> None:
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-api-key",
    }
    answer = client.options(TRACK, headers=headers)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, x-api-key"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", [TRACK, BATCH])
@pytest.mark.parametrize("body, status", [(b'{"type":"a","userId":"u"}', 202), (b"{", 400)])
def test_the_origin_is_echoed_on_every_answer(sender: Sender, path: str, body: bytes, status: int) -> None:
    body = b"[%s]" % body if path == BATCH else body
    answer = sender.post(path, data=body, Origin="https://shop.example")
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]


def test_the_origin_is_echoed_to_one_without_a_key(client: FlaskClient) -> None:
    answer = client.post(TRACK, json=EVENT, headers={"Origin": "null"})
    error_of(answer, 401, "missing_key")
    assert answer.headers["Access-Control-Allow-Origin"] == "null"


def test_without_an_origin_there_is_no_cors(sender: Sender) -> None:
    assert "Access-Control-Allow-Origin" not in sender.track().headers


def test_other_routes_have_no_cors(app: Flask, client: FlaskClient) -> None:
    for rule in our_routes(app):
        if rule.endpoint not in ("ingest.track", "ingest.batch"):
            path = re.sub(r"<[^>]+>", "user", rule.rule)
            for method in rule.methods or set():
                with client.open(path, method=method, headers={"Origin": "https://shop.example"}) as answer:
                    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], f"{method} {path}"


def test_no_cookie_is_set(sender: Sender) -> None:
    assert "Set-Cookie" not in sender.track().headers


# Addresses


def test_a_forwarded_address_does_not_count(sender: Sender) -> None:
    sender.post(TRACK, EVENT, X_Forwarded_For="6.6.6.6")
    assert sender.stored()[0].ip_address == "127.0.0.1"


def test_a_forwarded_address_counts_behind_as_many_proxies_as_are_trusted(make_app: Any) -> None:
    sender = Sender(make_app(trusted_proxies=2))
    sender.post(TRACK, EVENT, X_Forwarded_For="6.6.6.6, 2001:db8::1, 10.0.0.1")
    assert sender.stored()[0].ip_address == "2001:db8::1"


def test_a_forwarded_address_that_is_none_is_not_kept(make_app: Any) -> None:
    sender = Sender(make_app(trusted_proxies=1))
    assert sender.post(TRACK, EVENT, X_Forwarded_For="x" * 5000).status_code == 202
    assert sender.stored()[0].ip_address is None


# Back pressure


def test_a_full_buffer_is_said_and_nothing_is_half_accepted(make_app: Any) -> None:
    sender = Sender(make_app(buffer_max_bytes=100_000))
    answer = sender.post(BATCH, [{**EVENT, "data": {"k": "x" * 100}}] * 2500)
    error_of(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert sender.stored() == []
    with sender.app.app_context():
        assert services().redis.get(BYTES) is None
    assert sender.track().status_code == 202


def test_a_full_buffer_is_not_ready(make_app: Any) -> None:
    app = make_app(buffer_max_bytes=10)
    with app.app_context():
        services().redis.set(BYTES, 10)
    answer = app.test_client().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json and "full" in answer.json["dependencies"]["redis"]


@pytest.mark.parametrize("is_listening", [False, True], ids=["refused", "silent"])
def test_without_redis_nothing_is_accepted_and_that_is_said_within_a_second(make_app: Any, is_listening: bool) -> None:
    port = free_port()
    with socket.socket() as silent:
        if is_listening:
            silent.bind(("127.0.0.1", port))
            silent.listen()
        sender = Sender(make_app(redis_url=f"redis://127.0.0.1:{port}/0"))
        began = time.monotonic()
        answer = sender.post(TRACK, EVENT, Origin="https://shop.example")
        took = time.monotonic() - began
    error_of(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert took < 1


def test_without_redis_the_process_lives_and_is_not_ready(make_app: Any) -> None:
    client = make_app(redis_url=f"redis://127.0.0.1:{free_port()}/0").test_client()
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json["status"] == "unavailable"
    assert answer.json["dependencies"]["redis"].startswith("away")
    assert answer.json["dependencies"]["database"] == "ok"


@pytest.fixture
def configured(app: Flask) -> Iterator[Any]:
    """A function that sets one of Redis's settings for the time of the test."""
    with app.app_context():
        client = services().redis
        before = {name: client.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy", "appendfsync")}
        yield client.config_set
        for name, value in before.items():
            client.config_set(name, value)


def test_a_redis_that_may_forget_events_is_not_ready(client: FlaskClient, configured: Any) -> None:
    configured("maxmemory-policy", "allkeys-lru")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json and "noeviction" in answer.json["dependencies"]["redis"]


def test_a_redis_that_is_short_of_memory_takes_nothing_and_is_not_ready(sender: Sender, configured: Any) -> None:
    with sender.app.app_context():
        used = services().redis.info("memory")["used_memory"]
    configured("maxmemory", str(int(used * 1.2)))
    error_of(sender.track(), 503, "unavailable")
    assert sender.client.get("/health/ready").status_code == 503
    configured("maxmemory", "0")
    assert sender.stored() == []


def test_ready_names_every_dependency(client: FlaskClient) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "dependencies": {"redis": "ok", "database": "ok", "backend": "ok"}}


def test_ready_tells_strangers_nothing_about_the_database(make_app: Any) -> None:
    url = f"postgresql://secretuser:secretpassword@127.0.0.1:{free_port()}/secretname"
    answer = make_app(event_backend_url=url).test_client().get("/health/ready")
    assert answer.status_code == 200
    assert answer.json["dependencies"]["backend"] == "away"


def test_the_worker_is_woken_once(sender: Sender) -> None:
    sender.track()
    sender.track()
    with sender.app.app_context():
        assert len(services().stream.queue) == 1


def test_a_redis_that_forgot_the_script_is_told_it_again(sender: Sender) -> None:
    sender.track()
    with sender.app.app_context():
        services().redis.script_flush()
    assert sender.track().status_code == 202
    assert sender.track().status_code == 202
    assert len(sender.stored()) == 3


def test_a_connection_that_redis_closed_is_not_used_again(sender: Sender, redis_url: str) -> None:
    sender.track()
    with redis.Redis.from_url(redis_url) as other:
        other.client_kill_filter(_type="normal")
    assert sender.track().status_code == 202


def test_an_acknowledgement_may_wait_for_the_disk(make_app: Any, configured: Any) -> None:
    configured("appendfsync", "always")
    sender = Sender(make_app(durable_ack=True))
    assert sender.track().status_code == 202


def test_what_is_not_on_the_disk_in_time_is_not_acknowledged(make_app: Any, configured: Any) -> None:
    configured("appendfsync", "no")
    error_of(Sender(make_app(durable_ack=True)).track(), 503, "unavailable")


# What is never told


def test_neither_keys_nor_ids_nor_data_reach_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender(app)
    sender.track(userId="secret-user", data={"k": "secret-data"})
    sender.track(userId=["secret-user"], data="secret-data", messageId="secret-message")
    sender.post(TRACK, data=b'{"type": "secret-type", "userId":')
    sender.client.post(TRACK, json={"apiKey": "secret-key"})
    assert "secret" not in caplog.text and sender.key not in caplog.text


def test_an_outage_tells_the_log_nothing_of_the_event(make_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender(make_app(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    sender.track(userId="secret-user", data={"k": "secret-data"})
    assert "answered 503" in caplog.text
    assert "secret" not in caplog.text and sender.key not in caplog.text


def test_a_bug_tells_the_log_where_it_is_but_nothing_of_the_event(make_app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app()

    @app.route("/bug")
    def bug() -> str:
        return str(int("".join(["secret", "-data"])))

    answer = app.test_client().get("/bug")
    error_of(answer, 500, "internal_error")
    said = capsys.readouterr().err
    assert "ValueError" in said and "in bug" in said
    assert "secret-data" not in said + answer.get_data(as_text=True)


# A real server


@pytest.fixture
def web(app: Flask, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Web]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "for tests only", "ACCESS_LOG": "1"}
    server = Web(environ, tmp_path / "log")
    server.start()
    yield server
    server.stop()


def test_a_chunked_body_is_read_and_capped_and_the_log_has_no_query(web: Web, sender: Sender, tmp_path: Path) -> None:
    def chunked(*chunks: bytes) -> bytes:
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        head = f"POST {TRACK}?secret=query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Api-Key: {sender.key}\r\n"
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
            return connection.makefile("rb").read()

    taken = chunked(b'{"type":"a",', b'"userId":"u"}')
    refused = chunked(*[b" " * 65_536] * 17)
    assert taken.startswith(b"HTTP/1.1 202")
    assert refused.startswith(b"HTTP/1.1 413") and b"body_too_large" in refused
    assert [event.user_id for event in sender.stored()] == ["u"]
    web.stop()
    log = (tmp_path / "log").read_text()
    assert f"method=POST route={TRACK} status=202" in log
    assert "secret" not in log and sender.key not in log


def test_a_message_id_that_is_no_id_makes_two_events_not_one(sender: Sender) -> None:
    first, second = sender.accepted(messageId="undefined"), sender.accepted(messageId="undefined")
    assert first.guid != second.guid and first.message_id is None
