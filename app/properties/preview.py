"""Previews: what a source has, and what a rule would make, before anything is written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.properties.rules import EventRule
from app.properties.types import FORMS, PropertyType
from app.properties.values import Found
from backends.aggregation import COLUMNS, DATA_PREFIX, Aggregation, Operator
from backends.base import EventBackend, EventQuery

SAMPLE = 200
PROFILES = 5

ORDERED = (Operator.GREATER, Operator.LESS)
"""Operators for numbers and times; all others are for any text."""

NARROW = (
    *(PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN),
    *(PropertyType.DATE, PropertyType.EMAIL, PropertyType.URL),
)
"""Types that a text shows, the narrowest first. Of a phone number it is hard to tell."""

OF_NUMBERS = (Aggregation.SUM, Aggregation.AVERAGE)
OF_ORDERED = (Aggregation.MIN, Aggregation.MAX, Aggregation.DIFF)


@dataclass(frozen=True)
class Column:
    """A column of a source: what it seems to hold, and what can be asked of it."""

    key: str
    type: PropertyType
    operators: Sequence[Operator]
    aggregations: Sequence[Aggregation]


def columns_of(backend: EventBackend, event_type: str) -> list[Column]:
    """The columns of events of that type: their own, then the data keys there are, by what their newest values look like."""
    found = backend.find(EventQuery(type=event_type), SAMPLE)
    own = [_column(key, PropertyType.DATE if key == "occurredAt" else PropertyType.STRING) for key in COLUMNS]
    data = []
    for key in backend.data_keys(event_type):
        data.append(_column(DATA_PREFIX + key, type_of([event.data[key] for event in found if key in event.data])))
    return own + data


def values_of(backend: EventBackend, rule: EventRule, profile_guids: Sequence[str] | None) -> dict[str, Found]:
    """What the rule makes of these profiles; without any, of the last few that had such an event."""
    profiles = _last_ones(backend, rule.event_type) if profile_guids is None else list(profile_guids)
    found = backend.aggregate(rule.measure(datetime.now(UTC)), profiles)
    return {guid: (rule.value(found[guid]), found[guid].left_out) if guid in found else (None, 0) for guid in profiles}


def _last_ones(backend: EventBackend, event_type: str) -> list[str]:
    found = backend.find(EventQuery(type=event_type, associated=True), SAMPLE)
    return list(dict.fromkeys(event.profile_guid for event in found if event.profile_guid))[:PROFILES]


def _column(key: str, type: PropertyType) -> Column:
    is_number = type in (PropertyType.INTEGER, PropertyType.FLOAT)
    is_ordered = is_number or key == "occurredAt"
    unfit = (*(() if is_number else OF_NUMBERS), *(() if is_ordered else OF_ORDERED))
    operators = [one for one in Operator if is_ordered or one not in ORDERED]
    return Column(key, type, operators, [one for one in Aggregation if one not in unfit])


def type_of(values: Sequence[str]) -> PropertyType:
    """The narrowest type that most of the values are of: a rule leaves out the few that are of none."""
    for type in NARROW:
        if 2 * sum(bool(re.search(FORMS[type].pattern or "", value)) for value in values) > len(values):
            return type
    return PropertyType.STRING
