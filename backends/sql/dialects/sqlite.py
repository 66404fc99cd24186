"""SQLite: one file, several processes."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.ext.compiler import compiles

from backends.sql import expressions
from backends.sql.dialects.base import STATEMENT_TIMEOUT_S, Changes, Dialect, transaction

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


class Sqlite(Dialect):
    """SQLite, with a write-ahead log, and writers that queue instead of failing."""

    driver = "sqlite"
    module = "sqlite3"
    snapshot = None

    def engine_options(self, url: URL, settings: Mapping[str, str]) -> dict[str, Any]:
        if url.database and url.database != ":memory:" and not url.database.startswith("file:"):  # SQLite's own URI
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return {"connect_args": {"timeout": STATEMENT_TIMEOUT_S}}

    def prepare(self, engine: sa.Engine) -> None:
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)

    @contextmanager
    def upgrading(self, engine: sa.Engine, what: str) -> Iterator[sa.Connection]:
        with transaction(engine) as connection:  # BEGIN IMMEDIATE keeps the others waiting
            yield connection

    def is_outage(self, error: sa.exc.DBAPIError) -> bool:
        damaged = type(error) is sa.exc.DatabaseError  # the file is no database
        return damaged or super().is_outage(error)

    def exact_text(self, length: int | None, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.String(length) if length else sa.Text()  # compared byte by byte

    def moment(self) -> sa.types.TypeEngine[Any]:
        return sa.String(24)

    def among(self, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
        table = self.rows("wanted", ["value"], ((value,) for value in values))
        return column.in_(sa.select(table.c.value))

    def upsert(self, table: sa.Table, key: Sequence[str], source: sa.Select[Any] | None, changes: Changes) -> sa.Insert:
        insert = sqlite.insert(table)
        if source is not None:
            # It takes the ON of ON CONFLICT for a join's unless a WHERE stands between.
            insert = insert.from_select([column.name for column in source.selected_columns], source.where(sa.true()))
        return insert.on_conflict_do_update(index_elements=key, set_=changes(insert.excluded))

    def _select_rows(self, columns: Sequence[str]) -> str:
        fields = ", ".join(f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns))
        return f"SELECT {fields} FROM json_each(:records)"


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; _on_begin sends ours
    _log_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Two that do it at once are told "locked" without having waited: then we wait here."""
    ends_at = time.monotonic() + STATEMENT_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.01)


def _on_begin(connection: sa.Connection) -> None:
    # A deferred transaction that reads, then writes, fails with "locked" if another wrote in between. But one that only
    # reads must not be immediate: while it is open nobody could write.
    will_write = connection.get_execution_options().get("will_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if will_write else "BEGIN")


@compiles(expressions.sound_moment, "sqlite")
@compiles(expressions.canonical_moment, "sqlite")
def _sound_moment(element: Any, compiler: Any, **options: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {compiler.process(element.clauses, **options)})"


@compiles(expressions.moment_now, "sqlite")
def _now(element: Any, compiler: Any, **options: Any) -> str:
    return _NOW


@compiles(expressions.default_now, "sqlite")
def _default_now(element: Any, compiler: Any, **options: Any) -> str:
    return f"({_NOW})"


@compiles(expressions.seconds_ago, "sqlite")
def _seconds_ago(element: Any, compiler: Any, **options: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -{compiler.process(element.clauses, **options)} || ' seconds')"


@compiles(expressions.moment_of_text, "sqlite")
def _moment_of_text(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(expressions.random_guid, "sqlite")
def _random_guid(element: Any, compiler: Any, **options: Any) -> str:
    prefix = compiler.process(element.clauses, literal_binds=True)
    return (
        f"({prefix} || lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)"
        " || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
    )


@compiles(expressions.filter_only, "sqlite")
def _filter_only(element: Any, compiler: Any, **options: Any) -> str:
    # It takes IS NULL for rare (SQLite's manual, "unary +").
    return f"+{compiler.process(element.clauses, **options)}"
