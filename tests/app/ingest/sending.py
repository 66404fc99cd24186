"""A client with a key, and what of its events waits in the stream, for no worker runs."""

import json
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.keys import create_key
from app.services import services
from app.stream import STREAM, decode
from backends.event import Event

TRACK = "/api/v1/track"
BATCH = "/api/v1/batch"
EVENT = {"type": "pageview", "userId": "u1"}


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
