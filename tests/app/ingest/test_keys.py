"""Keys: where they may stand, and what they permit; and the one form of all that is refused."""

import base64
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.openapi.document import our_routes
from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of


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


def test_an_unknown_path_has_the_one_form(client: FlaskClient) -> None:
    error_of(client.get("/nothing/here"), 404, "not_found")


def test_a_wrong_method_has_the_one_form(client: FlaskClient) -> None:
    answer = client.get(TRACK)
    error_of(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_unknown_encoding_has_the_one_form(sender: Sender) -> None:
    error_of(sender.post(TRACK, EVENT, Content_Encoding="br"), 415, "unsupported_encoding")
