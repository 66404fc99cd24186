"""Aggregation: what can be computed of a profile's events, and the words for it. The values themselves come from a backend."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from backends.event import Event, Timestamp

MAX_VALUES = 1000
"""A list of values has so many at the most: of all values the newest, of distinct ones those seen last."""

END = "$(?!\n)"
"""The end of a text in a pattern: some databases take `$` for the place before a last line break, too."""

NUMBER = f"^-?(0|[1-9][0-9]{{0,39}})([.][0-9]{{1,40}})?([eE][+-]?[0-9]{{1,2}})?{END}"
"""What counts as a number on every database: as JSON writes it (RFC 8259, section 6), of a size that a double holds."""

DATA_PREFIX = "data."
COLUMNS = {"occurredAt": "occurred_at", "ipAddress": "ip_address", "type": "type", "userId": "user_id"}
"""The columns of an event that can be measured or filtered by, besides `data.KEY`, with their names on Event."""


class Aggregation(StrEnum):
    """How one value comes from many. Newest and oldest are by (occurredAt, createdAt, guid)."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    MOST_RECENT = "most recent value"
    LEAST_RECENT = "least recent value"
    ALL = "all values"
    DISTINCT = "distinct values"
    DISTINCT_COUNT = "distinct count"
    MOST_FREQUENT = "most frequent value"
    DIFF = "diff"


NUMERIC = {Aggregation.SUM, Aggregation.AVERAGE, Aggregation.MIN, Aggregation.MAX, Aggregation.DIFF}
"""Computed of numbers, or, but for sum and average, of occurredAt."""

LISTS = {Aggregation.ALL, Aggregation.DISTINCT}
COUNTS = {Aggregation.COUNT, Aggregation.DISTINCT_COUNT}


class Operator(StrEnum):
    """How a filter compares. Each negation is the exact opposite: an event without the key does not equal anything."""

    EQUALS = "equals"
    NOT_EQUALS = "does not equal"
    CONTAINS = "contains"
    NOT_CONTAINS = "does not contain"
    GREATER = "greater than"
    LESS = "less than"
    EXISTS = "exists"
    NOT_EXISTS = "does not exist"


COMPARISONS = {Operator.EQUALS, Operator.NOT_EQUALS, Operator.GREATER, Operator.LESS}
"""Of the whole value; the others are of a part of it, or of none."""

OPPOSITES = {
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.NOT_EXISTS: Operator.EXISTS,
}


class Filter(NamedTuple):
    """A condition on one column of an event.

    `greater than` and `less than` compare numbers (what is none is neither), or, for occurredAt, Timestamps.
    """

    column: str
    op: Operator
    match: str = ""


@dataclass(frozen=True)
class Measure:
    """What to compute of each profile's events of one type that pass the filters and have a value in the column.

    Strings that `pattern` (NUMBER for what is computed of numbers) does not match are left out, and counted.
    """

    type: str
    column: str
    aggregation: Aggregation
    filters: Sequence[Filter] = ()
    since: Timestamp | None = None
    pattern: str | None = None


class Aggregate(NamedTuple):
    """What was computed of one profile: a whole number for counts, a number for what is computed of numbers, seconds for the
    `diff` of occurredAt, else text, or a list of text (`all values`: oldest first; `distinct values`: in order).

    None if nothing could be read. `left_out` is how many values could not.
    """

    value: int | float | str | list[str] | None
    left_out: int = 0


def value_of(event: Event, column: str) -> str | None:
    """What the event has in that column, as text."""
    if column.startswith(DATA_PREFIX):
        return event.data.get(column.removeprefix(DATA_PREFIX))
    found: str | None = getattr(event, COLUMNS[column])
    return found


def passes(event: Event, measure: Measure) -> bool:
    """Whether the measure is about the event."""
    is_of_it = event.type == measure.type and (measure.since is None or event.occurred_at >= measure.since)
    return is_of_it and all(_holds(event, one) for one in measure.filters)


