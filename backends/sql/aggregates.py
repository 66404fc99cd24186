"""Aggregates: a Measure as one grouped query over a set of profiles. What it means stands in backends.aggregation."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.aggregation import (
    COLUMNS,
    DATA_PREFIX,
    MAX_VALUES,
    NUMBER,
    OPPOSITES,
    Aggregate,
    Aggregation,
    Filter,
    Measure,
    Operator,
    difference,
)
from backends.sql.expressions import canonical_moment
from backends.sql.rows import among
from backends.sql.tables import event_data, events

Found = Iterable[Any]
"""Rows."""

Aggregates = Iterator[tuple[str, Aggregate]]


def aggregate(connection: sa.Connection, measure: Measure, profile_guids: Sequence[str]) -> dict[str, Aggregate]:
    """What the measure makes of each of these profiles; those without events that it is about are absent."""
    measured = _measured(connection.dialect.name, measure, profile_guids)
    if measure.aggregation in _FUNCTIONS:
        return dict(_read_plain(connection.execute(_plain(measured, measure)), measure))
    if measure.aggregation in (Aggregation.DISTINCT, Aggregation.MOST_FREQUENT):
        return dict(_read_values(connection.execute(_by_value(measured)), measure))
    if measure.aggregation is Aggregation.DIFF:
        return dict(_read_ends(connection.execute(_ends(measured)), measure))
    return dict(_read_ordered(connection.execute(_ordered(measured, measure)), measure))


def _measured(dialect: str, measure: Measure, profile_guids: Sequence[str]) -> sa.Subquery:
    """The events that the measure is about: each with its value, or NULL where that can't be read."""
    value, source = _value_in(measure.column, "measured_data")
    is_readable = value.regexp_match(measure.pattern) if measure.pattern else sa.true()
    selected = (
        sa.select(
            events.c.profile_guid,
            sa.case((is_readable, value)).label("value"),
            events.c.occurred_at,
            events.c.created_at,
            events.c.guid,
        )
        .select_from(source)
        .where(
            among(dialect, events.c.profile_guid, profile_guids),
            events.c.profile_associated_at.is_not(None),
            events.c.type == measure.type,
            value.is_not(None),
            *map(_condition, measure.filters),
        )
    )
    if measure.since is not None:
        selected = selected.where(events.c.occurred_at >= measure.since)
    return selected.subquery("measured")


def _value_in(column: str, alias: str) -> tuple[sa.ColumnElement[Any], sa.FromClause]:
    """A column of an event as text, and the tables that it stands in."""
    if not column.startswith(DATA_PREFIX):
        return _own_value(column), events
    data = event_data.alias(alias)
    here = sa.and_(data.c.event_guid == events.c.guid, data.c.key == column.removeprefix(DATA_PREFIX))
    return data.c.value, events.join(data, here)


def _own_value(column: str) -> sa.ColumnElement[Any]:
    own = events.c[COLUMNS[column]]
    return canonical_moment(own) if column == "occurredAt" else own


def _condition(filter: Filter) -> sa.ColumnElement[bool]:
    if filter.op in OPPOSITES:
        return sa.not_(_condition(filter._replace(op=OPPOSITES[filter.op])))
    if not filter.column.startswith(DATA_PREFIX):
        value = _own_value(filter.column)
        return sa.and_(value.is_not(None), sa.func.coalesce(_compared(value, filter), sa.false()))
    here = sa.and_(event_data.c.event_guid == events.c.guid, event_data.c.key == filter.column.removeprefix(DATA_PREFIX))
    return sa.exists().where(here, _compared(event_data.c.value, filter)).correlate(events)


def _compared(value: sa.ColumnElement[Any], filter: Filter) -> sa.ColumnElement[bool]:
    if filter.op is Operator.EXISTS:
        return sa.true()
    if filter.op is Operator.EQUALS:
        return value == filter.match
    if filter.op is Operator.CONTAINS:
        return sa.func.replace(value, filter.match, "") != value  # LIKE is blind to case on SQLite
    if filter.column == "occurredAt":
        return value > filter.match if filter.op is Operator.GREATER else value < filter.match
    number, match = _number(sa.case((value.regexp_match(NUMBER), value))), float(filter.match)
    return number > match if filter.op is Operator.GREATER else number < match


