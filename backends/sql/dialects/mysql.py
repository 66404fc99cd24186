"""MariaDB (10.11 or newer) and MySQL (8.0.17 or newer), by PyMySQL. One dialect: where they differ, comments that only one
of them executes say so (MariaDB's manual, "Comment Syntax": `/*M! … */` is MariaDB's, `/*!80000 … */` MySQL's)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL
from sqlalchemy.ext.compiler import compiles

from backends.sql import expressions
from backends.sql.dialects.base import STATEMENT_TIMEOUT_S, Changes, Dialect, first_line

MARIADB_EXACT, MYSQL_EXACT = "utf8mb4_nopad_bin", "utf8mb4_0900_bin"
"""Collations by code point in which trailing blanks count: each server knows one of them."""

_EXACT = f"/*M! {MARIADB_EXACT} */ /*!80000 {MYSQL_EXACT} */"

_SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

_SETTINGS = (
    "SET SESSION time_zone = '+00:00'"
    # MySQL rounds what is finer than a millisecond unless it is told to cut it off, as MariaDB does.
    f", sql_mode = CONCAT('{_SQL_MODE}' /*!80000 , ',TIME_TRUNCATE_FRACTIONAL' */)"
    f", innodb_lock_wait_timeout = {STATEMENT_TIMEOUT_S - 1}, lock_wait_timeout = {STATEMENT_TIMEOUT_S - 1}"
    f" /*M! , max_statement_time = {STATEMENT_TIMEOUT_S}, idle_transaction_timeout = {STATEMENT_TIMEOUT_S}"
    ", in_predicate_conversion_threshold = 0"
    f", collation_connection = {MARIADB_EXACT} */"
    # MySQL's limit is for SELECT only; a write's is that of the connection, READ_TIMEOUT_S.
    f" /*!80000 , max_execution_time = {STATEMENT_TIMEOUT_S * 1000}, range_optimizer_max_mem_size = 0"
    f", collation_connection = {MYSQL_EXACT} */"
)

READ_TIMEOUT_S = STATEMENT_TIMEOUT_S + 1
"""For how long an answer is waited for; longer than a statement may take."""

_REFUSED = {1118, 1153, 1264, 1265, 1292, 1366, 1406, 1644, 3140, 3819, 4025}
"""Too long, out of range, no such text, against a CHECK, more than a packet holds; 1644: said by somebody's own trigger."""

_NOT_READY = {1049, 1054, 1142, 1146}
"""A missing database, column, privilege or table: what setup(), or an administrator, will mend."""

_DISCREET = {1020, 1021, 1040, 1044, 1045, 1049, 1053, 1114, 1142, 1146, 1203, 1205, 1213, 1226, 1290, 1317, 1927, 1969, 3024}
"""Errors (MariaDB manual, "Error Codes") whose messages name tables and users, but no values; the driver's begin at 2000."""

_DEADLOCK = {1213, 1020}
"""A deadlock; a row that changed since it was read (MariaDB, innodb_snapshot_isolation)."""

_NOW = "UTC_TIMESTAMP(3)"


