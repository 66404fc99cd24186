"""Python records as a table inside a query, on each database."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from backends.sql.dialects import DIALECTS


def rows(dialect: str, name: str, columns: Sequence[str], records: Iterable[Sequence[str | None]]) -> sa.Subquery:
    """A subquery `name` of text columns that holds `records`: one parameter instead of thousands."""
    return DIALECTS[dialect].rows(name, columns, records)


def among(dialect: str, column: sa.ColumnElement[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column IN (values)`, however many there are."""
    return DIALECTS[dialect].among(column, list(values))
