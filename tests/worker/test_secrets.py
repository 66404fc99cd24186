"""Nothing secret is logged: the whole system under load and faults, and every byte that its processes said."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest
import redis
import requests
from rq import Queue

from app.auth import Key
from app.config import Settings
from app.keys import create_key
from app.stream import QUEUE
from backends.event import Event
from tests.collector import Collector
from tests.servers import scheduler, wait_until
from tests.worker.system import System, event

CANARY = "c4n4ry"
PASSWORD = f"{CANARY}-password"
POISON = f"{CANARY}-poison"
RAISING = f"{CANARY}-raising"
TRUTH = {"userId": f"{CANARY}-user", "anonymousId": f"{CANARY}-device", "messageId": f"{CANARY}-message"}
DATA = {f"{CANARY}-key": f"{CANARY}-value"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def system(server_directory: Path, collector: Collector) -> Iterator[System]:
    """Everything that can be told is told: DEBUG, access log, Sentry, OpenTelemetry."""
    directory = server_directory / "secrets"
    directory.mkdir(mode=0o755)
    telling = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", "ACCESS_LOG": "1"}
    reporting = {"SENTRY_DSN": collector.dsn, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with System(directory) as system:
        # The server trusts whoever comes, but our processes know a password.
        url = system.database.url.replace("postgres@", f"postgres:{PASSWORD}@")
        system.environ |= {**telling, **reporting, "SECRET_KEY": f"{CANARY}-secret", "DATABASE_URL": url}
        system.web.environ |= system.environ
        system.workers[0].environ |= system.environ
        system.web.stop()
        system.web.start()
        system.start_workers()
        yield system


def sql(system: System, statement: str) -> None:
    connection = psycopg2.connect(system.database.url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def secret_event(number: int = 0, **fields: object) -> dict[str, object]:
    return {**event(), **TRUTH, "messageId": f"{CANARY}-{number}", "data": DATA, **fields}


def said(system: System) -> str:
    return system.log.read_text()


def wait_for(system: System, *words: str) -> None:
    for word in words:
        wait_until(lambda: word in said(system), 60, f"the line {word!r}")  # noqa: B023  # it is called at once


def ask_badly(system: System) -> None:
    """Requests of every kind that is refused."""
    url, known = system.web.url, {"Authorization": f"Bearer {system.key}"}
    unknown = [{"Authorization": f"Bearer {CANARY}"}, {"Authorization": f"Basic {CANARY}"}, {"X-Api-Key": f"{CANARY} !"}]
    for headers in unknown:
        assert requests.post(f"{url}/api/v1/track?key={CANARY}", json=secret_event(), headers=headers).status_code == 401
    bodies = [f'{{"{CANARY}', json.dumps([{"type": "", **TRUTH}]), json.dumps({"apiKey": CANARY}), json.dumps({**DATA})]
    for body in bodies:
        assert requests.post(f"{url}/api/v1/batch?{CANARY}", data=body, headers=known).status_code == 400
    system.post([secret_event(userId=CANARY * 100), secret_event(occurredAt=CANARY), secret_event(data=CANARY)])
    headers = {**known, "Origin": f"http://{CANARY}", "Cookie": CANARY, "User-Agent": CANARY, "X-Request-Id": f"{CANARY} !"}
    for path in (CANARY, f"api/v1/profiles/by/userId/{CANARY}", f"api/v1/events?userId={CANARY}", f"api/v1/events/{CANARY}"):
        requests.get(f"{url}/{path}", headers=headers)
    for raw in (f"GET /{CANARY} HTTP/9.9", f"{CANARY} / HTTP/1.1", f"GET / HTTP/1.1\r\n{CANARY}\x01: x", CANARY):
        with socket.create_connection(("127.0.0.1", system.web.port), timeout=5) as connection, suppress(OSError):
            connection.sendall(f"{raw}\r\n\r\n".encode())
            connection.recv(1000)


def break_things(system: System) -> None:
    """Poison, a bug in a request and in a job, and outages."""
    sql(system, f"ALTER TABLE events ADD CONSTRAINT picky CHECK (type <> '{POISON}')")
    system.post([secret_event(1), secret_event(2, type=POISON), secret_event(3)])
    wait_for(system, "a batch can't be stored as a whole", "parked an event as a dead letter")

    (letter,) = [one["guid"] for one in system.get("/dead-letters")["deadLetters"]]
    sql(system, f"UPDATE dead_letters SET event = '\"{CANARY}\"'")
    retry = f"{system.web.url}/api/v1/dead-letters/{letter}/retry"
    assert requests.post(retry, headers={"Authorization": f"Bearer {system.key}"}).status_code == 500
    wait_for(system, "answered 500")

    queue = Queue(QUEUE, connection=system.redis, serializer="json")
    failed = queue.enqueue_call("builtins.int", args=(CANARY,), description="a bug", timeout=20)
    wait_for(system, "a job failed: a bug")
    wait_until(lambda: failed.get_status(refresh=True) == "failed", what="the failure")
    result = failed.latest_result()
    assert result and CANARY not in str(result.exc_string) and "ValueError" in str(result.exc_string)


def take_away(system: System) -> None:
    """Outages of the database and of Redis, with events waiting."""
    body = f"BEGIN IF NEW.type = '{RAISING}' THEN RAISE EXCEPTION 'no %', NEW.user_id; END IF; RETURN NEW; END"
    sql(system, f"CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    sql(system, "CREATE TRIGGER picky BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION picky()")
    system.post([secret_event(4, type=RAISING)])
    wait_for(system, "RaiseException")
    sql(system, "DROP TRIGGER picky ON events")

    system.database.stop()
    system.post([secret_event(5)])
    wait_for(system, "can't store events now")
    system.wake("scan")
    get = {"headers": {"Authorization": f"Bearer {system.key}"}, "timeout": 10}
    assert requests.get(f"{system.web.url}/api/v1/events?userId={CANARY}", **get).status_code == 503  # type: ignore[arg-type]
    assert requests.get(f"{system.web.url}/health/ready", timeout=10).status_code == 200
    system.database.start()

    system.valkey.send(signal.SIGSTOP)
    assert system.post([secret_event(6)]).status_code == 503
    system.valkey.send(signal.SIGCONT)
    system.valkey.kill()
    assert system.post([secret_event(7)]).status_code == 503
    system.valkey.start()
    wait_for(system, "answered 503")


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_no_process_says_a_secret_whatever_happens(system: System, collector: Collector) -> None:
    clock = scheduler({**system.environ, "SCAN_INTERVAL_S": "1"}, system.log)
    clock.start()
    with system.app.app_context():
        _, writer = create_key(f"{CANARY}-name", ["events:write"])
    posted = requests.post(f"{system.web.url}/api/v1/track?writeKey={writer}", json={**secret_event(8), "apiKey": writer})
    assert posted.status_code == 202
    sql(system, f"INSERT INTO events (type, user_id, created_at) VALUES ('x', '{CANARY}-sql', '2026-01-01')")

    ask_badly(system)
    break_things(system)
    take_away(system)
    system.nudge_until_drained()
    wait_for(system, "associated rows from outside", "Invalid request")
    for process in (clock, *system.workers, system.web):
        process.stop()

    wanted = ["enqueued", "worker started", "worker stopped", "scheduler stopped", "stored events", "request"]
    messages = {json.loads(line)["message"].split()[0] for line in said(system).splitlines()}
    assert {word.split()[0] for word in wanted} <= messages
    assert len(collector.bodies("/api/1/envelope/")) > 3 and collector.bodies("/v1/traces")
    everything = [said(system).encode(), *(body for _, body in collector.received)]
    for secret in (CANARY, CANARY.upper(), system.key, writer):
        for text in everything:
            at = text.find(secret.encode())
            assert at < 0, text[max(0, at - 500) : at + 200].decode(errors="replace")


def test_nothing_tells_a_secret_when_it_is_printed() -> None:
    one = Event("evt_1", CANARY, CANARY, CANARY, CANARY, CANARY, {CANARY: CANARY}, CANARY, CANARY, CANARY)
    url = f"postgresql://me:{CANARY}@host/x"
    places = {"database_url": url, "event_backend_url": url, "redis_url": f"redis://:{CANARY}@host/0"}
    settings = Settings(**places, secret_key=CANARY, secret_key_fallbacks=(CANARY,), sentry_dsn=f"http://{CANARY}@host/1")

    for shown in (one, [one], settings, redis.Redis.from_url(settings.redis_url), Key("key_1", frozenset(), frozenset())):
        assert CANARY not in repr(shown) and CANARY not in str(shown)
