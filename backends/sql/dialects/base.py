"""Dialect: what one kind of database does in its own way. All else is said once, in SQLAlchemy's words."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL

STATEMENT_TIMEOUT_S = 15
"""Less than a job's 20 s, which is less than the 30 s after which a batch is taken from its worker (02-architecture)."""

Changes = Callable[[Any], dict[str, Any]]
"""From the row that could not be inserted to what is written over the one that is there."""


class Dialect(ABC):
    """One kind of database. How it says the `expressions` stands beside it, in the same module."""

    driver: str
    """The database and its driver, as SQLAlchemy's URLs have them."""

    module: str
    """The driver's module, where its errors are from."""

    has_copy = False
    """Does it take rows in bulk by PostgreSQL's COPY?"""

    has_update_from = True
    """Does an UPDATE take its rows from a query, and return those it changed?"""

    has_index_jumps = True
    """Does a step of a recursive query jump in an index to what the step before found?"""

    snapshot: str | None = "REPEATABLE READ"
    """The isolation level at which a transaction sees one moment; None where each does."""

    @abstractmethod
    def engine_options(self, url: URL, settings: Mapping[str, str]) -> dict[str, Any]:
        """What `create_engine` is given; `settings` are PostgreSQL's, for each of its sessions."""

    def prepare(self, engine: sa.Engine) -> None:
        """What an engine of this kind needs beyond its options."""

    @abstractmethod
    def upgrading(self, engine: sa.Engine, what: str) -> AbstractContextManager[sa.Connection]:
        """A connection that changes tables, for as long as it takes; who else upgrades `what` waits, then finds all done."""

    def is_outage(self, error: sa.exc.DBAPIError) -> bool:
        """Whether the database was away, full, too busy or not made ready, rather than displeased with what it was given."""
        if self.is_refusal(error):
            return False
        return error.connection_invalidated or isinstance(
            error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError
        )

    def outage_text(self, error: sa.exc.DBAPIError) -> str:
        """What is wrong with the database, in its own words where these can't quote what it was given; for logs."""
        return first_line(error)

    def is_refusal(self, error: sa.exc.DBAPIError) -> bool:
        """Whether the database will never take what it was given."""
        return isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)

    def is_deadlock(self, error: sa.exc.DBAPIError) -> bool:
        """Whether the database chose our transaction to end a deadlock: it may be done again at once."""
        return False

    @abstractmethod
    def exact_text(self, length: int | None, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text compared and sorted exactly, by code point; without a length, long text."""

    @abstractmethod
    def moment(self) -> sa.types.TypeEngine[Any]:
        """How a `Timestamp` is stored, to the millisecond."""

    def rows(self, name: str, columns: Sequence[str], records: Iterable[Sequence[str | None]]) -> sa.Subquery:
        """A subquery `name` of text columns that holds `records`: one parameter instead of thousands."""
        text = orjson.dumps([list(record) for record in records]).decode()
        statement = sa.text(self._select_rows(columns)).bindparams(sa.bindparam("records", text, unique=True))
        return statement.columns(*(sa.column(column, sa.Text) for column in columns)).subquery(name)

    @abstractmethod
    def among(self, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
        """`column IN (values)`, however many there are, by the column's index."""

    def is_before(self, columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Whether the columns, taken as one key, sort before the values; by their index."""
        return sa.tuple_(*columns) < sa.tuple_(*values)

    def is_after(self, columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """The same the other way round."""
        return sa.tuple_(*columns) > sa.tuple_(*values)

    @abstractmethod
    def upsert(self, table: sa.Table, key: Sequence[str], source: sa.Select[Any] | None, changes: Changes) -> sa.Insert:
        """An INSERT, of `source` with the columns' names for labels or of what it is executed with; where `key` is there
        already, `changes` are written over it."""

    @abstractmethod
    def _select_rows(self, columns: Sequence[str]) -> str:
        """SQL that selects text columns from the parameter `:records`, a JSON list of lists."""


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One that writes, whatever it reads before: on SQLite it waits its turn at the start."""
    with engine.connect().execution_options(will_write=True) as connection, connection.begin():
        yield connection


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database, or its driver, says."""
    return str(error.orig).strip().partition("\n")[0]
