"""Selection: a table of a foreign database, or a query, and its column with the userId; and the questions that it is asked."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.foreign.cells import text_of
from app.foreign.database import ForeignDatabase
from app.foreign.drivers import Kind
from app.foreign.place import AppUnavailable
from backends.event import MAX_ID_LENGTH

MOST_ROWS = 10_000
"""Rows that one question is answered with."""

CROWD = 100
"""A userId with more rows has no value, where there are more rows than one answer has."""

IDS_AT_ONCE = 1000

_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,18})\Z", re.ASCII)
_LARGEST = 2**63 - 1
"""A larger number would be compared by another type, and without the index."""

Cells = Sequence[Any]
"""What stands in some columns of a row."""

TOO_MANY: list[Cells] = []
"""Stands for the rows of a userId that has more of them than fit into an answer."""


@dataclass(frozen=True)
class Selection:
    """`table` (of `schema`, or of the user's usual one) or `query`, one of the two."""

    user_id_column: str
    table: str | None = None
    schema: str | None = None
    query: str | None = None

    def columns(self, database: ForeignDatabase, connection: sa.Connection) -> dict[str, Kind]:
        """What its columns are called, and hold; in their order. Raises AppUnavailable if there is no column with a userId."""
        result = connection.execute(sa.select(sa.text("*")).select_from(self._rows()).limit(0))
        assert result.cursor is not None
        found = {str(one[0]): database.driver.kind_of(one[1]) for one in result.cursor.description}
        if self.user_id_column not in found:
            problem = f"has no column {self.user_id_column!r} there; there are {', '.join(map(repr, found))}"
            raise AppUnavailable(database.place.app, problem, "userIdColumn")
        return found

    def some(self, connection: sa.Connection, limit: int) -> list[Mapping[str, Any]]:
        """Some of its rows; which, is the database's choice."""
        found = connection.execute(sa.select(sa.text("*")).select_from(self._rows()).limit(limit))
        names = list(found.keys())
        return [dict(zip(names, row, strict=True)) for row in found]

    def look_up(
        self, connection: sa.Connection, kind: Kind, columns: Sequence[str], user_ids: Sequence[str]
    ) -> dict[str, list[Cells]]:
        """The cells of these columns in the rows of each userId, compared exactly; TOO_MANY where they are too many.

        One question for some hundred userIds, which its index answers if the column has one.
        """
        wanted = [one for one in user_ids if _may_be(one, kind)]
        found: dict[str, list[Cells]] = {}
        for start in range(0, len(wanted), IDS_AT_ONCE):
            found |= self._look_up(connection, kind, columns, wanted[start : start + IDS_AT_ONCE])
        return found

    def _look_up(
        self, connection: sa.Connection, kind: Kind, columns: Sequence[str], user_ids: Sequence[str]
    ) -> dict[str, list[Cells]]:
        user_id = _user_id(_column(self.user_id_column), kind)
        wanted = [int(one) for one in user_ids] if kind is Kind.WHOLE else user_ids
        statement = sa.select(user_id, *map(_column, columns)).select_from(self._rows()).where(user_id.in_(wanted))
        rows = list(connection.execute(statement.limit(MOST_ROWS + 1)))
        found: dict[str, list[Cells]] = {}
        known = set(user_ids)
        for stored, *cells in rows:
            # Databases find others too, by their ideas of what is equal.
            if (user := text_of(stored)) in known:
                found.setdefault(str(user), []).append(cells)
        return found if len(rows) <= MOST_ROWS else self._without_crowds(connection, kind, columns, user_ids, found)

    def _without_crowds(
        self,
        connection: sa.Connection,
        kind: Kind,
        columns: Sequence[str],
        user_ids: Sequence[str],
        found: Mapping[str, Sequence[Cells]],
    ) -> dict[str, list[Cells]]:
        """Ask again without those who have most of the rows; if there are none, for one half after the other."""
        crowds = {user for user, rows in found.items() if len(rows) > CROWD} or set(user_ids if len(user_ids) == 1 else ())
        others = [user for user in user_ids if user not in crowds]
        middle = len(others) if crowds else len(others) // 2
        halves = [half for half in (others[:middle], others[middle:]) if half]
        told = {user: one for half in halves for user, one in self._look_up(connection, kind, columns, half).items()}
        return {**dict.fromkeys(crowds, TOO_MANY), **told}

    def _rows(self) -> sa.FromClause:
        if self.query is None:
            schema = self.schema and sa.quoted_name(self.schema, quote=True)
            return sa.table(sa.quoted_name(self.table or "", quote=True), schema=schema)
        # No colon in it is a parameter; a comment at its end ends with the line.
        text = sa.text(self.query.replace(":", r"\:") + "\n")
        return text.columns().subquery("selection")


def _column(name: str) -> sa.ColumnElement[Any]:
    return sa.column(sa.quoted_name(name, quote=True))


def _user_id(column: sa.ColumnElement[Any], kind: Kind) -> sa.ColumnElement[Any]:
    """What is compared: numbers and text as they are, by their index; else text that is longer than an id where it is cut."""
    return sa.cast(column, sa.String(MAX_ID_LENGTH + 1)) if kind is Kind.OTHER else column


def _may_be(user_id: str, kind: Kind) -> bool:
    """Whether a column of this kind can hold it, written just so."""
    if kind is Kind.WHOLE:
        return bool(_WHOLE.match(user_id)) and abs(int(user_id)) <= _LARGEST
    if kind is Kind.UUID:
        return user_id in _uuids(user_id)
    return True


def _uuids(user_id: str) -> Iterator[str]:
    try:
        yield str(uuid.UUID(user_id))
    except ValueError:
        return
