"""A key's rate limit: so much in a minute, counted where all web processes see it."""

import redis
from flask import Flask
from flask.testing import FlaskClient

from app.keys import PERMISSIONS, create_key
from app.services import services
from tests.app.management import Reader

EVENT = {"type": "visit", "userId": "ann"}


def make_limited(app: Flask, client: FlaskClient, per_minute: int) -> Reader:
    with app.app_context():
        _, key = create_key("limited", PERMISSIONS, rate_limit=per_minute)
    return Reader(client, key)


def waiting(app: Flask) -> int:
    with app.app_context():
        return services().stream.waiting_events()


def test_what_goes_over_the_limit_is_refused_and_says_when_to_come_again(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 2)
    for _ in range(2):
        assert limited.post("/track", EVENT).status_code == 202

    refused = limited.post("/track", EVENT)

    assert (refused.status_code, refused.json["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert waiting(app) == 2


def test_a_batch_counts_its_events(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 5)

    first, second = (limited.post("/batch", [EVENT] * 5) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 429)
    assert waiting(app) == 5


def test_a_body_larger_than_the_limit_is_taken_once(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 3)

    answers = [limited.post("/batch", [EVENT] * 10).status_code for _ in range(2)]

    assert answers == [202, 429]


def test_what_is_refused_for_another_reason_costs_nothing(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 1)
    for _ in range(3):
        assert limited.post("/track", {"type": "visit"}).status_code == 400

    assert limited.post("/track", EVENT).status_code == 202


def test_the_limit_is_the_keys_own(app: Flask, client: FlaskClient) -> None:
    one, other = make_limited(app, client, 1), make_limited(app, client, 1)

    assert [reader.post("/track", EVENT).status_code for reader in (one, one, other)] == [202, 429, 202]


def test_the_minute_ends(app: Flask, client: FlaskClient, redis_url: str) -> None:
    limited = make_limited(app, client, 1)
    limited.post("/track", EVENT)
    with redis.Redis.from_url(redis_url) as store:
        (counter,) = store.keys("rate:*")
        assert 0 < store.ttl(counter) <= 60
        store.expire(counter, 0)

    assert limited.post("/track", EVENT).status_code == 202


def test_reading_counts_too_once_a_request(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 2)

    answers = [limited.get("/events/evt_1/explain").status_code, *(limited.get("/events").status_code for _ in range(2))]

    assert answers == [404, 200, 429]


def test_browsers_may_read_when_to_come_again(app: Flask, client: FlaskClient) -> None:
    limited = make_limited(app, client, 1)
    limited.headers["Origin"] = "https://shop.example"

    refused = [limited.post("/track", EVENT) for _ in range(2)][1]

    assert refused.status_code == 429
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


def test_a_key_without_a_limit_is_not_counted(app: Flask, client: FlaskClient, redis_url: str) -> None:
    with app.app_context():
        _, key = create_key("free", PERMISSIONS)

    assert Reader(client, key).post("/batch", [EVENT] * 100).status_code == 202
    with redis.Redis.from_url(redis_url) as store:
        assert store.keys("rate:*") == []
