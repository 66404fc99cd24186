"""Jumps over an index from value to value, where a walk over every row would cost too much."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.sql.tables import events


def distinct(column: sa.Column[Any], after: str | None = None, where: sa.ColumnElement[bool] = sa.true()) -> Select[Any]:
    """The distinct values of an indexed column, in order: a jump from value to value, not a walk over every row."""
    first = sa.select(sa.func.min(column).label("value")).where(where)
    walk = (first.where(column > after) if after is not None else first).cte("walk", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > walk.c.value, where).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.value.is_not(None)))
    return sa.select(walk.c.value).where(walk.c.value.is_not(None))


def users_of(device: sa.Subquery) -> sa.CTE:
    """The users of each device, by the same jump, pair by pair."""
    least = sa.select(sa.func.min(events.c.user_id)).where(events.c.anonymous_id == device.c.id).scalar_subquery()
    pairs = sa.select(device.c.id.label("anonymous_id"), least.label("user_id")).cte("pairs", recursive=True)
    following = (
        sa.select(sa.func.min(events.c.user_id))
        .where(events.c.anonymous_id == pairs.c.anonymous_id, events.c.user_id > pairs.c.user_id)
        .scalar_subquery()
    )
    return pairs.union_all(sa.select(pairs.c.anonymous_id, following).where(pairs.c.user_id.is_not(None)))
