"""Properties: rules that a soak makes, and what must be on each profile in the end, by the definition."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.identity.rule import Policy
from app.identity.store import IdentityStore
from app.models import Property, db
from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from backends.aggregation import aggregate, passes
from backends.event import Event

RULES: dict[str, list[dict[str, Any]]] = {
    "purchase": [
        {"key": "purchases", "type": "integer", "column": "type", "aggregation": "count"},
        {"key": "spent", "type": "float", "column": "data.price", "aggregation": "sum"},
        {"key": "lastPurchase", "type": "date", "column": "occurredAt", "aggregation": "max"},
    ],
    "pageview": [
        {"key": "lastSerial", "type": "string", "column": "data.serial", "aggregation": "most recent value"},
        {
            "key": "giftSerials",
            "type": "string",
            "isArray": True,
            "column": "data.serial",
            "aggregation": "distinct values",
            "filters": [{"key": "data.gift", "op": "exists"}],
        },
    ],
}
"""By the type of event that they are about: of each kind one that a single event too few, too many or elsewhere changes."""


def make_rules(post: Callable[[str, dict[str, Any]], Any]) -> None:
    """As a person would, by the API: `post` sends a body to one of its paths and returns the answer's."""
    for event_type, rules in RULES.items():
        source = post("/sources", {"name": event_type, "eventType": event_type})["source"]
        for rule in rules:
            post("/property-rules", {**rule, "sourceGuid": source["guid"]})


def check_properties(stored: Sequence[Event]) -> Iterator[str]:
    """Whose properties are not what their events make them. Nothing waits any more when this is asked."""
    by_profile: dict[str, list[Event]] = defaultdict(list)
    for event in stored:
        if event.profile_guid:
            by_profile[event.profile_guid].append(event)
    there = _values()
    for rule in PropertyStore(IdentityStore(db.engine, Policy.SEPARATE)).rules(EventRule):
        measure = rule.measure(datetime.now(UTC))
        for profile, events in by_profile.items():
            theirs = [event for event in events if passes(event, measure)]
            expected = rule.value(aggregate(measure, theirs)) if theirs else None
            if (found := there.pop((profile, rule.guid), None)) != expected:
                yield f"{rule.key} of {profile} is {found!r} instead of {expected!r}"
    yield from (f"{profile}, of whom there is no event, has {value!r}" for (profile, _), value in there.items())


def _values() -> dict[tuple[str, str], Any]:
    with db.engine.connect() as connection:
        rows = connection.execute(sa.select(sa.inspect(Property).local_table))
        return {(row.profile_guid, row.rule_guid): row.value for row in rows if row.value is not None}
