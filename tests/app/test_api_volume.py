"""The volume of events over HTTP."""

import pytest
from flask import Flask

from app.api.volume import MOST
from backends.event import now
from tests.app.management import Reader, make_event, make_reader, store


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def test_the_volume_has_every_interval_that_the_span_touches(app: Flask, reader: Reader) -> None:
    moments = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:59:59.999Z", "2026-01-01T02:00:00.000Z", "2026-01-01T03:00:00.000Z"]
    store(app, *[make_event(user_id="ann", occurred_at=moment) for moment in moments])
    span = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T02:00:00.001Z"}
    found = reader.json("/events/volume", interval="hour", **span)
    assert found == {
        "interval": "hour",
        "from": "2026-01-01T00:00:00.000Z",
        "to": "2026-01-01T03:00:00.000Z",
        "volume": [
            {"start": "2026-01-01T00:00:00.000Z", "count": 2},
            {"start": "2026-01-01T01:00:00.000Z", "count": 0},
            {"start": "2026-01-01T02:00:00.000Z", "count": 1},
        ],
    }


@pytest.mark.parametrize(("interval", "count"), [("minute", 60), ("hour", 24), ("day", 30), (None, 24)])
def test_without_a_span_the_volume_ends_now(app: Flask, reader: Reader, interval: str | None, count: int) -> None:
    store(app, make_event(user_id="ann", occurred_at=now()))
    found = reader.json("/events/volume", **({"interval": interval} if interval else {}))
    assert len(found["volume"]) == count
    assert sum(one["count"] for one in found["volume"]) == 1


def test_the_volume_of_one_type_is_that_types(app: Flask, reader: Reader) -> None:
    store(app, make_event(type="a", user_id="ann", occurred_at=now()), make_event(type="b", user_id="ann", occurred_at=now()))
    assert sum(one["count"] for one in reader.json("/events/volume", type="a")["volume"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"interval": "week"},
        {"interval": "minute", "from": "2026-01-01T00:00:00Z", "to": "2026-01-03T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "1970-01-01T00:00:00Z"},
        {"from": "then"},
        {"to": "9999-12-31T23:59:59.999Z"},
        {"userId": "ann"},
    ],
)
def test_a_span_that_can_not_be_counted_is_refused(reader: Reader, query: dict[str, str]) -> None:
    answer = reader.get("/events/volume", **query)
    assert (answer.status_code, answer.json["error"]["code"] in ("invalid_parameter", "unknown_parameter")) == (400, True)


def test_the_most_intervals_are_answered(reader: Reader) -> None:
    query = {"interval": "day", "from": "2022-01-01T00:00:00Z", "to": "2026-02-09T00:00:00Z"}
    assert len(reader.json("/events/volume", **query)["volume"]) == MOST
