"""Logs: one form for all, and of errors no words."""

import json
import logging
import re
from collections.abc import Iterator

import psycopg2
import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from app import logs
from app.answers import register_errors
from app.config import Settings
from app.health import ready
from backends.sql.engine import outage_text

SECRET = "hush-hush"


@pytest.fixture(params=logs.FORMATS)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    logs.configure("DEBUG", request.param)
    yield request.param
    logs.configure("INFO", "text")


def failure() -> Exception:
    """An error, caused by another one; both quote a value."""
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"no such key: {SECRET}") from error
    except ValueError as error:
        return error


def test_an_error_is_logged_by_kind_and_place(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("worker.x").error("it failed", exc_info=failure())

    said = capsys.readouterr().err
    assert "it failed" in said and "ValueError" in said and "KeyError" in said and "test_logs.py" in said
    assert SECRET not in said


def test_fields_are_said_with_the_message(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    with logs.bound(job="j-1", worker="w-1"):
        logging.getLogger("worker.x").info("stored events", extra={"events": 3, "seconds": 0.25})
    logging.getLogger("worker.x").info("later")

    first, second = capsys.readouterr().err.splitlines()
    if form == "json":
        told = json.loads(first)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
        fields = {"job": "j-1", "worker": "w-1", "events": 3, "seconds": 0.25}
        assert told == {"level": "INFO", "logger": "worker.x", "message": "stored events", **fields}
    else:
        assert first.endswith("INFO worker.x: stored events job=j-1 worker=w-1 events=3 seconds=0.25")
    assert "j-1" not in second


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_the_level_is_about_our_own_lines(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level, "text")
    logging.getLogger("worker.x").debug("ours")
    logging.getLogger("sqlalchemy.engine.Engine").debug("theirs")
    logs.configure("INFO", "text")

    said = capsys.readouterr().err
    assert ("ours" in said) == (level == "DEBUG")
    assert "theirs" not in said


@pytest.mark.parametrize(
    ("message", "arguments", "said"),
    [
        ("Error handling request %s %s", ("POST", f"/x?key={SECRET}"), "Error handling request POST …"),
        (f"Invalid request from ip=127.0.0.1: {SECRET}", (), "Invalid request from ip=127.0.0.1"),
        ("retrying in %d s: %s", (2, redis.ConnectionError(SECRET)), "retrying in 2 s: redis.exceptions.ConnectionError"),
        ("job %s failed\n%s", ("j-1", f"Traceback\n{SECRET}"), "job j-1 failed\n…"),
    ],
)
def test_what_libraries_quote_is_left_out(
    form: str, message: str, arguments: tuple[object, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("somebody.else").error(message, *arguments, extra={"arguments": SECRET})

    line = capsys.readouterr().err
    assert (json.loads(line)["message"] if form == "json" else line.partition("else: ")[2].strip()) == said
    assert SECRET not in line


def failing_app() -> Flask:
    app = Flask(__name__)
    register_errors(app)

    @app.get("/fail")
    def fail() -> str:
        raise failure()

    return app


@pytest.mark.parametrize(("sent", "is_taken"), [("abc-1", True), ("a b", False), ("x" * 65, False), ("", False)])
def test_an_answer_of_500_says_under_which_id_the_log_has_more(
    sent: str, is_taken: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("INFO", "json")

    answer = failing_app().test_client().get(f"/fail?{SECRET}", headers={"X-Request-Id": sent})

    said = capsys.readouterr().err
    told = json.loads(said)
    assert answer.status_code == 500 and (answer.headers["X-Request-Id"] == sent) == is_taken
    assert told["request"] == answer.headers["X-Request-Id"]
    assert told["message"] == "answered 500: ValueError" and SECRET not in said
    logs.configure("INFO", "text")


def test_settings_are_shown_without_passwords() -> None:
    url = f"postgresql://me:{SECRET}@host/x"
    places = {"database_url": url, "event_backend_url": url, "redis_url": f"redis://:{SECRET}@host/0"}
    settings = Settings(**places, secret_key=SECRET, sentry_dsn=f"https://{SECRET}@host/1")

    assert SECRET not in repr(settings)


def test_a_dependency_that_goes_is_said_once(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with app.test_request_context():
        ready()
        app.extensions["grouparoo"].redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            ready()
            ready()
        finally:
            app.extensions["grouparoo"].redis.config_set("maxmemory-policy", "noeviction")
        ready()

    said = [record.getMessage() for record in caplog.records if record.name == "app.health"]
    assert len(said) == 2 and said[0].startswith("redis: its maxmemory-policy is") and said[1] == "redis: ok"


def test_a_database_speaks_for_itself_only_where_it_quotes_no_value(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    raising = sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'not {SECRET}'; END $$")
    with engine.connect() as connection:
        with pytest.raises(sa.exc.DBAPIError) as raised:
            connection.execute(raising)
        assert outage_text(raised.value) == "RaiseException (SQLSTATE P0001)"
        connection.rollback()
        with pytest.raises(sa.exc.DBAPIError) as missing:
            connection.execute(sa.text("SELECT * FROM nowhere"))
        assert outage_text(missing.value) == 'UndefinedTable: relation "nowhere" does not exist'
    engine.dispose()
    with pytest.raises(sa.exc.OperationalError, match="refused") as away:
        sa.create_engine("postgresql+psycopg2://127.0.0.1:1/x").connect()
    assert isinstance(away.value.orig, psycopg2.OperationalError) and "refused" in outage_text(away.value)
