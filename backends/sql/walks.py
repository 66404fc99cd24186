"""Jumps over an index from value to value, where a walk over every row would cost too much."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.sql.engine import dialect_of
from backends.sql.rows import rows
from backends.sql.tables import events

_AT_ONCE = 100
"""So many jumps are asked for in one statement."""


def distinct(
    connection: sa.Connection,
    column: sa.Column[Any],
    after: str | None = None,
    where: sa.ColumnElement[bool] = sa.true(),
    limit: int | None = None,
) -> list[str]:
    """The distinct values of an indexed column, in order, behind `after`, up to `limit`."""
    if dialect_of(connection).has_index_jumps:
        return list(connection.execute(_walk(column, after, where).limit(limit)).scalars())
    found: list[str] = []
    following = sa.select(column).where(where).order_by(column).limit(1)
    while limit is None or len(found) < limit:
        last = found[-1] if found else after
        value = connection.scalar(following.where(column > last if last is not None else column.is_not(None)))
        if value is None:
            break
        found.append(value)
    return found


def users_of(connection: sa.Connection, devices: Sequence[str]) -> sa.FromClause:
    """The users of each device as (anonymous_id, user_id); a row without a user may end a device's."""
    if dialect_of(connection).has_index_jumps:
        return _walk_pairs(rows(connection.dialect.name, "device", ["id"], ((value,) for value in devices)))
    found: list[tuple[str, str]] = []
    step = [(device, "") for device in sorted(set(devices))]
    least = sa.func.min(events.c.user_id)
    is_first = True
    while step:
        some, step = step, []
        for start in range(0, len(some), _AT_ONCE):
            part = some[start : start + _AT_ONCE]
            jumps = [
                sa.select(sa.literal(number), least).where(
                    events.c.anonymous_id == device, events.c.user_id >= last if is_first else events.c.user_id > last
                )
                for number, (device, last) in enumerate(part)
            ]
            step += [(part[number][0], user) for number, user in connection.execute(sa.union_all(*jumps)) if user is not None]
        found += step
        is_first = False
    return rows(connection.dialect.name, "pairs", ["anonymous_id", "user_id"], found)


def _walk(column: sa.Column[Any], after: str | None, where: sa.ColumnElement[bool]) -> Select[Any]:
    first = sa.select(sa.func.min(column).label("value")).where(where)
    walk = (first.where(column > after) if after is not None else first).cte("walk", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > walk.c.value, where).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.value.is_not(None)))
    return sa.select(walk.c.value).where(walk.c.value.is_not(None))


def _walk_pairs(device: sa.Subquery) -> sa.CTE:
    least = sa.select(sa.func.min(events.c.user_id)).where(events.c.anonymous_id == device.c.id).scalar_subquery()
    pairs = sa.select(device.c.id.label("anonymous_id"), least.label("user_id")).cte("pairs", recursive=True)
    following = (
        sa.select(sa.func.min(events.c.user_id))
        .where(events.c.anonymous_id == pairs.c.anonymous_id, events.c.user_id > pairs.c.user_id)
        .scalar_subquery()
    )
    return pairs.union_all(sa.select(pairs.c.anonymous_id, following).where(pairs.c.user_id.is_not(None)))
