"""An SDK as the server sees it: the requests of a key, and what of them waits in the stream, for no worker runs."""

import base64
import json
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from app.keys import create_key
from app.services import services
from app.stream import STREAM, decode
from backends.event import Event

SUCCESS = {"code": 200, "status": 1, "success": True, "error": None}
MOMENT, MOMENT_MS = "2026-01-02T03:04:05.678Z", 1_767_323_045_678


class Speaker:
    """Sends as an SDK does."""

    def __init__(self, app: Flask, permissions: list[str] | None = None, **limits: Any) -> None:
        self.app = app
        self.client = app.test_client()
        with app.app_context():
            row, self.key = create_key("sdk", permissions or ["events:write"], **limits)
            self.guid = row.guid

    @property
    def basic(self) -> dict[str, str]:
        """The key as Basic's user."""
        return {"Authorization": "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()}

    def stored(self) -> list[Event]:
        """All that waits in the stream."""
        with self.app.app_context():
            return [event for _, fields in services().redis.xrange(STREAM) for event in decode(fields[b"events"])]

    def taken(self, answer: TestResponse) -> Event:
        """The one event that waits, of a request that was answered with 200."""
        assert answer.status_code == 200, answer.get_data()
        [event] = self.stored()
        return event


def packed(content: object) -> str:
    """Base64 of JSON."""
    return base64.b64encode(json.dumps(content).encode()).decode()


def form(content: object, **fields: object) -> bytes:
    """A form with percent-encoded JSON as `data`, as mixpanel-python sends it."""
    data = {"data": json.dumps(content), **fields}
    return "&".join(f"{name}={quote(str(value))}" for name, value in data.items()).encode()


def refused(answer: TestResponse, status: int, said: str) -> None:
    """Fail unless the error has the form that SDKs stop at (09-sdks, rule 4)."""
    assert answer.status_code == status, answer.get_data()
    assert answer.content_type == "application/json"
    body = answer.json
    assert body is not None and (body["code"], body["status"]) == (status, 0)
    assert body["message"] == body["error"] and said in body["error"]
    assert "WWW-Authenticate" not in answer.headers
