"""Rules: how a property's value comes from the events of a profile, or from what an sql app knows of the person."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models import PropertyRule, Source
from app.properties.types import FORMS, PropertyType, Value, significant
from backends.aggregation import (
    COLUMNS,
    COMPARISONS,
    COUNTS,
    LISTS,
    NUMBER,
    NUMERIC,
    Aggregate,
    Aggregation,
    Filter,
    Measure,
    Operator,
)
from backends.event import Timestamp, timestamp

Problem = tuple[str, str]
"""A field, and what is wrong with it."""

_COLUMN = re.compile(rf"({'|'.join(COLUMNS)}|data\..+)\Z", re.DOTALL)


class Refused(ValueError):
    """Raised when a field can't be what it was to be: `field`, and the message."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Rule(ABC):
    """What all rules have, wherever their values come from; as it was when it was read."""

    guid: str
    source_guid: str
    key: str
    type: PropertyType
    is_array: bool
    is_unique: bool
    version: int

    @abstractmethod
    def problem(self) -> Problem | None:
        """What makes the rule senseless; None if nothing does."""


@dataclass(frozen=True)
class EventRule(Rule):
    """A rule on the events of one type."""

    event_type: str
    column: str
    aggregation: Aggregation
    filters: tuple[Filter, ...] = ()
    window_days: int | None = None
    swept_to: Timestamp | None = None

    def problem(self) -> Problem | None:
        """A column, an aggregation and a type that fit each other, and filters that can be asked."""
        return _problem_of_events(self)

    def measure(self, moment: datetime) -> Measure:
        """What to ask the backend for, at `moment`."""
        since = timestamp(moment - timedelta(days=self.window_days)) if self.window_days else None
        return Measure(self.event_type, self.column, self.aggregation, self.filters, since, self._pattern())

    def value(self, found: Aggregate) -> Value | list[Value] | None:
        """The property's value; None if there is none, or none that can be read."""
        if isinstance(found.value, list):
            read = FORMS[self.type].read
            return [value for text in found.value if (value := read(text)) is not None] or None
        if isinstance(found.value, str):
            return FORMS[self.type].read(found.value)
        if found.value is None or self.type is PropertyType.INTEGER:
            return None if found.value is None else int(found.value)
        return significant(found.value)

    def _pattern(self) -> str | None:
        if self.aggregation in COUNTS or self.column == "occurredAt":
            return None
        if self.aggregation in NUMERIC and self.type is not PropertyType.INTEGER:
            return NUMBER
        return FORMS[self.type].pattern


@dataclass(frozen=True)
class ColumnRule(Rule):
    """A rule on a column of an sql app's table, or query: the value that stands beside the person's userId."""

    column: str

    def problem(self) -> Problem | None:
        """A column has one value."""
        return ("isArray", "a column has one value: say false") if self.is_array else None


def rule_of(row: PropertyRule, source: Source) -> Rule:
    """The rule of a row, on its source. Raises Refused if it says less, or more, than a rule of such a source does."""
    common = (row.guid, row.source_guid, row.key, PropertyType(row.type), row.is_array, row.is_unique, row.version)
    options = row.options
    if source.event_type is None:
        for name, said in (*((one, options.get(one)) for one in ("aggregation", "windowDays")), ("filters", row.filters)):
            if said:
                raise Refused(name, "that is for rules of events: of an sql app's source there is the column only")
        return ColumnRule(*common, options["column"])
    if not options.get("aggregation"):
        raise Refused("aggregation", f"a rule of events needs one: {', '.join(Aggregation)}")
    return EventRule(
        *common,
        source.event_type,
        options["column"],
        Aggregation(options["aggregation"]),
        tuple(_filter_of(one) for one in row.filters),
        options.get("windowDays"),
        row.swept_to,
    )


def _filter_of(one: Mapping[str, str]) -> Filter:
    op, match = Operator(one["op"]), one.get("match", "")
    if one["key"] == "occurredAt" and op in COMPARISONS and (moment := FORMS[PropertyType.DATE].value_of(match)):
        match = str(moment)  # as the backend has it
    return Filter(one["key"], op, match)


def _problem_of_events(rule: EventRule) -> Problem | None:
    if not _COLUMN.match(rule.column):
        return "column", f"there is no column {rule.column!r}; there are {', '.join(COLUMNS)} and data.KEY"
    has_numbers = rule.type in (PropertyType.INTEGER, PropertyType.FLOAT)
    if (rule.aggregation in LISTS) != rule.is_array:
        made = "one value: say false" if rule.is_array else "a list: say true"
        return "isArray", f"{rule.aggregation.value!r} makes {made}"
    if rule.is_unique and rule.is_array:
        return "unique", "a list can't be unique: choose an aggregation that makes one value"
    if rule.column == "occurredAt":
        return _problem_of_moments(rule, has_numbers)
    if rule.aggregation in NUMERIC | COUNTS and not has_numbers:
        return "type", f"{rule.aggregation.value!r} makes a number: take integer or float"
    if rule.aggregation is Aggregation.AVERAGE and rule.type is PropertyType.INTEGER:
        return "type", "an average is no whole number: take float"
    return _problem_of_filters(rule)


def _problem_of_moments(rule: EventRule, has_numbers: bool) -> Problem | None:
    if rule.aggregation in (Aggregation.SUM, Aggregation.AVERAGE):
        return "aggregation", f"there is no {rule.aggregation.value} of times: count them, or take min, max or diff"
    makes_number = rule.aggregation in COUNTS or rule.aggregation is Aggregation.DIFF
    if makes_number and not has_numbers:
        return "type", f"{rule.aggregation.value!r} of occurredAt makes a number: take integer or float"
    if not makes_number and rule.type not in (PropertyType.DATE, PropertyType.STRING):
        return "type", f"{rule.aggregation.value!r} of occurredAt makes a time: take date"
    return _problem_of_filters(rule)


def _problem_of_filters(rule: EventRule) -> Problem | None:
    for place, one in enumerate(rule.filters):
        if one.op in (Operator.GREATER, Operator.LESS):
            wanted, kind = ("a time", PropertyType.DATE) if one.column == "occurredAt" else ("a number", PropertyType.FLOAT)
            if FORMS[kind].value_of(one.match) is None:
                return f"filters.{place}.match", f"{one.match!r} can't be compared: send {wanted}"
        elif one.op not in (Operator.EXISTS, Operator.NOT_EXISTS) and not one.match:
            return f"filters.{place}.match", f"{one.op.value!r} needs something to compare with"
    return None
