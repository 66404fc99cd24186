"""Exports over HTTP: complete, resumable, and never taken for complete when they are not."""

import csv
import io
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import requests
import sqlalchemy as sa
from flask import Flask

from app.api.exports import AT_ONCE
from app.dead_letters import park
from app.exporting.events import PAGE
from app.exporting.lines import COLUMNS
from app.services import services
from backends.event import Event, timestamp
from backends.sql.backend import SqlBackend
from tests.app.management import Reader, make_event, make_reader, store, work_off
from tests.servers import Web, wait_until


@pytest.fixture
def reader(app: Flask) -> Reader:
    return make_reader(app)


def exported(reader: Reader, path: str = "/events/export", **query: object) -> list[dict[str, object]]:
    """The records of an NDJSON export without its closing line, which must be there and true."""
    answer = reader.get(path, **query)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/x-ndjson"
    *records, end = [orjson.loads(line) for line in answer.data.splitlines()]
    assert end == {"end": {"lines": len(records)}}
    return records


def some_events(count: int) -> list[Event]:
    start = datetime(2026, 1, 1)
    return [make_event(user_id="ann", occurred_at=timestamp(start + timedelta(seconds=n))) for n in range(count)]


def test_an_export_has_every_event_newest_first_over_all_pages(app: Flask, reader: Reader) -> None:
    events = some_events(2 * PAGE + 3)
    store(app, *events)
    found = exported(reader)
    assert [one["guid"] for one in found] == [event.guid for event in reversed(events)]
    assert found[0] == reader.json(f"/events/{events[-1].guid}")["event"]


def test_asking_only_for_the_headers_of_an_export_takes_no_room(app: Flask, reader: Reader) -> None:
    for _ in range(AT_ONCE + 1):
        assert reader.client.head("/api/v1/events/export", headers=reader.headers, buffered=True).status_code == 200
    assert exported(reader) == []


def test_an_export_of_nothing_is_complete(reader: Reader) -> None:
    assert exported(reader) == []
    assert reader.get("/events/export", format="csv").text.splitlines() == [",".join(COLUMNS)]


def test_an_export_keeps_to_its_filters(app: Flask, reader: Reader) -> None:
    store(app, make_event(type="purchase", user_id="ann", data={"k": "v"}), make_event(user_id="ann"))
    for filters in ({"type": "purchase"}, {"data.k": "v"}):
        assert [one["type"] for one in exported(reader, **filters)] == ["purchase"]


@pytest.mark.parametrize("path", ["/events/export", "/profiles/{}/export"])
def test_an_export_goes_on_behind_the_last_line_received(app: Flask, reader: Reader, path: str) -> None:
    store(app, *some_events(5))
    path = path.format(reader.json("/profiles/by/userId/ann")["profile"]["guid"])
    whole = [one.get("event", one) for one in exported(reader, path)]
    third = whole[-3]["guid"]  # type: ignore[index]
    rest = [one.get("event", one) for one in exported(reader, path, after=third)]
    assert rest == whole[-2:]


def test_a_csv_that_goes_on_has_no_second_header(app: Flask, reader: Reader) -> None:
    store(app, *some_events(3))
    whole = reader.get("/events/export", format="csv").text.splitlines(keepends=True)
    rest = reader.get("/events/export", format="csv", after=whole[1].split(",")[0]).text
    assert rest == "".join(whole[2:])


def test_an_export_can_not_go_on_behind_what_is_not_there(reader: Reader) -> None:
    answer = reader.get("/events/export", after="evt_none")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_event")


@pytest.mark.parametrize("query", [{"format": "xml"}, {"limit": "3"}, {"from": "then"}])
def test_what_an_export_can_not_do_is_said_before_it_begins(reader: Reader, query: dict[str, str]) -> None:
    assert reader.get("/events/export", **query).status_code == 400


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_of_a_csv_is_a_formula(app: Flask, reader: Reader, start: str) -> None:
    store(app, make_event(type=f"{start}1+1", user_id="ann", data={"=a": f"{start}b,\"c\"\nd"}))
    answer = reader.get("/events/export", format="csv")
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert answer.content_type == "text/csv; charset=utf-8"
    assert row["type"] == f"'{start}1+1"
    assert orjson.loads(row["data"]) == {"=a": f"{start}b,\"c\"\nd"}
    assert (row["userId"], row["anonymousId"]) == ("ann", "")


