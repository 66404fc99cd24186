"""Browsers: CORS, preflights, cookies."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.openapi.document import our_routes
from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of


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
