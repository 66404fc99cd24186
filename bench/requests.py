"""Requests a second: a route of ours against the least that such a route can do, each in one gunicorn worker."""

import multiprocessing
import socket
import time
from pathlib import Path

import orjson

from app.keys import create_key
from bench.places import Place
from bench.table import Row, ratio_of
from bench.workload import Visitors
from tests.servers import Web

SECONDS = 3.0
ROUNDS = 5
CONNECTIONS = 4

BARE_APP = '''
"""The least that such a route can do: read the body, and answer a constant; or decode the body and XADD it."""
import os
import orjson, redis
from flask import Flask, Response, request
app = Flask(__name__)
client = redis.Redis.from_url(os.environ["REDIS_URL"])

@app.get("/health/live")
def live():
    return "ok"

@app.post("/constant")
def constant():
    request.get_data()
    return Response(b'{"event":{"guid":"evt_1","createdAt":"2026-01-01T00:00:00.000Z"}}', 202, content_type="application/json")

@app.post("/xadd")
def xadd():
    body = request.get_data()
    orjson.loads(body)
    client.xadd("bare", {"events": body}, maxlen=1000)
    return Response(b'{"accepted":100}', 202, content_type="application/json")
'''


class BareWeb(Web):
    """The bare app in the same gunicorn."""

    def __init__(self, environ: dict[str, str], directory: Path) -> None:
        super().__init__({**environ, "PYTHONPATH": str(directory)})
        (directory / "bare_app.py").write_text(BARE_APP)
        self.command[-1] = "bare_app:app"
        self.environ["PYTHONPATH"] = f"{directory}:{self.environ['PYTHONPATH']}"


def measure(place: Place, directory: Path) -> list[Row]:
    """Both rows."""
    with place.app.app_context():
        _, key = create_key("bench", ["events:write"])
    ours, bare = Web(place.environ), BareWeb(place.environ, directory)
    ours.start()
    bare.start()
    visitors = Visitors()
    single = [
        {"type": e.type, "anonymousId": e.anonymous_id, "userId": e.user_id, "data": e.data} for e in visitors.events(100)
    ]
    batch = orjson.dumps({"events": single})
    one = orjson.dumps(single[0])
    try:
        return [
            _row("single-event POST, requests/s", ours, "/api/v1/track", bare, "/constant", one, key, 1),
            _row("batch POST (100 events), events/s", ours, "/api/v1/batch", bare, "/xadd", batch, key, 100),
        ]
    finally:
        ours.stop()
        bare.stop()


def _row(what: str, ours: Web, path: str, bare: Web, bare_path: str, body: bytes, key: str, events: int) -> Row:
    measured, against = [], []
    for _ in range(ROUNDS):
        measured.append(load(ours.port, path, body, key) * events)
        against.append(load(bare.port, bare_path, body, key) * events)
    name = "constant route" if events == 1 else "JSON decode + XADD"
    return Row(what, f"{max(measured):,.0f}", f"{max(against):,.0f} {name}", ratio_of(measured, against), "0.5")


def load(port: int, path: str, body: bytes, key: str) -> float:
    """Answers of 202 a second over kept connections, asked by another process."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_ask, (port, path, body, key))


def _ask(port: int, path: str, body: bytes, key: str) -> float:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.sendall(request)
    answered, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for connection in connections:
            answer = connection.recv(65_536)
            while b"\r\n\r\n" not in answer or not _is_whole(answer):
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 202"), answer[:300]
            connection.sendall(request)
            answered += 1
    rate = answered / (time.perf_counter() - began)
    for connection in connections:
        connection.close()
    return rate


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
