"""Back pressure: what is said when Redis is full, away or slow, and who is ready."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app.services import services
from app.stream import BYTES
from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of
from tests.servers import free_port


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
