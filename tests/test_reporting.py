"""Sentry and OpenTelemetry, each by its real client against a server of ours: what is sent, and what is not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.config import InvalidSettings, Settings
from tests.collector import Collector
from tests.servers import ROOT

SECRET = "hush-hush"

SCRIPT = '''
"""A request that ends with 500, one that is accepted, and a worker that meets poison."""
import logging
import sqlalchemy as sa
from app import create_app
from app.keys import create_key
from app.models import db
from app.services import services
from worker import jobs

app = create_app()

@app.post("/bug/<what>")
def bug(what):
    secret_local = "hush-hush"
    raise ValueError(f"it is {secret_local}")

with app.app_context():
    db.create_all()
    services().backend.setup()
    with db.engine.begin() as connection:
        refusal = "SELECT RAISE(ABORT, 'no hush-hush')"
        connection.execute(sa.text(f"CREATE TRIGGER t BEFORE INSERT ON events WHEN NEW.type = 'bad' BEGIN {refusal}; END"))
    _, key = create_key("test", ["events:write"])
client = app.test_client()
headers = {"Authorization": "Bearer hush-hush", "Cookie": "a=hush-hush", "X-Request-Id": "request-1"}
client.post("/bug/hush-hush?key=hush-hush", json={"k": "hush-hush"}, headers=headers)
event = {"type": "bad", "userId": "hush-hush", "data": {"k": "hush-hush"}}
trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
answer = client.post("/api/v1/track", json=event, headers={"Authorization": f"Bearer {key}", **trace})
assert answer.status_code == 202, answer.data
jobs.set_up(app, "one")
with app.app_context():
    jobs.drain()
logging.getLogger("somebody.else").error("they say %s", "'hush-hush'")
'''


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def run(tmp_path: Path, redis_url: str, script: str = SCRIPT, **environ: str) -> subprocess.CompletedProcess[str]:
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/test.sqlite3", "REDIS_URL": redis_url}
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env={**base, **database, **environ}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def reports(collector: Collector) -> list[dict[str, Any]]:
    """The events in Sentry's envelopes: lines of JSON, an item's header before each."""
    found = []
    for body in collector.bodies("/api/1/envelope/"):
        lines = body.split(b"\n")
        heads = [n for n, line in enumerate(lines) if line.replace(b" ", b"").startswith(b'{"type":"event"')]
        found += [json.loads(lines[head + 1]) for head in heads]
    return found


def test_errors_go_to_sentry_by_kind_and_place_and_nothing_else(collector: Collector, tmp_path: Path, redis_url: str) -> None:
    run(tmp_path, redis_url, SENTRY_DSN=collector.dsn, SENTRY_ENVIRONMENT="test")

    sent = reports(collector)
    by_message = {one["logentry"]["message"]: one for one in sent}
    assert set(by_message) == {
        "answered 500: ValueError",
        "a batch can't be stored as a whole",
        "parked an event as a dead letter",
        "they say …",
    }
    bug = by_message["answered 500: ValueError"]
    (error,) = bug["exception"]["values"]
    assert error["type"] == "ValueError" and error["stacktrace"]["frames"][-1]["function"] == "bug"
    assert bug["tags"] == {"request": "request-1"} and bug["environment"] == "test"
    assert all(SECRET.encode() not in body.replace(b"secret_local", b"") for _, body in collector.received)


def spans(collector: Collector) -> dict[str, Span]:
    found = {}
    for body in collector.bodies("/v1/traces"):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert about["service.name"] == "grouparoo-events"
            found |= {span.name: span for scope in resource.scope_spans for span in scope.spans}
    return found


def test_spans_of_requests_jobs_and_batches_go_there(collector: Collector, tmp_path: Path, redis_url: str) -> None:
    run(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    sent = spans(collector)
    assert set(sent) == {"POST /bug/<what>", "POST /api/v1/track", "job drain", "batch"}
    track, bug = sent["POST /api/v1/track"], sent["POST /bug/<what>"]
    assert track.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c" and track.parent_span_id.hex() == "b7ad6b7169203331"
    attributes = {one.key: one.value for one in track.attributes}
    assert attributes["http.route"].string_value == "/api/v1/track"
    assert attributes["http.response.status_code"].int_value == 202
    assert bug.status.code == bug.status.STATUS_CODE_ERROR and not bug.events
    assert sent["batch"].parent_span_id == sent["job drain"].span_id
    assert all(SECRET.encode() not in body for _, body in collector.received)


def test_nothing_is_sent_and_nothing_is_loaded_without_the_settings(
    collector: Collector, tmp_path: Path, redis_url: str
) -> None:
    script = SCRIPT + "import sys; print([m for m in ('sentry_sdk', 'opentelemetry.sdk.trace') if m in sys.modules])"

    done = run(tmp_path, redis_url, script)

    assert done.stdout == "[]\n" and collector.received == []
    assert SECRET not in done.stderr and "ValueError" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "extra"),
    [("SENTRY_DSN", "http://public@127.0.0.1/1", "sentry"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "otel")],
)
def test_what_needs_an_extra_says_so(name: str, value: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.from_environ({name: value})
    monkeypatch.setattr(sys, "path", [])
    for module in [one for one in sys.modules if one.split(".")[0] in ("sentry_sdk", "opentelemetry")]:
        monkeypatch.delitem(sys.modules, module)

    with pytest.raises(InvalidSettings, match=rf"{name} is set, but .* pip install 'grouparoo-events\[{extra}\]'"):
        Settings.from_environ({name: value})
