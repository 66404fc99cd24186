"""Every route, asked for anything: it answers as documented, or with the one form of error, and tells the log nothing."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from app.dead_letters import park
from app.keys import PERMISSIONS, create_key
from app.openapi.document import METHODS
from app.openapi.routes import read_document
from app.services import services
from tests.app.management import make_event, make_reader, store
from tests.servers import Web

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
CANARY = "canary-3f7c"
"""Stands in everything that is sent, and may stand in no log."""

HOSTILE_NAMES = [
    *(f"{CANARY}%00", f"{CANARY}%ED%A0%80", f"{CANARY}%FF%FE", f"..%2f..%2f{CANARY}", f"%0d%0aX-Injected:{CANARY}", "9" * 400),
    *(f"{CANARY}'%20OR%201=1--", f"%7B%7B{CANARY}%7D%7D", f"%F0%9F%8E%89{CANARY}", f"{CANARY}%E2%80%AE"),
    *("%", "%%", "%zz", "%2e%2e"),
]
HOSTILE_QUERIES = [
    *(f"limit={one}" for one in ("0", "-1", "1e9", "9" * 3000, "%D9%A1", "NaN", "", "%00", CANARY)),
    *(f"after={one}" for one in ("W10", "e30", "bnVsbA", "%00", "A" * 3000, "WyIyMDI2IiwiYSJd", CANARY, "%ED%A0%80", "=")),
    *(f"from={one}" for one in ("-1", "1e400", "9" * 300, "9999-12-31T23:59:59.999Z", "0001-01-01", CANARY, "%00", "NaN")),
    *(f"to={one}" for one in ("253402300799999", "253402300800000", "2026-13-45", CANARY)),
    *(f"data.{CANARY}={CANARY}", "data.=x", f"data.%00={CANARY}", f"data.%ED%A0%80={CANARY}"),
    *(CANARY, f"type={CANARY}&type={CANARY}", f"userId={CANARY}%00", f"profileGuid=%FF{CANARY}", "&&&=&"),
    *(f"associated={CANARY}", f"format={CANARY}", f"event={CANARY}", f"suppress={CANARY}"),
    *(f"interval={CANARY}", "interval=day&from=1970-01-01", "interval=minute&to=1970-01-01"),
]
HOSTILE_HEADERS: list[dict[str, str]] = [
    {"Authorization": f"Bearer {CANARY}"},
    {"Authorization": f"Basic {CANARY}"},
    {"Authorization": "Basic /w=="},
    {"Authorization": CANARY},
    {"X-Api-Key": CANARY * 300},
    {"Content-Encoding": CANARY},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "deflate"},
    {"Content-Type": f"text/{CANARY}; charset={CANARY}"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Accept": f"{CANARY}/*;q=x"},
    {"Origin": f"https://{CANARY}.example"},
    {"Host": f"{CANARY}.example:99999"},
    {"Host": f"[{CANARY}"},
    {"Range": f"bytes={CANARY}"},
    {"If-Modified-Since": CANARY},
    {"If-None-Match": f'"{CANARY}'},
    {"X-Forwarded-For": CANARY},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Cookie": f"session={CANARY}; a=b"},
    {"traceparent": f"00-{CANARY}"},
    {"X-Request-Id": CANARY},
    {"Expect": "100-continue"},
]
HOSTILE_BODIES = [
    *(b"", b"{", b"null", b"[]", b"3", b'"x"', b"\x00", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{'a': 1}", b'{"__proto__": {}}'),
    *(b"\x1f\x8b", b"\x1f\x8bcanary-3f7c", b"[" * 100_000, b'{"a":' * 50_000, b"x=canary-3f7c&y=%00"),
    *(b'{"name": "\\ud800canary-3f7c"}', b'{"name": "\\u0000canary-3f7c", "permissions": ["canary-3f7c"]}'),
    *(b'{"rateLimit": 1e400}', b'{"rateLimit": ' + b"9" * 5000 + b"}", b'{"origins": {"canary-3f7c": []}}'),
    *(b'{"from": ["canary-3f7c"]}', b'{"events": {"canary-3f7c": 1}}', b'{"userId": ""}', b'{"userId": "\\udfff"}'),
    b'{"events": [{"type": "canary-3f7c", "userId": {"canary-3f7c": 1}}]}',
    b'{"type": "x", "userId": "canary-3f7c", "occurredAt": 1e308, "data": {"canary-3f7c": ' + b"[" * 150 + b"]" * 150 + b"}}",
    b'{"name": "' + b"canary-3f7c" * 100_000 + b'"}',
]

DATABASES = ["postgresql", *(pytest.param(name, marks=pytest.mark.faults) for name in ("sqlite", "mariadb"))]
pytestmark = pytest.mark.parametrize("database_url", DATABASES, indirect=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def web(app: Flask, log: Path) -> Iterator[Web]:
    with app.app_context():
        urls = services().settings
    environ = {"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url, "SECRET_KEY": "x", "ACCESS_LOG": "1"}
    web = Web(environ, log)
    web.start()
    yield web
    web.stop()


@pytest.fixture
def headers(app: Flask) -> dict[str, str]:
    """Of a key that may do everything."""
    return make_reader(app).headers


@pytest.fixture
def guids(app: Flask) -> list[str]:
    """Of things that are there."""
    events = [make_event(user_id=f"u{number}", anonymous_id="phone", data={"path": "/"}) for number in range(20)]
    dead = [make_event(user_id="ann") for _ in range(20)]
    store(app, *events)
    with app.app_context():
        for event in dead:
            park(event, "it was bad")
        keys = [create_key("other", PERMISSIONS)[0].guid for _ in range(5)]
    profiles = [one["guid"] for one in make_reader(app).json("/profiles")["profiles"]]
    return [*profiles, *(event.guid for event in events + dead), *keys]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("examples", [30, pytest.param(100, marks=[pytest.mark.faults, pytest.mark.timeout(1800)])])
def test_every_route_answers_as_the_document_says(
    web: Web, headers: dict[str, str], guids: list[str], mode: GenerationMode, examples: int
) -> None:
    document = schemathesis.openapi.from_url(f"{web.url}/api/v1/openapi.json")
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()
        is_refusable = operation.body or operation.query  # of a path nothing can be wrong: all of it is text
        if mode is GenerationMode.POSITIVE or is_refusable:
            fuzz(operation.as_strategy(mode), headers, guids, examples)
            asked += 1
    assert asked > 10


def test_nothing_hostile_is_more_than_refused(app: Flask, web: Web, log: Path, headers: dict[str, str]) -> None:
    asked = 0
    for method, path in known_routes(app):
        for part in ({"path": one} for one in HOSTILE_NAMES if "{" in path):
            asked += refused_at_most(web, method, fill(path, part["path"]), headers)
        path = fill(path, CANARY)
        for query in HOSTILE_QUERIES:
            asked += refused_at_most(web, method, f"{path}?{query}", headers)
        for more in HOSTILE_HEADERS:
            asked += refused_at_most(web, method, path, {**headers, **more}, b'{"type": "x", "userId": "u"}')
        for body in HOSTILE_BODIES if method != "GET" else []:
            asked += refused_at_most(web, method, path, headers, body)
        for wrong in ("PUT", "TRACE", "PROPFIND", "LINK"):
            asked += refused_at_most(web, wrong, path, headers)
    assert asked > 1000
    assert CANARY not in log.read_text()


@pytest.mark.parametrize("path", ["/", "//", "/api", "/api/v1", "/api/v1/", "/api/v2/track", "/.env", "/%00"])
def test_what_is_no_route_is_refused_in_the_same_form(web: Web, headers: dict[str, str], path: str) -> None:
    for method in METHODS:
        assert refused_at_most(web, method, path, headers)


def known_routes(app: Flask) -> Iterator[tuple[str, str]]:
    document: Any = read_document(app)
    for path, found in document["paths"].items():
        yield from ((method.upper(), path) for method in found if method.upper() in METHODS)


def test_what_the_server_itself_refuses_is_not_in_the_log(web: Web, log: Path, headers: dict[str, str]) -> None:
    for lines in (f"GET /{CANARY} HTTP/9.9", f"{CANARY} / HTTP/1.1", f"GET /\r\n{CANARY}", f"GET / HTTP/1.1\r\n{CANARY} : x"):
        with socket.create_connection(("127.0.0.1", int(urlsplit(web.url).port or 0)), timeout=60) as connection:
            connection.sendall(f"{lines}\r\nX-Api-Key\t{CANARY}\r\n\r\n".encode())
            assert b" 400 " in connection.recv(1000) or b" 505 " in connection.recv(1000)
    assert CANARY not in log.read_text()


def fill(path: str, value: str) -> str:
    """The path with this value in place of each of its names."""
    return "".join(value if part.startswith("{") else part for part in re.split(r"({[^}]+})", path))


def refused_at_most(web: Web, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> bool:
    """Ask; fail unless the answer is a good one, or an error in the one form."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(web.url).port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in {**headers, **({"Content-Length": str(len(body))} if body is not None else {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    about = (method, path[:200], headers, (body or b"")[:200], answer.status, text[:300])
    assert answer.status < 500, about
    if answer.status == 405:
        assert answer.headers["Allow"], about
    assert answer.headers["X-Content-Type-Options"] == "nosniff", about
    if answer.status >= 400 and method != "HEAD":
        assert json.loads(text)["error"].keys() == {"code", "message", "details"}, about
    return True


def fuzz(strategy: st.SearchStrategy[Any], headers: dict[str, str], guids: list[str], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        case = data.draw(strategy)
        if "guid" in (case.path_parameters or {}) and data.draw(st.booleans()):
            case.path_parameters["guid"] = data.draw(st.sampled_from(guids))
        case.call_and_validate(headers=headers, checks=CHECKS)

    run()
