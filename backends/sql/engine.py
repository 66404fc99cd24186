"""Engines and transactions as this project wants them, for the backend and for the app's own database alike."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

STATEMENT_TIMEOUT_S = 15
"""Less than a job's 20 s, which is less than the 30 s after which a batch is taken from its worker (02-architecture)."""

_SETTINGS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "timezone": "UTC",
    "default_transaction_isolation": r"read\ committed",
}

_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 14_000}
"""A server that vanished without a word is given up after 14 s."""

_NOT_READY = {"42P01", "42703", "3F000", "42501"}
"""SQLSTATEs of a missing table, column or schema, or privilege: what setup(), or an administrator, will mend."""

_DISCREET = {"08", "28", "3D", "3F", "40", "42", "53", "55", "57", "58"}
"""Classes of SQLSTATEs (PostgreSQL manual, appendix A) whose messages name tables, users and files, but no values."""

KNOWN = ("postgresql", "sqlite")
DRIVERS = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}


def database_url(text: str) -> URL:
    """The URL with the driver that this project ships with; Heroku's `postgres://` is understood.

    Raises ValueError, without the password, when it can't be read.
    """
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        raise ValueError("not a database URL; it should look like postgresql://user@host/database or sqlite:///file") from None
    if "@" in (url.host or ""):
        raise ValueError("a URL with an '@' in its user or password: write it as %40")
    driver = DRIVERS.get(url.drivername, url.drivername)
    if driver.partition("+")[0] not in KNOWN:
        raise ValueError(f"a URL of a database that this does not know: take one of {', '.join(KNOWN)}")
    return url.set(drivername=driver)


def engine_options(url: URL, settings: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What `create_engine` is given for this kind of database; `settings` are PostgreSQL's, for each of its sessions."""
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return {"hide_parameters": True, "connect_args": {"timeout": STATEMENT_TIMEOUT_S}}
    options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items())
    return {
        "hide_parameters": True,
        "connect_args": {"connect_timeout": 2, "client_encoding": "utf8", "options": options, **_KEEPALIVE},
        "executemany_mode": "values_plus_batch",
        "pool_pre_ping": True,
    }


def make_engine(text: str, settings: Mapping[str, str] = MappingProxyType({})) -> sa.Engine:
    """An engine for the URL; connects when it is first used."""
    url = database_url(text)
    engine = sa.create_engine(url, **engine_options(url, settings))
    prepare_engine(engine)
    return engine


def prepare_engine(engine: sa.Engine) -> None:
    """Let SQLite work as a database for several processes: write-ahead log, and writers that queue instead of failing."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)


def _on_sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; _on_sqlite_begin sends ours
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    # A deferred transaction that reads, then writes, fails with "locked" if another wrote in between. But one that only
    # reads must not be immediate: while it is open nobody could write.
    will_write = connection.get_execution_options().get("will_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if will_write else "BEGIN")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads: on SQLite it waits for no writer."""
    with engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes, whatever it reads before: on SQLite it waits its turn at the start."""
    with engine.connect().execution_options(will_write=True) as connection, connection.begin():
        yield connection


def is_outage(error: sa.exc.DBAPIError) -> bool:
    """Whether the database was away, full, too busy or not made ready, rather than displeased with what it was given."""
    if is_refusal(error):
        return False
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError):
        return True
    damaged = type(error) is sa.exc.DatabaseError  # SQLite: the file is no database
    return damaged or error.connection_invalidated or _sqlstate(error) in _NOT_READY


def outage_text(error: sa.exc.DBAPIError) -> str:
    """What is wrong with the database, in its own words where these can't quote what it was given; for logs."""
    state = _sqlstate(error)
    words = str(error.orig).strip().partition("\n")[0]
    if not state and not isinstance(error, sa.exc.InternalError):  # the driver speaks, not the server
        return words
    kind = type(error.orig).__qualname__
    return f"{kind}: {words}" if state[:2] in _DISCREET else f"{kind} (SQLSTATE {state or 'unknown'})"


def is_refusal(error: sa.exc.DBAPIError) -> bool:
    """Whether the database will never take what it was given."""
    too_large = _sqlstate(error).startswith("54")  # PostgreSQL's "program limit exceeded" is an OperationalError too
    return too_large or isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)


def _sqlstate(error: sa.exc.DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""