class Mysql(Dialect):
    """MariaDB and MySQL."""

    driver = "mysql+pymysql"
    module = "pymysql"
    has_update_from = False
    has_index_jumps = False

    def engine_options(self, url: URL, settings: Mapping[str, str]) -> dict[str, Any]:
        return {
            "connect_args": {
                "charset": "utf8mb4",
                "init_command": _SETTINGS,
                "connect_timeout": 2,
                "read_timeout": READ_TIMEOUT_S,
                "write_timeout": READ_TIMEOUT_S,
            },
            "isolation_level": "READ COMMITTED",
            "pool_pre_ping": True,
            "pool_recycle": 3600,  # the server ends a connection that was idle for eight hours
        }

    @contextmanager
    def upgrading(self, engine: sa.Engine, what: str) -> Iterator[sa.Connection]:
        """Each DDL statement commits by itself, so the lock is the session's, and what broke off must be repeatable."""
        options = self.engine_options(engine.url, {})
        del options["connect_args"]["read_timeout"]  # an index on many events takes its time
        patient = sa.create_engine(engine.url, **options, poolclass=sa.NullPool)
        with patient.connect() as connection:
            connection.execute(sa.text("SET SESSION lock_wait_timeout = 3600 /*M! , max_statement_time = 0 */"))
            if not connection.scalar(sa.text("SELECT GET_LOCK(SHA1(CONCAT(DATABASE(), :what)), 3600)"), {"what": what}):
                raise sa.exc.TimeoutError("somebody else has been upgrading for an hour")
            connection.commit()
            yield connection
            connection.commit()

    def is_outage(self, error: sa.exc.DBAPIError) -> bool:
        return super().is_outage(error) or (_code(error) in _NOT_READY and not self.is_refusal(error))

    def outage_text(self, error: sa.exc.DBAPIError) -> str:
        code, kind = _code(error), type(error.orig).__qualname__
        is_discreet = code in _DISCREET or code == 0 or 2000 <= code < 3000
        return f"{kind}: {first_line(error)}" if is_discreet else f"{kind} (error {code})"

    def is_refusal(self, error: sa.exc.DBAPIError) -> bool:
        return super().is_refusal(error) or _code(error) in _REFUSED

    def is_deadlock(self, error: sa.exc.DBAPIError) -> bool:
        return _code(error) in _DEADLOCK

    def exact_text(self, length: int | None, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        collation = MARIADB_EXACT if getattr(dialect, "is_mariadb", False) else MYSQL_EXACT
        return mysql.VARCHAR(length, collation=collation) if length else mysql.MEDIUMTEXT(collation=collation)

    def moment(self) -> sa.types.TypeEngine[Any]:
        return _Datetime(fsp=3)

    def among(self, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
        return column.in_(values)  # as a list: a subquery would walk the table in DELETE and UPDATE

    def is_before(self, columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Step by step: a comparison of tuples uses no index."""
        first, value = columns[0], values[0]
        is_before: sa.ColumnElement[bool] = first < value
        if len(columns) > 1:
            is_before = sa.and_(first <= value, sa.or_(is_before, self.is_before(columns[1:], values[1:])))
        return is_before

    def is_after(self, columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        first, value = columns[0], values[0]
        is_after: sa.ColumnElement[bool] = first > value
        if len(columns) > 1:
            is_after = sa.and_(first >= value, sa.or_(is_after, self.is_after(columns[1:], values[1:])))
        return is_after

    def upsert(self, table: sa.Table, key: Sequence[str], source: sa.Select[Any] | None, changes: Changes) -> sa.Insert:
        insert = mysql.insert(table)
        if source is not None:
            insert = insert.from_select([column.name for column in source.selected_columns], source)
        return insert.on_duplicate_key_update(changes(insert.inserted))

    def _select_rows(self, columns: Sequence[str]) -> str:
        fields = ", ".join(
            f"`{column}` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {_EXACT} PATH '$[{place}]'"
            for place, column in enumerate(columns)
        )
        return f"SELECT * FROM JSON_TABLE(:records, '$[*]' COLUMNS ({fields})) AS record"


class _Datetime(mysql.DATETIME):
    """A `Timestamp` as the server writes it: with a blank, and without the Z, for it has no zones."""

    def bind_processor(  # type: ignore[override]  # it is text in Python
        self, dialect: sa.Dialect
    ) -> Callable[[str | None], str | None]:
        def as_written(value: str | None) -> str | None:
            return value and value.replace("T", " ").removesuffix("Z")

        return as_written


def _code(error: sa.exc.DBAPIError) -> int:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


@compiles(expressions.sound_moment, "mysql")
def _sound_moment(element: Any, compiler: Any, **options: Any) -> str:
    # A lax sql_mode lets people write days that are none.
    argument = compiler.process(element.clauses, **options)
    return f"CASE WHEN {argument} >= '0001-01-01' AND MONTH({argument}) > 0 AND DAY({argument}) > 0 THEN {argument} END"


@compiles(expressions.canonical_moment, "mysql")
def _canonical_moment(element: Any, compiler: Any, **options: Any) -> str:
    argument = _sound_moment(element, compiler, **options)
    return f"CONCAT(LEFT(DATE_FORMAT({argument}, '%%Y-%%m-%%dT%%H:%%i:%%s.%%f'), 23), 'Z')"


@compiles(expressions.moment_now, "mysql")
def _now(element: Any, compiler: Any, **options: Any) -> str:
    return _NOW


@compiles(expressions.default_now, "mysql")
def _default_now(element: Any, compiler: Any, **options: Any) -> str:
    return f"({_NOW})"


@compiles(expressions.seconds_ago, "mysql")
def _seconds_ago(element: Any, compiler: Any, **options: Any) -> str:
    return f"{_NOW} - INTERVAL {compiler.process(element.clauses, **options)} SECOND"


@compiles(expressions.moment_of_text, "mysql")
def _moment_of_text(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST(LEFT({compiler.process(element.clauses, **options)}, 23) AS DATETIME(3))"


@compiles(expressions.random_guid, "mysql")
def _random_guid(element: Any, compiler: Any, **options: Any) -> str:
    prefix = compiler.process(element.clauses, literal_binds=True)
    third, fourth = "'-4', SUBSTR(HEX(RANDOM_BYTES(2)), 2)", "SUBSTR('89AB', 1 + (ORD(RANDOM_BYTES(1)) & 3), 1)"
    fourth = f"'-', {fourth}, SUBSTR(HEX(RANDOM_BYTES(2)), 2)"
    digits = f"HEX(RANDOM_BYTES(4)), '-', HEX(RANDOM_BYTES(2)), {third}, {fourth}, '-', HEX(RANDOM_BYTES(6))"
    return f"(CONCAT({prefix}, LOWER(CONCAT({digits}))))"


@compiles(expressions.filter_only, "mysql")
def _filter_only(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))
