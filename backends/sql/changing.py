"""Changing the rows that a query chooses, held against other writers from the choice on."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.sql.engine import dialect_of
from backends.sql.rows import rows

Values = Callable[[sa.FromClause], dict[str, Any]]
"""From the chosen rows to what is written, column by column."""


def change(
    connection: sa.Connection,
    table: sa.Table,
    chosen: Select[Any],
    values: Values,
    returning: Sequence[sa.Column[Any]],
    skip_locked: bool = False,
) -> list[sa.Row[Any]]:
    """Write `values` to the rows of `table` that `chosen`, which has their primary key, finds; return columns of these.

    They are locked in the order of `chosen`, which has to be the same for all who write.
    """
    held = chosen.with_for_update(of=table, skip_locked=skip_locked)
    if dialect_of(connection).has_update_from:
        locked = held.cte("locked")
        statement = sa.update(table).where(_same_key(table, locked)).values(values(locked)).returning(*returning)
        return list(connection.execute(statement))
    found = list(connection.execute(held))
    if found:
        picked = rows(connection.dialect.name, "picked", [column.name for column in chosen.selected_columns], found)
        connection.execute(sa.update(table).where(_same_key(table, picked)).values(values(picked)))
    return found


def _same_key(table: sa.Table, chosen: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == chosen.c[column.name] for column in table.primary_key))
