"""Events told live, and written out, on the command line."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from click.testing import Result
from flask import Flask

from app.config import Settings
from app.exporting.lines import FORMS
from app.live import CHANNEL
from app.services import services
from backends.event import Event, now
from tests.servers import ROOT, wait_until
from tests.worker.conftest import age_rows, sql
from worker import jobs


def visit(guid: str, user: str | None = "ann", occurred_at: str = "", **data: str) -> Event:
    moment = now()
    return Event(f"evt_{guid}", "visit", user, "phone", occurred_at or moment, moment, data)


def store(*events: Event) -> None:
    services().stream.append(events)
    jobs.drain()


def listeners(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.pubsub_numsub(CHANNEL)[0][1])


def heard(app: Flask, redis_url: str, work: Callable[[], None], *arguments: str) -> Result:
    """What the tail prints that listens while the work is done."""
    with ThreadPoolExecutor(1) as pool:
        tail = pool.submit(app.test_cli_runner().invoke, args=["events", "tail", *arguments])
        wait_until(lambda: listeners(redis_url) == 1, what="the listener")
        work()
        return tail.result(30)


def test_the_tail_shows_events_as_they_are_stored_whenever_they_occurred(at_work: Flask, redis_url: str) -> None:
    def work() -> None:
        store(visit("1", path="/"), visit("2", occurred_at="2020-01-01T00:00:00.000Z"))

    shown = heard(at_work, redis_url, work, "--limit", "2", "--json")

    events = [json.loads(line) for line in shown.stdout.splitlines()]
    assert shown.exit_code == 0
    assert {event["guid"] for event in events} == {"evt_1", "evt_2"}
    assert all(event["profileGuid"].startswith("pro_") for event in events)
    assert events[0]["data"] == {"path": "/"}


def test_the_tail_shows_what_the_scan_found_with_its_data(at_work: Flask, redis_url: str) -> None:
    services().backend.save([visit("sql", path="/")])
    sql("UPDATE events SET profile_associated_at = NULL, profile_guid = NULL")
    age_rows()

    shown = heard(at_work, redis_url, jobs.scan, "--limit", "1", "--json")

    event = json.loads(shown.stdout)
    assert (event["guid"], event["data"]) == ("evt_sql", {"path": "/"})


def test_the_tail_shows_only_what_was_asked_for(at_work: Flask, redis_url: str) -> None:
    def work() -> None:
        store(visit("1", "bob"), visit("2", "ann"))

    shown = heard(at_work, redis_url, work, "--limit", "1", "--user-id", "ann")

    assert "user=ann" in shown.stdout and "user=bob" not in shown.stdout


OBEYED = "\x1b[2J\x9b2J\u202e\U000e0041\r"
"""Escape sequences of one byte and of two, a turn of the direction, a tag, a return: what a terminal would obey or hide."""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_tail_shows_nothing_that_a_terminal_obeys(at_work: Flask, redis_url: str, options: list[str]) -> None:
    def work() -> None:
        store(visit("1", path=OBEYED))

    shown = heard(at_work, redis_url, work, "--limit", "1", *options).stdout

    assert not set(OBEYED) - set("[2J") & set(shown)
    assert not options or json.loads(shown)["data"] == {"path": OBEYED}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_is_shown_shows_nothing_that_a_terminal_obeys(settings: Settings, at_work: Flask, form: str) -> None:
    store(visit("1", f"\x1b[31m{OBEYED}", path=OBEYED))

    shown = on_a_terminal(["events", "export", "--format", form], environ_of(settings))

    assert "evt_1" in shown and not set(OBEYED) - set("[2J\r") & set(shown)


def on_a_terminal(arguments: list[str], environ: dict[str, str]) -> str:
    """What the command shows on a terminal; its lines end with a return there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    with subprocess.Popen(command, env={**os.environ, **environ}, cwd=ROOT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # EIO: the other end is closed
            while piece := os.read(ours, 65536):
                shown += piece
        assert process.wait(60) == 0, shown
    os.close(ours)
    return shown.decode()


def environ_of(settings: Settings) -> dict[str, str]:
    return {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "SECRET_KEY": settings.secret_key}


def test_an_event_that_comes_twice_is_told_once(at_work: Flask, redis_url: str) -> None:
    store(visit("1"))

    def work() -> None:
        store(visit("1"), visit("2"))

    assert "evt_2" in heard(at_work, redis_url, work, "--limit", "1", "--json").stdout


@pytest.fixture
def stored(at_work: Flask) -> Flask:
    store(*(visit(f"{n}", "ann" if n % 2 else "bob", f"2026-01-01T00:00:{n:02d}.000Z", n=str(n)) for n in range(10)))
    return at_work


def export(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["events", "export", *arguments])


def test_events_are_written_out_newest_first_and_filtered(stored: Flask) -> None:
    done = export(stored, "--user-id", "ann", "--from", "2026-01-01T00:00:03Z", "--to", "2026-01-01T00:00:09Z")

    assert [json.loads(line)["guid"] for line in done.stdout.splitlines()] == ["evt_7", "evt_5", "evt_3"]


def test_a_broken_export_goes_on_in_the_same_file(stored: Flask, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    assert export(stored, "--format", "csv", "--output", str(file)).exit_code == 0
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    file.write_text("".join(lines[:5]))

    done = export(stored, "--format", "csv", "--output", str(file), "--after", lines[4].split(",")[0])

    assert done.exit_code == 0
    assert file.read_text() == whole
    assert len(lines) == 11


@pytest.mark.parametrize("arguments", [["--from", "yesterday"], ["--data", "x"], ["--after", "evt_none"], ["--format", "xml"]])
def test_what_can_not_be_understood_is_named(stored: Flask, arguments: list[str]) -> None:
    done = export(stored, *arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
