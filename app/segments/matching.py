"""Matching: a segment as SQL, one question a page; the index of the values, or that of the homes, says where to begin."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from app.identity.current import may_be_current
from app.identity.rule import Policy
from app.identity.view import identifiers
from app.properties.values import properties
from app.segments.filters import Condition, Every, Expression, Operator, Opposite
from app.segments.segment import Segment, Sort, Test
from backends.sql.dialects import Dialect

HOME = (identifiers.c.home, identifiers.c.kind, identifiers.c.value)


class Place(NamedTuple):
    """Where a profile stands: by the value that it is sorted by, None without one, and its guid."""

    value: float | str | None
    guid: str


class Driver(NamedTuple):
    """The values that are walked through in order."""

    rule_guid: str
    columns: Any
    value: sa.ColumnElement[Any]


def sorted_homes(segment: Segment, sort: Sort, dialect: Dialect, policy: Policy, after: Place | None) -> Select[Any]:
    """The homes of the segment that have a value to sort by, behind `after`, in order: (home, kind, value, the value)."""
    driver = _driver(sort)
    order = (driver.value, driver.columns.profile_guid)
    statement = sa.select(*HOME, driver.value.label("sorted_by")).join_from(
        driver.value.table, identifiers, identifiers.c.home == driver.columns.profile_guid
    )
    statement = statement.where(driver.columns.rule_guid == sort.rule_guid, driver.value.is_not(None))
    if after is not None:
        place = [sa.bindparam(None, value, type_=column.type) for value, column in zip(after, order, strict=True)]
        statement = statement.where((dialect.is_before if sort.is_descending else dialect.is_after)(order, place))
    statement = statement.where(may_be_current(policy), *_wanted(segment, driver))
    return statement.order_by(*(column.desc() if sort.is_descending else column for column in order))


def homes(segment: Segment, policy: Policy, after: str) -> Select[Any]:
    """The other homes of the segment (all, if it is not sorted) behind the guid `after`, in order of guids."""
    statement = sa.select(*HOME, sa.null().label("sorted_by")).where(identifiers.c.home > after)
    if segment.sort:
        driver = _driver(segment.sort)
        has_value = sa.and_(driver.columns.rule_guid == segment.sort.rule_guid, driver.value.is_not(None))
        here = driver.columns.profile_guid == identifiers.c.home
        statement = statement.where(sa.not_(sa.exists().where(here, has_value)))
    return statement.where(may_be_current(policy), *_wanted(segment)).order_by(identifiers.c.home)


def all_homes(segment: Segment, policy: Policy) -> sa.ColumnElement[bool]:
    """Whether an identifier's home is one of the segment."""
    return sa.and_(identifiers.c.home.is_not(None), may_be_current(policy), *_wanted(segment))


def _driver(sort: Sort) -> Driver:
    columns = properties.alias("sorted").c
    return Driver(sort.rule_guid, columns, columns.number_value if sort.is_number else columns.text_value)


def _wanted(segment: Segment, driver: Driver | None = None) -> Iterable[sa.ColumnElement[bool]]:
    if segment.expression is None:
        return []
    return [_holds(segment.expression, segment, driver)]


def _holds(expression: Expression, segment: Segment, driver: Driver | None) -> sa.ColumnElement[bool]:
    if isinstance(expression, Condition):
        return _passes(segment.tests[expression], driver)
    if isinstance(expression, Opposite):
        return sa.not_(_holds(expression.part, segment, driver))
    parts = [_holds(part, segment, driver) for part in expression.parts]
    return sa.and_(*parts) if isinstance(expression, Every) else sa.or_(*parts)


def _passes(test: Test, driver: Driver | None) -> sa.ColumnElement[bool]:
    if test.rule_guid is None:
        return sa.and_(identifiers.c.kind == "user")
    if driver is not None and driver.rule_guid == test.rule_guid:  # which has a value in each of its rows
        return _compared(driver.columns, test)
    columns = properties.alias().c
    here = sa.and_(columns.profile_guid == identifiers.c.home, columns.rule_guid == test.rule_guid)
    return sa.exists().where(here, _compared(columns, test)).correlate(identifiers)


def _compared(columns: Any, test: Test) -> sa.ColumnElement[bool]:
    column: sa.ColumnElement[Any] = columns.number_value if isinstance(test.match, float) else columns.text_value
    match = sa.bindparam(None, test.match, type_=column.type)
    if test.operator is Operator.EXISTS:
        return sa.and_(columns.value.is_not(sa.null()))  # a list, or a long text, stands in no other column
    if test.operator is Operator.CONTAINS:
        return sa.func.replace(column, match, "") != column  # LIKE is blind to case on SQLite
    if test.operator is Operator.EQUALS:
        return column == match
    return column.bool_op(test.operator.value)(match)
