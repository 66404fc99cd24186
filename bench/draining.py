"""Events a second through the worker: against raw COPY, by two workers, in the scan, with much stored."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg2
import sqlalchemy as sa

from app.models import db
from backends.event import Event, new_guid, now
from backends.sql.copy import copy_rows
from backends.sql.records import DATA_COLUMNS, EVENT_COLUMNS, data_lines, event_line
from backends.sql.tables import event_data, events
from bench.places import Place, Servers
from bench.table import Row, ratio_of
from bench.workload import Visitors

ROUNDS = 3
BATCH = 1000


def measure(servers: Servers, events_a_round: int) -> list[Row]:
    """Rows 3 to 5 of the table, each round on the same two databases in turn."""
    drained, twin = servers.place(), servers.place()
    visitors = Visitors()
    first = visitors.first_visits()
    drained.drain(first)
    raw_copy(twin, first)
    one, copied, two, scanned = [], [], [], []
    for _ in range(ROUNDS):
        part = visitors.events(events_a_round)
        drained.analyze()
        one.append(drained.drain(part))
        twin.analyze()
        copied.append(raw_copy(twin, with_profiles(drained, part)))
        two.append(drained.drain(visitors.events(events_a_round), processes=2))
        scanned.append(scan(drained, visitors.events(events_a_round)))
    worst = worst_case(servers, events_a_round)
    return [
        Row("drain with identity, events/s, one worker", rate(one), f"{rate(copied)} raw COPY", ratio_of(one, copied), "0.5"),
        Row("the same, every device signing in once", rate([worst]), f"{rate(copied)} raw COPY", worst / max(copied)),
        Row("two drain workers, events/s", rate(two), f"{rate(one)} one worker", ratio_of(two, one), "1.5"),
        Row("scan of outside rows, events/s", rate(scanned), f"{rate(one)} drain", ratio_of(scanned, one), "0.5"),
    ]


def measure_size(servers: Servers, few: int, many: int) -> list[Row]:
    """The cost of an event when `many` are stored, against `few`; and beside a device with a million events being claimed."""
    place = servers.place()
    visitors = Visitors()
    place.drain(visitors.first_visits())
    fill(place, few)
    place.analyze()
    small = [place.drain(visitors.events(20_000)) for _ in range(ROUNDS)]
    fill(place, many - few)
    place.analyze()
    large = [place.drain(visitors.events(20_000)) for _ in range(ROUNDS)]
    cost = ratio_of(small, large)
    before, beside = beside_heavy_device(place, visitors)
    kept = ratio_of(beside, before)
    return [
        Row(f"cost of an event with {many:,} stored", rate(large), f"{rate(small)} with {few:,}", cost, "at most 1.3"),
        Row("drain of others beside a claimed device of 10⁶ events", rate(beside), f"{rate(before)} before", kept, "0.8"),
    ]


def rate(figures: Sequence[float]) -> str:
    """The best of the rounds."""
    return f"{max(figures):,.0f}"


def raw_copy(place: Place, copied: Sequence[Event]) -> float:
    """Events a second by COPY alone, of lines that are made already, in transactions as large as the drain's."""
    moment = now()
    batches = [copied[start : start + BATCH] for start in range(0, len(copied), BATCH)]
    made = [([event_line(event, moment) for event in batch], list(data_lines(batch))) for batch in batches]
    with place.app.app_context():
        began = time.perf_counter()
        for event_lines, data in made:
            with db.engine.begin() as connection:
                copy_rows(connection, events, EVENT_COLUMNS, event_lines)
                copy_rows(connection, event_data, DATA_COLUMNS, data)
        return len(copied) / (time.perf_counter() - began)


def with_profiles(place: Place, part: Sequence[Event]) -> list[Event]:
    """The events as they were stored."""
    with place.app.app_context(), db.engine.connect() as connection:
        profiles = dict(connection.execute(sa.select(events.c.guid, events.c.profile_guid)).all())
    return [event._replace(profile_guid=profiles[event.guid]) for event in part]


def scan(place: Place, part: Sequence[Event]) -> float:
    """Events a second from rows that others inserted."""
    moment = "2026-01-01T00:00:00.000Z"
    with place.app.app_context(), db.engine.begin() as connection:
        lines = (event_line(event._replace(created_at=moment), moment) for event in part)
        copy_rows(connection, events, EVENT_COLUMNS, lines)
        copy_rows(connection, event_data, DATA_COLUMNS, data_lines(part))
        fresh = events.c.created_at == sa.bindparam("moment", moment, events.c.created_at.type)
        connection.execute(sa.update(events).where(fresh).values(profile_associated_at=None))
    place.analyze()
    return len(part) / place.work("scan")


def worst_case(servers: Servers, count: int) -> float:
    """Every device signs in once: events/s when each second event claims a device that has a profile."""
    place = servers.place()
    people = count // 4
    visitors = Visitors(people=people, first_sign_ins=1.0)
    place.drain(visitors.first_visits())
    place.analyze()
    return place.drain(visitors.events(people))


def fill(place: Place, count: int) -> None:
    """So many more stored events of people who don't come again, straight into the tables."""
    with db_cursor(place) as cursor:
        for start in range(0, count, 100_000):
            numbers = f"generate_series({start + 1}, {min(start + 100_000, count)}) AS n"
            cursor.execute(
                "WITH old AS (INSERT INTO events (type, anonymous_id, profile_guid, profile_associated_at)"
                f" SELECT 'pageview', 'old-' || n % 100000, 'pro_' || n % 100000, now() FROM {numbers} RETURNING guid)"
                " INSERT INTO event_data (event_guid, key, value)"
                " SELECT guid, 'key_' || k, 'value' FROM old, generate_series(1, 5) AS k"
            )


def beside_heavy_device(place: Place, visitors: Visitors) -> tuple[list[float], list[float]]:
    """Events/s of others, alone and while another worker re-points a device with a million events, in turn."""
    claim_heavy_device(place)
    place.analyze()
    before, beside = [], []
    for _ in range(ROUNDS):
        before.append(place.drain(visitors.events(20_000)))
        with db_cursor(place) as cursor:
            cursor.execute("UPDATE repoints SET taken_until = NULL")  # by the last round's worker, which was killed
        mover = place.start("repoint")[0]
        time.sleep(1)
        beside.append(place.drain(visitors.events(20_000)))
        assert mover.poll() is None, "the device was re-pointed before the others were drained"
        mover.kill()
        mover.communicate()
    return before, beside


def claim_heavy_device(place: Place) -> None:
    """A million events of one device, and now somebody signs in on it."""
    with db_cursor(place) as cursor:
        cursor.execute(
            "INSERT INTO events (type, anonymous_id, profile_guid, profile_associated_at)"
            " SELECT 'pageview', 'heavy', 'pro_heavy', now() FROM generate_series(1, 1000000)"
        )
    moment = now()
    heavy = Event(new_guid("evt"), "visit", None, "heavy", moment, moment, {}, None, "key", None)
    place.drain([heavy])
    place.drain([heavy._replace(guid=new_guid("evt"), user_id="user-1")])


@contextmanager
def db_cursor(place: Place) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in one transaction of the place's database."""
    connection = psycopg2.connect(place.url)
    with connection, connection.cursor() as cursor:
        yield cursor
    connection.close()