def test_a_profiles_export_has_all_that_is_held_on_the_person(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", anonymous_id="phone"), make_event(anonymous_id="phone"), make_event(user_id="bob"))
    into, source = (reader.json(f"/profiles/by/userId/{who}")["profile"]["guid"] for who in ("ann", "bob"))
    merge = reader.post(f"/profiles/{into}/merge", {"from": source}).json["merge"]["guid"]
    work_off(app)
    with app.app_context():
        for event in (make_event(user_id="bob"), make_event(anonymous_id="phone"), make_event(user_id="zoe")):
            park(event, "it was bad")

    found = exported(reader, f"/profiles/{into}/export")

    kinds = [next(iter(one)) for one in found]
    assert kinds == ["profile", "claim", "merge", "deadLetter", "deadLetter", "event", "event", "event"]
    assert found[0]["profile"] == reader.json(f"/profiles/{into}")["profile"]
    assert found[2]["merge"]["guid"] == merge  # type: ignore[index]
    assert {one["deadLetter"]["event"]["userId"] for one in found[3:5]} == {"bob", None}  # type: ignore[index]


def test_a_profiles_export_has_nothing_of_others_on_the_same_device(app: Flask, reader: Reader) -> None:
    store(app, make_event(user_id="ann", anonymous_id="kiosk"), make_event(user_id="zoe", anonymous_id="kiosk"))
    ann = reader.json("/profiles/by/userId/ann")["profile"]["guid"]
    with app.app_context():
        park(make_event(anonymous_id="kiosk", occurred_at="2026-02-01T00:00:00.000Z"), "after zoe came, nobody's")
    answer = reader.get(f"/profiles/{ann}/export")
    assert "zoe" not in answer.text
    assert "nobody's" not in answer.text


def test_a_device_has_an_export_too(app: Flask, reader: Reader) -> None:
    store(app, make_event(anonymous_id="phone"))
    with app.app_context():
        park(make_event(anonymous_id="phone"), "it was bad")
    phone = reader.json("/profiles/by/anonymousId/phone")["profile"]["guid"]
    kinds = [next(iter(one)) for one in exported(reader, f"/profiles/{phone}/export")]
    assert kinds == ["profile", "deadLetter", "event"]


def test_an_export_needs_its_permissions(app: Flask) -> None:
    assert make_reader(app, ["profiles:read"]).get("/events/export").status_code == 403
    assert make_reader(app, ["profiles:read"]).get("/profiles/pro_1/export").status_code == 403
    assert make_reader(app, ["events:read"]).get("/profiles/pro_1/export").status_code == 403


@pytest.fixture
def web(app: Flask, tmp_path: Path) -> Iterator[Web]:
    settings = app.extensions["grouparoo"].settings
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "SECRET_KEY": "for tests only"}
    web = Web(environ, tmp_path / "log")
    web.start()
    yield web
    web.stop()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_export_that_breaks_in_the_middle_does_not_look_complete(
    app: Flask, reader: Reader, web: Web, tmp_path: Path, version: str
) -> None:
    store(app, *some_events(40 * PAGE))
    received = b""
    with socket.create_connection(("127.0.0.1", urlsplit(web.url).port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        key = reader.headers["Authorization"]
        connection.sendall(f"GET /api/v1/events/export HTTP/{version}\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        received += connection.recv(1000)
        assert b" 200 " in received
        with app.app_context():
            backend = services().backend
            assert isinstance(backend, SqlBackend)
            with backend.engine.begin() as database:
                database.execute(sa.text("ALTER TABLE event_data RENAME TO away"))
        while piece := connection.recv(1 << 16):
            received += piece
    assert b'"end"' not in received
    assert not received.endswith(b"0\r\n\r\n")
    log = (tmp_path / "log").read_text()
    assert "an export broke off: backends.errors.BackendUnavailable" in log
    assert "ann" not in log and "SELECT" not in log


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_few_exports_run_at_a_time_and_room_is_given_back(app: Flask, reader: Reader, web: Web) -> None:
    store(app, *some_events(40 * PAGE))
    ask = partial(requests.get, f"{web.url}/api/v1/events/export", headers=reader.headers, stream=True, timeout=60)

    running = [ask() for _ in range(AT_ONCE)]
    refused = ask()
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    running[0].close()
    wait_until(lambda: ask().status_code == 200, what="room for another export")
    assert running[1].text.count("\n") == 40 * PAGE + 1