def _number(text: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(text, sa.Double)


_FUNCTIONS = {
    Aggregation.COUNT: sa.func.count,
    Aggregation.DISTINCT_COUNT: lambda value: sa.func.count(sa.distinct(value)),
    Aggregation.SUM: lambda value: sa.func.sum(_number(value)),
    Aggregation.AVERAGE: lambda value: sa.func.avg(_number(value)),
    Aggregation.MIN: lambda value: sa.func.min(_number(value)),
    Aggregation.MAX: lambda value: sa.func.max(_number(value)),
}


def _plain(measured: sa.Subquery, measure: Measure) -> Select[Any]:
    """What SQL has a function for."""
    compute: Any = _FUNCTIONS[measure.aggregation]
    if measure.column == "occurredAt" and measure.aggregation in (Aggregation.MIN, Aggregation.MAX):
        compute = getattr(sa.func, measure.aggregation.value)
    left_out = sa.func.count() - sa.func.count(measured.c.value)
    return sa.select(measured.c.profile_guid, compute(measured.c.value), left_out).group_by(measured.c.profile_guid)


def _read_plain(found: Found, measure: Measure) -> Aggregates:
    for profile, value, left_out in found:
        nothing = measure.aggregation in (Aggregation.COUNT, Aggregation.DISTINCT_COUNT) and value == 0
        yield profile, Aggregate(None if nothing else value, left_out)


def _by_value(measured: sa.Subquery) -> Select[Any]:
    """Each distinct value: how often, and when last. NULL stands for all that can't be read."""
    last = sa.func.max(measured.c.occurred_at), sa.func.max(measured.c.guid)
    grouped = sa.select(measured.c.profile_guid, measured.c.value, sa.func.count().label("number"), *last).group_by(
        measured.c.profile_guid, measured.c.value
    )
    return grouped.order_by(measured.c.profile_guid)


def _read_values(found: Found, measure: Measure) -> Aggregates:
    for profile, group in groupby(found, key=lambda row: row[0]):
        rows = list(group)
        told = [row for row in rows if row[1] is not None]
        left_out = sum(row[2] for row in rows if row[1] is None)
        if not told:
            yield profile, Aggregate(None, left_out)
        elif measure.aggregation is Aggregation.MOST_FREQUENT:
            yield profile, Aggregate(max(told, key=lambda row: row[2:])[1], left_out)
        else:
            newest = sorted(told, key=lambda row: row[3:], reverse=True)[:MAX_VALUES]
            yield profile, Aggregate(sorted(row[1] for row in newest), left_out)


def _ranked(measured: sa.Subquery, *ends: str) -> sa.Subquery:
    """Each event's place among its profile's, counted from these ends, "newest" or "oldest"; what can't be read comes last.
    Counting from both costs a second sort."""
    order = (measured.c.occurred_at, measured.c.created_at, measured.c.guid)
    unread = sa.case((measured.c.value.is_(None), 1), else_=0)
    whose = measured.c.profile_guid
    orders = {"newest": [unread, *(column.desc() for column in order)], "oldest": [unread, *order]}
    places = [sa.func.row_number().over(partition_by=whose, order_by=orders[end]).label(end) for end in ends]
    left_out = sa.func.sum(unread).over(partition_by=whose).label("left_out")
    return sa.select(measured.c.profile_guid, measured.c.value, *places, left_out).subquery("ranked")


def _ordered(measured: sa.Subquery, measure: Measure) -> Select[Any]:
    """The values at one end, or all of them, oldest first."""
    end = "oldest" if measure.aggregation is Aggregation.LEAST_RECENT else "newest"
    ranked = _ranked(measured, end)
    place = ranked.c[end]
    wanted = place == 1
    if measure.aggregation is Aggregation.ALL:
        wanted = sa.or_(wanted, sa.and_(place <= MAX_VALUES, ranked.c.value.is_not(None)))
    return sa.select(ranked).where(wanted).order_by(ranked.c.profile_guid, place.desc())


def _read_ordered(found: Found, measure: Measure) -> Aggregates:
    for profile, group in groupby(found, key=lambda row: row.profile_guid):
        rows = list(group)
        values = [row.value for row in rows if row.value is not None]
        left_out = int(rows[0].left_out)
        if measure.aggregation is Aggregation.ALL and values:
            yield profile, Aggregate(values, left_out)
        else:
            yield profile, Aggregate(values[0] if values else None, left_out)


def _ends(measured: sa.Subquery) -> Select[Any]:
    """The oldest and the newest value."""
    ranked = _ranked(measured, "oldest", "newest")
    places = (ranked.c.oldest, ranked.c.newest)
    first, last = (sa.func.max(sa.case((place == 1, ranked.c.value))) for place in places)
    ends = sa.select(ranked.c.profile_guid, first, last, sa.func.max(ranked.c.left_out))
    return ends.where(sa.or_(*(place == 1 for place in places))).group_by(ranked.c.profile_guid)


def _read_ends(found: Found, measure: Measure) -> Aggregates:
    for profile, first, last, left_out in found:
        value = difference(first, last, measure.column) if first is not None else None
        yield profile, Aggregate(value, int(left_out))
