"""Segment: who is wanted, and in what order; every word of it is checked against the properties that there are."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import NamedTuple

from app.properties.types import FORMS, PropertyType, significant
from app.segments.filters import Condition, Expression, InvalidFilter, Operator, conditions, parse
from backends.aggregation import NUMBER
from backends.event import timestamp

SHOWN = 20
"""So many keys are named to somebody who asks for one that there is not."""

_NUMBERS = (PropertyType.INTEGER, PropertyType.FLOAT)
_ORDERED = (Operator.EQUALS, Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST, Operator.EXISTS)
_OF_TEXT = (Operator.EQUALS, Operator.CONTAINS, Operator.EXISTS)
_FITTING: Mapping[PropertyType, Collection[Operator]] = {
    PropertyType.INTEGER: _ORDERED,
    PropertyType.FLOAT: _ORDERED,
    PropertyType.DATE: (*_ORDERED, Operator.WITHIN),
    PropertyType.BOOLEAN: (Operator.EQUALS, Operator.EXISTS),
}
"""By which operators values of a type are compared; of the other types, which are text, by those of text."""


class InvalidSort(ValueError):
    """Raised when profiles can't be sorted so."""


class Field(NamedTuple):
    """What there is to ask: a property, or, without a rule, the userId."""

    rule_guid: str | None
    type: PropertyType
    is_array: bool


Fields = Mapping[str, Field]
"""By key."""


@dataclass(frozen=True)
class Test:
    """What a condition asks of the value that a rule made, or, without a rule, of the userId. `match` is a number, or text."""

    rule_guid: str | None
    operator: Operator
    match: float | str | None = None


@dataclass(frozen=True)
class Sort:
    """By the value that a rule made, a number or text, then by guid; profiles without a value come last, by guid."""

    rule_guid: str
    is_number: bool
    is_descending: bool


@dataclass(frozen=True)
class Segment:
    """The profiles for which the expression holds (all, without one), sorted (in order of their guids, without)."""

    expression: Expression | None = None
    tests: Mapping[Condition, Test] = field(default_factory=dict)
    sort: Sort | None = None


def make_segment(filter: str | None, sort: str | None, fields: Fields, moment: datetime) -> Segment:
    """The segment of a filter, `within` counting back from `moment`, and a sort, `KEY` or `-KEY`.

    Raises InvalidFilter and InvalidSort.
    """
    expression = parse(filter) if filter is not None else None
    found = conditions(expression) if expression else ()
    tests = {condition: _test(condition, fields, moment) for condition in found}
    return Segment(expression, tests, _sort(sort, fields) if sort is not None else None)


def _test(condition: Condition, fields: Fields, moment: datetime) -> Test:
    key, operator, match = condition.key, condition.operator, condition.match
    if key.text not in fields:
        raise InvalidFilter(_unknown(key.text, fields), key.place)
    asked = fields[key.text]
    fitting = _fitting(asked)
    if operator not in fitting:
        kind = f"a list of {asked.type.value}" if asked.is_array else asked.type.value if asked.rule_guid else "an id"
        raise InvalidFilter(f"{key.text!r} is {kind}: it can be asked for by {', '.join(fitting)}", key.place)
    if match is None:
        return Test(asked.rule_guid, operator)
    if operator is Operator.WITHIN:
        return Test(asked.rule_guid, Operator.AT_LEAST, timestamp(moment - timedelta(days=int(match.text))))
    value = _value(asked.type, match.text)
    if value is None:
        raise InvalidFilter(f"{match.text!r} is not {_KINDS.get(asked.type, 'a text of one character or more')}", match.place)
    return Test(asked.rule_guid, operator, value)


def _fitting(asked: Field) -> Collection[Operator]:
    if asked.rule_guid is None or asked.is_array:
        return (Operator.EXISTS,)
    return _FITTING.get(asked.type, _OF_TEXT)


_KINDS = {
    PropertyType.INTEGER: "a number",
    PropertyType.FLOAT: "a number",
    PropertyType.DATE: "a time, like 2026-11-23 or 2026-11-23T10:00:00Z",
    PropertyType.BOOLEAN: "true or false",
}


def _value(type: PropertyType, text: str) -> float | str | None:
    """What stands in the columns to look for it by (`values.text_of`); None for what is no value of the type."""
    if type in _NUMBERS:
        number = float(text) if re.search(NUMBER, text) else None
        return significant(number) if number is not None and type is PropertyType.FLOAT else number
    if type is PropertyType.BOOLEAN:
        found = FORMS[type].value_of(text.lower())
        return None if found is None else str(found).lower()
    if type is PropertyType.DATE:
        moment = FORMS[type].value_of(text)
        return None if moment is None else str(moment)
    return text or None


def _sort(text: str, fields: Fields) -> Sort:
    key = text.removeprefix("-")
    asked = fields.get(key)
    if asked is None or asked.rule_guid is None:
        raise InvalidSort(_unknown(key, {name: one for name, one in fields.items() if one.rule_guid}))
    if asked.is_array:
        raise InvalidSort(f"{key!r} is a list: there is no order of lists")
    return Sort(asked.rule_guid, asked.type in _NUMBERS, text.startswith("-"))


def _unknown(key: str, fields: Fields) -> str:
    known = get_close_matches(key, fields) or sorted(fields)[:SHOWN]
    return f"there is no property {key!r}; there is {', '.join(known) or 'none yet'}"
