"""Rules: how a property's value comes from the events of a profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models import PropertyRule, Source
from app.properties.types import FORMS, PropertyType, Value, significant
from backends.aggregation import COUNTS, LISTS, NUMBER, NUMERIC, Aggregate, Aggregation, Filter, Measure, Operator
from backends.event import Timestamp, timestamp


@dataclass(frozen=True)
class EventRule:
    """A rule on events of one type, as it was when it was read."""

    guid: str
    source_guid: str
    key: str
    type: PropertyType
    is_array: bool
    is_unique: bool
    event_type: str
    column: str
    aggregation: Aggregation
    filters: tuple[Filter, ...] = ()
    window_days: int | None = None
    version: int = 1
    swept_to: Timestamp | None = None

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


def rule_of(row: PropertyRule, source: Source) -> EventRule:
    """The rule of a row, on its source of events."""
    options = row.options
    return EventRule(
        row.guid,
        row.source_guid,
        row.key,
        PropertyType(row.type),
        row.is_array,
        row.is_unique,
        source.event_type or "",
        options["column"],
        Aggregation(options["aggregation"]),
        tuple(_filter_of(one) for one in row.filters),
        options.get("windowDays"),
        row.version,
        row.swept_to,
    )


def _filter_of(one: Mapping[str, str]) -> Filter:
    match = one.get("match", "")
    if one["key"] == "occurredAt" and (moment := FORMS[PropertyType.DATE].value_of(match)):
        match = str(moment)  # as the backend has it
    return Filter(one["key"], Operator(one["op"]), match)


def problem_of(rule: EventRule) -> tuple[str, str] | None:
    """What makes the rule senseless: (field, message); None if nothing does."""
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


def _problem_of_moments(rule: EventRule, has_numbers: bool) -> tuple[str, str] | None:
    if rule.aggregation in (Aggregation.SUM, Aggregation.AVERAGE):
        return "aggregation", f"there is no {rule.aggregation.value} of times: count them, or take min, max or diff"
    makes_number = rule.aggregation in COUNTS or rule.aggregation is Aggregation.DIFF
    if makes_number and not has_numbers:
        return "type", f"{rule.aggregation.value!r} of occurredAt makes a number: take integer or float"
    if not makes_number and rule.type not in (PropertyType.DATE, PropertyType.STRING):
        return "type", f"{rule.aggregation.value!r} of occurredAt makes a time: take date"
    return _problem_of_filters(rule)


def _problem_of_filters(rule: EventRule) -> tuple[str, str] | None:
    for place, one in enumerate(rule.filters):
        if one.op in (Operator.GREATER, Operator.LESS):
            wanted, kind = ("a time", PropertyType.DATE) if one.column == "occurredAt" else ("a number", PropertyType.FLOAT)
            if FORMS[kind].value_of(one.match) is None:
                return f"filters.{place}.match", f"{one.match!r} can't be compared: send {wanted}"
        elif one.op not in (Operator.EXISTS, Operator.NOT_EXISTS) and not one.match:
            return f"filters.{place}.match", f"{one.op.value!r} needs something to compare with"
    return None
