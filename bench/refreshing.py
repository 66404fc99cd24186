"""Properties: profiles refreshed a second with five rules, and what a profile with a million events costs the others."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.identity import profiles
from app.models import EVENTS_APP, Refresh, db
from app.properties import catalogue
from app.services import services
from backends.event import Event, new_guid, now
from bench.draining import ROUNDS, db_cursor, rate
from bench.places import Place, Servers
from bench.table import Row, ratio_of
from bench.workload import Visitors
from tests.servers import scheduler, wait_until, worker

FIVE = [
    ("type", "count", "integer"),
    ("data.key_0", "most recent value", "string"),
    ("data.n", "sum", "integer"),
    ("data.n", "max", "integer"),
    ("occurredAt", "max", "date"),
]
"""Columns, aggregations and types of rules."""

TWENTY = [
    *FIVE,
    ("data.key_0", "least recent value", "string"),
    ("data.key_0", "most frequent value", "string"),
    ("data.key_0", "distinct count", "integer"),
    ("data.key_0", "distinct values", "string"),
    ("data.key_0", "all values", "string"),
    ("data.n", "average", "float"),
    ("data.n", "min", "integer"),
    ("data.n", "diff", "integer"),
    ("data.n", "all values", "integer"),
    ("data.n", "distinct count", "integer"),
    ("data.n", "most recent value", "integer"),
    ("occurredAt", "diff", "integer"),
    ("occurredAt", "min", "date"),
    ("userId", "distinct count", "integer"),
    ("ipAddress", "most recent value", "string"),
]

PART = 4_000
HEAVY_EVENTS = 40
"""One in a hundred."""


def measure(servers: Servers, events_a_round: int) -> list[Row]:
    """Profiles a second that one worker refreshes: those whom the drain of a round has marked."""
    place, visitors = servers.place(), Visitors()
    make_rules(place, FIVE)
    place.drain(numbered(visitors.first_visits()))
    place.work("refresh")
    rates = []
    for _ in range(ROUNDS):
        place.drain(numbered(visitors.events(events_a_round)))
        place.analyze()
        marked = waiting(place)
        rates.append(marked / place.work("refresh"))
    return [Row("refresh with five rules, profiles/s, one worker", rate(rates), "–")]


def measure_heavy(servers: Servers) -> list[Row]:
    """A worker drains others; then each batch has events of a profile with a million, of which there are twenty rules."""
    place, visitors = servers.place(), Visitors()
    place.drain(visitors.first_visits())
    heavy = fill_profile(place)
    make_rules(place, TWENTY)
    one, clock = worker(place.environ), scheduler(place.environ)
    one.start()
    clock.start()
    try:
        before = [drained(place, visitors.events(PART)) for _ in range(ROUNDS)]
        rested(place)
        began = time.monotonic()
        meanwhile = drained(place, [heavy_event(), *visitors.events(PART)])
        wait_until(lambda: next_turn(place, heavy) > 0, 600, "the properties of the heavy profile")
        took, waits = time.monotonic() - began, next_turn(place, heavy)
        rested(place)
        heavy_ones = [heavy_event() for _ in range(HEAVY_EVENTS)]
        beside = [drained(place, mixed(visitors.events(PART), heavy_ones)) for _ in range(ROUNDS)]
    finally:
        one.stop()
        clock.stop()
    what = "drain of others beside a profile of 10⁶ events with 20 rules"
    computed = f"it is computed for {took:.0f} s, then not for {waits:,.0f} s"
    return [
        Row(what, rate(beside), f"{rate(before)} without it", ratio_of(beside, before), "0.8"),
        Row("the same, while it is computed", rate([meanwhile]), computed, meanwhile / max(before)),
    ]


def make_rules(place: Place, rules: Sequence[tuple[str, str, str]]) -> None:
    """These rules on page views, computed for everybody there is already."""
    with place.app.app_context():
        source = catalogue.create_source(EVENTS_APP, "page views", "pageview").guid
        for number, (column, aggregation, kind) in enumerate(rules):
            values: dict[str, Any] = {"key": f"p{number}", "type": kind, "source_guid": source, "column": column}
            is_array = aggregation in ("all values", "distinct values")
            catalogue.create_rule(values | {"aggregation": aggregation, "is_array": is_array})
    with db_cursor(place) as cursor:
        cursor.execute("UPDATE property_rules SET backfilled_at = now()")


def numbered(events: Sequence[Event]) -> list[Event]:
    """The events, each with a number to calculate with."""
    return [event._replace(data={**event.data, "n": str(number % 1000)}) for number, event in enumerate(events)]


def waiting(place: Place) -> int:
    """How many refreshes wait."""
    with place.app.app_context(), db.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(Refresh).where(Refresh.version > 0)) or 0


def rested(place: Place) -> None:
    """Wait until nothing is left to refresh but what has to wait; then do what autovacuum would have done by now."""

    def is_done() -> bool:
        with place.app.app_context(), db.engine.connect() as connection:
            due = sa.select(Refresh.due_at).where(Refresh.version > 0, Refresh.due_at <= now()).limit(1)
            return connection.execute(due).first() is None

    wait_until(is_done, 600, "the end of the refresh")
    place.analyze()


def drained(place: Place, events: Sequence[Event]) -> float:
    """Events a second through the stream, by the worker that runs."""
    began = time.perf_counter()
    place.fill_stream(events)
    with place.app.app_context():
        wait_until(services().stream.is_empty, 600, "the end of the drain")
    return len(events) / (time.perf_counter() - began)


def fill_profile(place: Place) -> str:
    """A million events, with two data keys each, of one device; its profile."""
    place.drain([heavy_event()])
    with place.app.app_context():
        found = profiles.find_by(services().identity, "anonymous", "heavy")
    assert found
    with db_cursor(place) as cursor:
        cursor.execute(
            "WITH old AS (INSERT INTO events (type, anonymous_id, profile_guid, profile_associated_at, occurred_at)"
            " SELECT 'pageview', 'heavy', %s, now(), now() - n * interval '1 second' FROM generate_series(1, 1000000) AS n"
            " RETURNING guid, extract(epoch FROM occurred_at)::bigint AS second)"
            " INSERT INTO event_data (event_guid, key, value)"
            " SELECT guid, 'n', (second %% 1000)::text FROM old UNION ALL SELECT guid, 'key_0', '/' || second %% 100 FROM old",
            [found.guid],
        )
    place.analyze()
    return found.guid


def heavy_event() -> Event:
    """One more of them."""
    moment, data = now(), {"n": "1", "key_0": "/"}
    return Event(new_guid("evt"), "pageview", None, "heavy", moment, moment, data, None, "key", "192.0.2.1")


def mixed(others: Sequence[Event], heavy_ones: Sequence[Event]) -> list[Event]:
    """The others' events, and the heavy ones anew, evenly among them."""
    every = len(others) // len(heavy_ones)
    found: list[Event] = []
    for place, one in enumerate(others):
        found += [one] if place % every else [one, heavy_ones[place // every]._replace(guid=new_guid("evt"))]
    return found


def next_turn(place: Place, profile: str) -> float:
    """In how many seconds the profile is refreshed again at the earliest; 0 while it is to be refreshed now."""
    with place.app.app_context(), db.engine.connect() as connection:
        due_at = connection.scalar(sa.select(Refresh.due_at).where(Refresh.profile_guid == profile))
    wait_s = (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds() if due_at else 0.0
    return max(0.0, wait_s)
