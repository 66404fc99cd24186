"""GET /metrics: what is counted where, whoever is away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from app import create_app
from app.config import Settings
from app.dead_letters import park
from app.keys import create_key
from app.metrics.meter import MEMORY_S, TALLY, Meter, memory_key
from app.metrics.stores import COUNTED_AT_MOST
from app.models import db
from app.services import services
from tests.app.management import Reader, make_event, make_reader, queue, store
from tests.conftest import close
from tests.servers import ROOT, Valkey, Web, wait_until
from worker import jobs

Samples = dict[str, float]


def samples(text: str) -> Samples:
    """Each sample by its name, followed by the values of its labels."""
    found = {}
    for family in parse_text(text):
        for one in family.samples:
            found[" ".join([one.name, *(one.labels[name] for name in sorted(one.labels))])] = one.value
    return found


def scrape(reader: Reader) -> Samples:
    answer = reader.client.get("/metrics", headers=reader.headers)
    assert answer.status_code == 200
    return samples(answer.get_data(as_text=True))


def send(reader: Reader, *events: dict[str, object]) -> int:
    return reader.client.post("/api/v1/batch", json=list(events), headers=reader.headers).status_code


GOOD: dict[str, object] = {"type": "visit", "userId": "ann", "data": {"k": "v"}}
DURATION = "grouparoo_http_request_duration_seconds_count"


def test_requests_are_counted_by_route_method_and_status(app: Flask) -> None:
    reader = make_reader(app)
    send(reader, GOOD)
    send(reader, GOOD)
    reader.get("/profiles/by/userId/ann")
    reader.client.get("/nowhere/ann")
    reader.client.open("/api/v1/batch", method="BREW")

    found = scrape(reader)

    assert found[f"{DURATION} POST /api/v1/batch 202"] == 2
    assert found[f"{DURATION} GET /api/v1/profiles/by/<key>/<path:value> 404"] == 1
    assert found[f"{DURATION} GET unmatched 404"] == 1
    assert found[f"{DURATION} other unmatched 405"] == 1
    assert not any("ann" in name for name in found)


def test_events_are_counted_as_accepted_or_rejected_by_reason(app: Flask) -> None:
    reader, anonymous = make_reader(app), make_reader(app, ["events:write:anonymous"])
    large = {**GOOD, "data": {"k": "v" * 40_000}}
    send(reader, GOOD, {"type": ""}, GOOD, large)
    send(anonymous, GOOD)
    reader.client.post("/api/v1/track", json=GOOD, headers=reader.headers)
    reader.client.post("/api/v1/track", json={}, headers=reader.headers)

    found = scrape(reader)

    assert found["grouparoo_events_accepted_total"] == 3
    assert found["grouparoo_events_rejected_total invalid"] == 2
    assert found["grouparoo_events_rejected_total too_large"] == 1
    assert found["grouparoo_events_rejected_total not_permitted"] == 1


def test_what_waits_is_told(app: Flask) -> None:
    queue(app, make_event(user_id="ann"), make_event(user_id="bob"))
    with app.app_context():
        park(make_event(user_id="ann"), "it was bad")

    found = scrape(make_reader(app))

    assert found["grouparoo_stream_entries"] == 1
    assert found["grouparoo_stream_events"] == 2
    assert found["grouparoo_stream_bytes"] > 100
    assert found["grouparoo_stream_oldest_age_seconds"] >= 0
    assert found["grouparoo_dead_letters"] == 1
    assert found["grouparoo_repoints"] == 0
    assert found["grouparoo_jobs_waiting"] == 1
    assert found["grouparoo_workers"] == 0
    assert found["grouparoo_web_processes"] == 1


def test_a_table_is_counted_up_to_a_limit(app: Flask) -> None:
    rows = COUNTED_AT_MOST + 5
    with app.app_context(), db.engine.begin() as connection:
        noted = {"kind": "user", "version": 1, "created_at": "2026-01-01T00:00:00.000Z"}
        connection.execute(db.metadata.tables["repoints"].insert(), [{**noted, "value": str(n)} for n in range(rows)])

    assert scrape(make_reader(app))["grouparoo_repoints"] == COUNTED_AT_MOST


def test_what_a_worker_did_is_told_by_the_web(app: Flask) -> None:
    jobs.set_up(app, "one")
    again = make_event(user_id="ann", anonymous_id="phone")
    queue(app, again, make_event(anonymous_id="phone"), again)
    with app.app_context():
        jobs.drain()

    found = scrape(make_reader(app))

    assert found["grouparoo_events_stored_total"] == 2
    assert found["grouparoo_events_known_total"] == 1
    assert found["grouparoo_drain_batches_total"] == 1
    for step in ("ping", "read", "identity", "save", "verify", "acknowledge"):
        assert found[f"grouparoo_drain_step_seconds_total {step}"] > 0
    assert found["grouparoo_worker_cpu_seconds_total"] > 0
    app.extensions["workbench"].client.close()


def test_moved_events_are_counted(app: Flask) -> None:
    jobs.set_up(app, "one")
    store(app, make_event(anonymous_id="phone"), make_event(anonymous_id="phone"))
    store(app, make_event(user_id="ann"))
    queue(app, make_event(user_id="ann", anonymous_id="phone"))
    with app.app_context():
        jobs.drain()

    assert scrape(make_reader(app))["grouparoo_events_repointed_total"] >= 2
    app.extensions["workbench"].client.close()


def test_a_workers_counts_outlive_it(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for name in ("first", "second"):
            meter = Meter()
            meter.add("stored", 3)
            meter.send(client, name)
            meter.send(client, name)

        assert client.hget(TALLY, "stored") == b"6"
        assert 0 < client.ttl(memory_key("first")) <= MEMORY_S


def test_counts_that_redis_did_not_take_go_with_the_next(redis_url: str) -> None:
    meter = Meter()
    meter.add("stored", 3)
    with redis.Redis.from_url("redis://127.0.0.1:1/0") as nobody:
        meter.send(nobody, "one")

    with redis.Redis.from_url(redis_url) as client:
        meter.send(client, "one")
        assert client.hget(TALLY, "stored") == b"3"


def test_the_metrics_need_their_permission_unless_they_are_public(app: Flask, settings: Settings) -> None:
    assert app.test_client().get("/metrics").status_code == 401
    reader = make_reader(app, ["events:read"])
    assert reader.client.get("/metrics", headers=reader.headers).status_code == 403
    public = create_app(Settings(settings.database_url, settings.redis_url, metrics_public=True))

    assert public.test_client().get("/metrics").status_code == 200
    close(public)


def test_openmetrics_is_answered_to_who_asks_for_it(app: Flask) -> None:
    reader = make_reader(app)
    send(reader, GOOD)
    headers = {**reader.headers, "Accept": "application/openmetrics-text; version=1.0.0"}

    answer = reader.client.get("/metrics", headers=headers)

    assert answer.content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(answer.get_data(as_text=True))}
    assert {"grouparoo_events_accepted", "grouparoo_up", "grouparoo_drain_step_seconds"} <= names


def test_every_metric_is_named_as_prometheus_wants_it_and_stands_in_the_manual(app: Flask) -> None:
    reader = make_reader(app)
    send(reader, GOOD)
    manual = (ROOT / "docs/operating.md").read_text()

    for family in parse_text(reader.client.get("/metrics", headers=reader.headers).get_data(as_text=True)):
        assert family.name.startswith("grouparoo_") and family.documentation
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.endswith("_created"):
            assert f"`{name}" in manual


def test_a_redis_that_is_away_is_named_and_the_rest_is_told(settings: Settings, app: Flask) -> None:
    reader = make_reader(app)
    alone = create_app(Settings(settings.database_url, "redis://127.0.0.1:1/0", secret_key="s"))
    found = scrape(Reader(alone.test_client(), reader.headers["Authorization"].split()[1]))

    assert found["grouparoo_up redis"] == 0 and found["grouparoo_up database"] == 1
    assert "grouparoo_dead_letters" in found and "grouparoo_stream_entries" not in found
    close(alone)


def test_a_database_that_is_away_is_named_and_the_rest_is_told(redis_url: str) -> None:
    settings = Settings("postgresql://nobody@127.0.0.1:1/none", redis_url, secret_key="s", metrics_public=True)
    app = create_app(settings)

    found = samples(app.test_client().get("/metrics").get_data(as_text=True))

    assert found["grouparoo_up database"] == found["grouparoo_up backend"] == 0
    assert found["grouparoo_up redis"] == 1
    assert found["grouparoo_stream_entries"] == 0 and "grouparoo_dead_letters" not in found
    close(app)


@pytest.fixture
def web(tmp_path: Path, valkey_server: Valkey, redis_url: str) -> Iterator[Web]:
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/test.sqlite3",
        "REDIS_URL": redis_url,
        "WEB_CONCURRENCY": "3",
        "METRICS_PUBLIC": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    app = create_app(Settings.from_environ(environ))
    with app.app_context():
        db.create_all()
        services().backend.setup()
        _, key = create_key("test", ["events:write"])
    close(app)
    web = Web({**environ, "KEY": key})
    web.start()
    yield web
    web.kill()


def post(web: Web, times: int) -> None:
    for _ in range(times):
        headers = {"Authorization": f"Bearer {web.environ['KEY']}", "Connection": "close"}
        assert requests.post(f"{web.url}/api/v1/track", json=GOOD, headers=headers, timeout=10).status_code == 202


def test_whichever_of_gunicorns_workers_is_asked_tells_of_all(web: Web, tmp_path: Path) -> None:
    post(web, 30)

    for _ in range(6):
        found = samples(requests.get(f"{web.url}/metrics", headers={"Connection": "close"}, timeout=10).text)
        assert found["grouparoo_events_accepted_total"] == 30
        assert found[f"{DURATION} POST /api/v1/track 202"] == 30
        assert found["grouparoo_web_processes"] == 3
        assert found["grouparoo_web_resident_memory_bytes 0"] > 1e6


def test_a_new_worker_goes_on_with_the_counts_of_the_dead_one(web: Web, tmp_path: Path) -> None:
    post(web, 12)
    for slot in range(3):
        victim = int((tmp_path / f"metrics/{slot}.pid").read_text())
        os.kill(victim, 9)
    requests_before = 12

    def is_replaced() -> bool:
        try:
            found = samples(requests.get(f"{web.url}/metrics", headers={"Connection": "close"}, timeout=5).text)
        except requests.RequestException:
            return False
        return found["grouparoo_web_processes"] == 3

    wait_until(is_replaced, what="three new workers")
    post(web, 3)

    found = samples(requests.get(f"{web.url}/metrics", timeout=10).text)
    assert found["grouparoo_events_accepted_total"] == requests_before + 3
    assert len(list((tmp_path / "metrics").glob("counter_*.db"))) <= 3
    web.stop()
    assert list((tmp_path / "metrics").glob("*.pid")) == []


def test_a_process_that_serves_nothing_loads_no_library_for_it(tmp_path: Path) -> None:
    code = "import sys, worker.jobs, worker.schedule, app; app.create_app(); print([m for m in NAMES if m in sys.modules])"
    names = ["prometheus_client", "sentry_sdk", "opentelemetry.sdk.trace", "opentelemetry.exporter"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3"}

    done = subprocess.run(
        [sys.executable, "-c", code.replace("NAMES", repr(names))], env=environ, check=True, capture_output=True, text=True
    )

    assert done.stdout == "[]\n"


def test_the_client_library_is_loaded_with_the_first_request(client: FlaskClient) -> None:
    assert client.get("/health/live").status_code == 200
    assert "prometheus_client" in sys.modules


def test_events_that_a_full_or_missing_redis_did_not_take_are_rejected_as_unavailable(app: Flask, settings: Settings) -> None:
    key = make_reader(app).headers["Authorization"].split()[1]
    full = create_app(Settings(settings.database_url, settings.redis_url, secret_key="s", buffer_max_bytes=1))
    reader = Reader(full.test_client(), key)

    assert send(reader, GOOD, GOOD) == 503

    assert scrape(reader)["grouparoo_events_rejected_total unavailable"] == 2
    close(full)
