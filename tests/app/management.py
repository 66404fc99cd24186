"""What the tests of management and reading share: a client with a key, and events that are stored in this very process."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.keys import PERMISSIONS, create_key
from app.services import services
from backends.event import Event, new_guid, now
from tests.app.conformity import check_answer
from worker.pipeline import Pipeline


class Reader:
    """A client whose key has these permissions. Whatever it is answered must be as the OpenAPI document has it."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: object) -> TestResponse:
        """The answer to GET."""
        return self._checked(self.client.get(f"/api/v1{path}", headers=self.headers, query_string=query or None))

    def json(self, path: str, **query: object) -> Any:
        """The answer's JSON; the question must be a good one."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.json

    def post(self, path: str, body: object = None) -> TestResponse:
        """The answer to POST."""
        return self._checked(self.client.post(f"/api/v1{path}", headers=self.headers, json=body))

    def delete(self, path: str) -> TestResponse:
        """The answer to DELETE."""
        return self._checked(self.client.delete(f"/api/v1{path}", headers=self.headers))

    def patch(self, path: str, body: object) -> TestResponse:
        """The answer to PATCH."""
        return self._checked(self.client.patch(f"/api/v1{path}", headers=self.headers, json=body))

    def _checked(self, answer: TestResponse) -> TestResponse:
        check_answer(self.client.application, answer)
        return answer


def make_reader(app: Flask, permissions: list[str] | None = None) -> Reader:
    """A reader with a key of its own; by default it may do everything."""
    with app.app_context():
        _, key = create_key("test", PERMISSIONS if permissions is None else permissions)
    return Reader(app.test_client(), key)


def make_event(**fields: Any) -> Event:
    """An event; what the test does not care about is filled in."""
    moment = fields.get("occurred_at", "2026-01-01T00:00:00.000Z")
    defaults: dict[str, Any] = {"guid": new_guid("evt"), "type": "pageview", "user_id": None, "anonymous_id": None}
    return Event(**{**defaults, "occurred_at": moment, "created_at": now(), "data": {}, **fields})


def pipeline() -> Pipeline:
    """The worker's pipeline on this app's stores."""
    shared = services()
    return Pipeline(shared.identity, shared.backend, shared.settings.placeholders)


def store(app: Flask, *events: Event) -> None:
    """Do with the events what a worker does."""
    with app.app_context():
        pipeline().settle(pipeline().store_events(list(events)))


def work_off(app: Flask) -> None:
    """Re-point everything that is noted."""
    with app.app_context():
        while pipeline().repointer.work_off(1000):
            pass


def queue(app: Flask, *events: Event) -> None:
    """Accept the events, and let no worker come."""
    with app.app_context():
        services().stream.append(list(events))
