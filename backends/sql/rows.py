"""Python records as a table inside a query, on each database: one parameter instead of thousands."""

from collections.abc import Iterable, Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def rows(dialect: str, name: str, columns: Sequence[str], records: Iterable[Sequence[str | None]]) -> sa.Subquery:
    """A subquery `name` of text columns that holds `records`."""
    text = orjson.dumps([list(record) for record in records]).decode()
    statement = sa.text(_SELECT[dialect](columns)).bindparams(sa.bindparam("records", text, unique=True))
    return statement.columns(*(sa.column(column, sa.Text) for column in columns)).subquery(name)


def among(dialect: str, column: sa.ColumnElement[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column IN (values)`, however many there are."""
    if dialect == "postgresql":  # an array of unknown length: its plan is the index's at any size, without statistics
        text = sa.cast(sa.literal(orjson.dumps(list(values)).decode()), postgresql.JSONB)
        wanted = sa.select(sa.func.jsonb_array_elements_text(text)).scalar_subquery()
        return column == sa.func.any(sa.func.array(wanted))
    table = rows(dialect, "wanted", ["value"], ((value,) for value in values))
    return column.in_(sa.select(table.c.value))


def _postgresql(columns: Sequence[str]) -> str:
    fields = ", ".join(f'(record ->> {place}) COLLATE "C" AS {column}' for place, column in enumerate(columns))
    return f"SELECT {fields} FROM jsonb_array_elements(CAST(:records AS jsonb)) AS record"


def _sqlite(columns: Sequence[str]) -> str:
    fields = ", ".join(f"json_extract(value, '$[{place}]') AS {column}" for place, column in enumerate(columns))
    return f"SELECT {fields} FROM json_each(:records)"


_SELECT = {"postgresql": _postgresql, "sqlite": _sqlite}
