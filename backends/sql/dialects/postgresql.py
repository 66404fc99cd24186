"""PostgreSQL, by psycopg2."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.ext.compiler import compiles

from backends.sql import expressions
from backends.sql.dialects.base import STATEMENT_TIMEOUT_S, Changes, Dialect, first_line, transaction

_SETTINGS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    # A worker that was frozen, or cut off, in a transaction keeps its locks no longer than others wait for them.
    "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "timezone": "UTC",
    "default_transaction_isolation": r"read\ committed",
}

_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 14_000}
"""A server that vanished without a word is given up after 14 s."""

_NOT_READY = {"42P01", "42703", "3F000", "42501"}
"""SQLSTATEs of a missing table, column or schema, or privilege: what setup(), or an administrator, will mend."""

_REFUSED = {"54", "P0"}
"""Classes of SQLSTATEs: program limit exceeded; raised by somebody's own trigger."""

_DISCREET = {"08", "28", "3D", "3F", "40", "42", "53", "55", "57", "58"}
"""Classes of SQLSTATEs (PostgreSQL manual, appendix A) whose messages name tables, users and files, but no values."""

_DEADLOCK = {"40P01", "40001"}

_NOW = "clock_timestamp()"


class Postgresql(Dialect):
    """PostgreSQL."""

    driver = "postgresql+psycopg2"
    module = "psycopg2"
    has_copy = True

    def engine_options(self, url: URL, settings: Mapping[str, str]) -> dict[str, Any]:
        options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items())
        return {
            "connect_args": {"connect_timeout": 2, "client_encoding": "utf8", "options": options, **_KEEPALIVE},
            "executemany_mode": "values_plus_batch",
            "pool_pre_ping": True,
        }

    @contextmanager
    def upgrading(self, engine: sa.Engine, what: str) -> Iterator[sa.Connection]:
        with transaction(engine) as connection:
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # an index on many events takes its time
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})
            yield connection

    def is_outage(self, error: sa.exc.DBAPIError) -> bool:
        return super().is_outage(error) or (_sqlstate(error) in _NOT_READY and not self.is_refusal(error))

    def outage_text(self, error: sa.exc.DBAPIError) -> str:
        state = _sqlstate(error)
        if not state and not isinstance(error, sa.exc.InternalError):  # the driver speaks, not the server
            return first_line(error)
        kind = type(error.orig).__qualname__
        return f"{kind}: {first_line(error)}" if state[:2] in _DISCREET else f"{kind} (SQLSTATE {state or 'unknown'})"

    def is_refusal(self, error: sa.exc.DBAPIError) -> bool:
        return super().is_refusal(error) or _sqlstate(error)[:2] in _REFUSED

    def is_deadlock(self, error: sa.exc.DBAPIError) -> bool:
        return _sqlstate(error) in _DEADLOCK

    def exact_text(self, length: int | None, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        # It compares ids by the database's locale unless it is told not to; long text has no index to sort.
        return sa.String(length, collation="C") if length else sa.Text()

    def moment(self) -> sa.types.TypeEngine[Any]:
        return postgresql.TIMESTAMP(timezone=True, precision=3)

    def among(self, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
        # An array of unknown length: its plan is the index's at any size, without statistics.
        text = sa.cast(sa.literal(orjson.dumps(values).decode()), postgresql.JSONB)
        wanted = sa.select(sa.func.jsonb_array_elements_text(text)).scalar_subquery()
        return column == sa.func.any(sa.func.array(wanted))

    def upsert(self, table: sa.Table, key: Sequence[str], source: sa.Select[Any] | None, changes: Changes) -> sa.Insert:
        insert = postgresql.insert(table)
        if source is not None:
            insert = insert.from_select([column.name for column in source.selected_columns], source)
        return insert.on_conflict_do_update(index_elements=key, set_=changes(insert.excluded))

    def _select_rows(self, columns: Sequence[str]) -> str:
        fields = ", ".join(f'(record ->> {place}) COLLATE "C" AS {column}' for place, column in enumerate(columns))
        return f"SELECT {fields} FROM jsonb_array_elements(CAST(:records AS jsonb)) AS record"


def _sqlstate(error: sa.exc.DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""


@compiles(expressions.sound_moment, "postgresql")
def _sound_moment(element: Any, compiler: Any, **options: Any) -> str:
    argument = compiler.process(element.clauses, **options)
    return f"CASE WHEN {argument} BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z' THEN {argument} END"


@compiles(expressions.canonical_moment, "postgresql")
def _canonical_moment(element: Any, compiler: Any, **options: Any) -> str:
    argument = _sound_moment(element, compiler, **options)
    return f"to_char(({argument}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"


@compiles(expressions.moment_now, "postgresql")
@compiles(expressions.default_now, "postgresql")
def _now(element: Any, compiler: Any, **options: Any) -> str:
    return _NOW


@compiles(expressions.seconds_ago, "postgresql")
def _seconds_ago(element: Any, compiler: Any, **options: Any) -> str:
    return f"{_NOW} - make_interval(secs => {compiler.process(element.clauses, **options)})"


@compiles(expressions.moment_of_text, "postgresql")
def _moment_of_text(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS TIMESTAMP(3) WITH TIME ZONE)"


@compiles(expressions.random_guid, "postgresql")
def _random_guid(element: Any, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(element.clauses, literal_binds=True)} || gen_random_uuid()"


@compiles(expressions.filter_only, "postgresql")
def _filter_only(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))
