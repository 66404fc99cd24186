"""The status over HTTP."""

from flask import Flask

from app.dead_letters import park
from tests.app.management import make_event, make_reader, queue


def test_the_status_counts_what_waits_and_what_is_left_open(app: Flask) -> None:
    reader = make_reader(app)
    queue(app, make_event(user_id="ann"), make_event(user_id="bob"))
    with app.app_context():
        park(make_event(user_id="ann"), "it was bad")

    status = reader.json("/status")

    assert status.pop("oldestWaitingSeconds") >= 0
    assert status == {
        "waitingEvents": 2,
        "unassociated": 0,
        "unassociable": 0,
        "deadLetters": 1,
        "repoints": 0,
        "workers": [],
        "dependencies": {"redis": "ok", "database": "ok", "backend": "ok"},
    }


def test_the_status_needs_its_permission(app: Flask) -> None:
    assert make_reader(app, ["events:read"]).get("/status").status_code == 403
