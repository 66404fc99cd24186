"""Segments: how long a list of profiles, filtered and sorted by their properties, takes over 100,000 of them."""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.api.describing import profile_shapes
from app.identity.view import claims_table, identifiers
from app.models import PropertyRule, Source, db
from app.properties.values import properties
from app.segments import reading
from app.segments.matching import Place
from app.segments.segment import Segment, make_segment
from app.services import services
from backends.event import now, timestamp
from bench.places import Place as Bench
from bench.table import Row

CHUNK = 10_000
ROUNDS = 7
PAGE = 50
DEEP = 50_000
"""So many profiles stand before a deep page."""

QUESTIONS = (
    ("all, by guid", None, None),
    ("of one in three, by guid", "purchases > 3", None),
    ("of one in three, by value", "purchases > 3", "-purchases"),
    ("of two conditions, by a third value", "purchases > 3 and last_seen within 30 days", "-revenue"),
    ("of one in 200, by another value", "revenue > 4900", "last_seen"),
    ("of a word in a text", "email contains '777@'", "email"),
    ("of one of two, or not", "(plan = gold or purchases > 20) and not last_seen within 30 days", "purchases"),
    ("without a value", "purchases does not exist and userId exists", None),
)
RULES = {
    **{"visits": "integer", "purchases": "integer", "revenue": "float"},
    **{"last_seen": "date", "plan": "string", "email": "email"},
}


def measure(place: Bench, people: int) -> list[Row]:
    """The first page, a page behind half of all, and the count, of each question; the median of some rounds, in ms."""
    with place.app.app_context():
        fill(people)
        db.session.commit()
    place.analyze()
    with place.app.app_context():
        fields = reading.fields_of(services().identity, "userId")
        return [_row(what, make_segment(*asked, fields, datetime.now(UTC)), people) for what, *asked in QUESTIONS]


def fill(people: int) -> None:
    """So many people, each with a second device that was theirs from the start, and as many properties as they have."""
    moment, chance = now(), random.Random(1)
    times = {"created_at": moment, "updated_at": moment}
    db.session.add(Source(guid="src_1", app_guid="app_events", name="all", event_type="x", options={}, **times))
    for key, type in RULES.items():
        made = {"is_unique": False, "is_array": False, "options": {}, "filters": [], "origin": "user"}
        db.session.add(PropertyRule(guid=f"rul_{key}", key=key, type=type, source_guid="src_1", **made, **times))
    db.session.flush()
    for start in range(0, people, CHUNK):
        _fill_chunk(range(start, min(start + CHUNK, people)), moment, chance)


def _fill_chunk(numbers: range, moment: str, chance: random.Random) -> None:
    homes = {number: f"pro_{chance.randrange(16**12):012x}" for number in numbers}
    known = [{"kind": "user", "value": f"user-{n}", "home": homes[n]} for n in numbers]
    devices = [{"kind": "anonymous", "value": f"device-{n}", "home": f"{homes[n]}-device"} for n in numbers]
    seen = f"{moment} {moment} evt"
    claims = [{"anonymous_id": f"device-{n}", "user_id": f"user-{n}", "origin": "", "seen": seen} for n in numbers]
    values = [_property(homes[n], key, value, moment) for n in numbers for key, value in _values(n, chance).items()]
    db.session.execute(sa.insert(identifiers).values(created_at=moment), [*known, *devices])
    db.session.execute(sa.insert(claims_table), claims)
    db.session.execute(sa.insert(properties), values)


def _values(number: int, chance: random.Random) -> dict[str, int | float | str]:
    """As in a shop: most bought little, few a lot, one in three nothing; everybody looked around."""
    seen = datetime.now(UTC) - timedelta(days=chance.expovariate(1 / 90))
    values: dict[str, int | float | str] = {"visits": int(chance.paretovariate(0.7)) % 10_000, "last_seen": timestamp(seen)}
    if chance.random() < 0.67:
        values |= {"purchases": int(chance.paretovariate(0.5)) % 500 + 1, "revenue": round(chance.random() ** 3 * 5000, 2)}
        values |= {"plan": chance.choices(["free", "silver", "gold"], [90, 9, 1])[0], "email": f"user{number}@shop.example"}
    return values


def _property(home: str, key: str, value: int | float | str, moment: str) -> dict[str, object]:
    text, number = (value, None) if isinstance(value, str) else (str(value), value)
    columns = {"text_value": text, "number_value": number, "unique_value": None, "conflict": None}
    return {"profile_guid": home, "rule_guid": f"rul_{key}", "value": value, **columns, "left_out": 0, "computed_at": moment}


def _row(what: str, segment: Segment, people: int) -> Row:
    store = services().identity
    total = reading.count(store, segment)
    deep = _deep(segment, min(DEEP, total // 2))
    first = _median_ms(lambda: _answer(segment, None))
    behind = _median_ms(lambda: _answer(segment, deep))
    counted = _median_ms(lambda: reading.count(store, segment))
    figures = f"first page {first:.0f} ms, deep page {behind:.0f} ms, count {counted:.0f} ms"
    return Row(f"profiles {what}", figures, f"{total:,} of {people:,}", None, "1,000 ms")


def _answer(segment: Segment, after: Place | None) -> None:
    """What `GET /api/v1/profiles` reads."""
    profile_shapes([one.profile for one in reading.page(services().identity, segment, PAGE + 1, after)])


def _deep(segment: Segment, behind: int) -> Place | None:
    after = None
    while behind > 0 and (found := reading.page(services().identity, segment, min(1000, behind), after)):
        after, behind = found[-1].place, behind - len(found)
    return after


def _median_ms(read: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        read()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
