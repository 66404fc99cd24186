"""`flask bench`: it measures the real thing, and says what is wrong with a server that it can't load."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backends.base import EventQuery
from tests.servers import ROOT, free_port
from tests.worker.system import System


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own that knows of no server."""
    command = [sys.executable, "-m", "flask", "--app", "app", "bench", *arguments]
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100)


def shown(*arguments: str) -> dict[str, Any]:
    done = bench(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Segment(BaseHTTPRequestHandler):
    """Another's server: it speaks Segment's HTTP API, and is busy at first."""

    protocol_version = "HTTP/1.1"
    received: list[dict[str, Any]]
    answers: Counter[int]
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Take a batch from who has the key; the first is too much."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scheme, _, word = self.headers["Authorization"].partition(" ")
        user = base64.b64decode(word).decode() if scheme == "Basic" else ""
        with self.lock:
            is_busy = not self.answers
            status = 404 if self.path != "/v1/batch" else 401 if user != "good:" else 429 if is_busy else 200
            self.answers[status] += 1
            if status == 200:
                self.received += body["batch"]
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "16")
        self.end_headers()
        self.wfile.write(b'{"success":true}')

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    """The address of another's server."""
    Segment.received, Segment.answers = [], Counter()
    with ThreadingHTTPServer(("127.0.0.1", 0), Segment) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("route", "requests"), [("/api/v1/batch", 5), ("/api/v1/track", 500)])
def test_all_that_it_says_is_accepted_is_stored(tmp_path: Path, route: str, requests: int) -> None:
    with System(tmp_path) as system:
        system.workers[0].start()
        key = ("--key", system.key, "--read-key", system.key)
        found = shown(system.web.url, "--route", route, *key, "--events", "500")

        assert (found["accepted"], found["rejected"], found["answers"]) == (500, 0, {"202": requests})
        assert 0 < found["latencyMs"]["p50"] <= found["latencyMs"]["p99"] <= found["latencyMs"]["max"]
        assert found["seconds"] <= found["associatedAfterSeconds"]
        with system.app.app_context():
            backend = system.app.extensions["grouparoo"].backend
            assert backend.count(EventQuery(associated=True)) == 500


def test_another_s_server_is_loaded_and_waited_for(other: str) -> None:
    found = shown(other, "--route", "/v1/batch", "--key", "good", "--events", "250", "--concurrency", "2")

    assert (found["accepted"], found["answers"]) == (250, {"200": 3, "429": 1})
    assert len({message["messageId"] for message in Segment.received}) == 250
    assert {message["type"] for message in Segment.received} == {"track"}


def test_it_ends_when_the_time_is_up(other: str) -> None:
    found = shown(other, "--route", "/v1/batch", "--key", "good", "--duration", "0.5", "--batch-size", "1")

    assert found["accepted"] == len(Segment.received) > 0
    assert found["seconds"] < 20


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["ftp://x", "--key", "k"], 2, "is no address"),
        (["URL", "--route", "/v1/batch", "--key", "bad"], 1, "answers 401: the key is unknown: give one with --key"),
        (["URL", "--key", "good"], 1, "answers 404: there is no such route: say with --route which one the server speaks"),
        (["URL", "--route", "/v1/batch", "--key", "good", "--read-key", "r", "--events", "9"], 1, "/api/v1/events/volume"),
        (["DEAD", "--key", "good"], 1, "does not answer (NewConnectionError): is it running?"),
    ],
)
def test_what_can_t_be_loaded_is_told_in_one_line(other: str, arguments: list[str], status: int, said: str) -> None:
    places = {"URL": other, "DEAD": f"http://127.0.0.1:{free_port()}"}

    done = bench(*(places.get(word, word) for word in arguments))

    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr and "Traceback" not in done.stderr