def aggregate(measure: Measure, events: Sequence[Event]) -> Aggregate:
    """The definition: what the measure makes of one profile's events, all of which it is about."""
    found = [(value, event) for event in sorted(events, key=_seen) if (value := value_of(event, measure.column)) is not None]
    read = [one for one in found if measure.pattern is None or re.search(measure.pattern, one[0])]
    compute = _COMPUTE[measure.aggregation]
    return Aggregate(compute(read, measure.column) if read else None, len(found) - len(read))


def difference(first: str, last: str, column: str) -> float:
    """From one value to another: seconds for occurredAt."""
    if column == "occurredAt":
        return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    return float(last) - float(first)


def compare(value: str, match: str, column: str) -> int:
    """-1, 0 or 1 as the value is less than, equal to or greater than the match; 0 too if it is no number."""
    if column == "occurredAt":
        return (value > match) - (value < match)
    if not re.search(NUMBER, value):
        return 0
    return (float(value) > float(match)) - (float(value) < float(match))


Found = Sequence[tuple[str, Event]]
"""Values that could be read, with their events, oldest first; at least one."""


def _seen(event: Event) -> tuple[str, str, str]:
    return event.occurred_at, event.created_at, event.guid


def _holds(event: Event, filter: Filter) -> bool:
    if filter.op in OPPOSITES:
        return not _holds(event, filter._replace(op=OPPOSITES[filter.op]))
    value = value_of(event, filter.column)
    if value is None or filter.op is Operator.EXISTS:
        return value is not None
    if filter.op is Operator.EQUALS:
        return value == filter.match
    if filter.op is Operator.CONTAINS:
        return filter.match in value
    order = compare(value, filter.match, filter.column)
    return order > 0 if filter.op is Operator.GREATER else order < 0


def _numbers(found: Found) -> list[float]:
    return [float(value) for value, _ in found]


def _extreme(choose: Callable[[Iterable[Any]], Any]) -> Callable[[Found, str], float | str]:
    def compute(found: Found, column: str) -> float | str:
        chosen: float | str = choose(value for value, _ in found) if column == "occurredAt" else choose(_numbers(found))
        return chosen

    return compute


def _last_seen(found: Found) -> dict[str, tuple[int, str, str]]:
    """Each distinct value → how often it was there, and when last: by that the most frequent one is chosen among equals."""
    told: dict[str, tuple[int, str, str]] = {}
    for value, event in found:
        number, last, guid = told.get(value, (0, "", ""))
        told[value] = number + 1, max(last, event.occurred_at), max(guid, event.guid)
    return told


def _distinct(found: Found) -> list[str]:
    told = _last_seen(found)
    return sorted(sorted(told, key=lambda value: told[value][1:], reverse=True)[:MAX_VALUES])


def _most_frequent(found: Found) -> str:
    told = _last_seen(found)
    return max(told, key=lambda value: told[value])


_COMPUTE: Mapping[Aggregation, Callable[[Found, str], int | float | str | list[str]]] = {
    Aggregation.COUNT: lambda found, _: len(found),
    Aggregation.SUM: lambda found, _: math.fsum(_numbers(found)),
    Aggregation.AVERAGE: lambda found, _: math.fsum(_numbers(found)) / len(found),
    Aggregation.MIN: _extreme(min),
    Aggregation.MAX: _extreme(max),
    Aggregation.MOST_RECENT: lambda found, _: found[-1][0],
    Aggregation.LEAST_RECENT: lambda found, _: found[0][0],
    Aggregation.ALL: lambda found, _: [value for value, _ in found[-MAX_VALUES:]],
    Aggregation.DISTINCT: lambda found, _: _distinct(found),
    Aggregation.DISTINCT_COUNT: lambda found, _: len({value for value, _ in found}),
    Aggregation.MOST_FREQUENT: lambda found, _: _most_frequent(found),
    Aggregation.DIFF: lambda found, column: difference(found[0][0], found[-1][0], column),
}
