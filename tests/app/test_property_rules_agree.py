"""Whatever rule on whatever events: PostgreSQL, MariaDB, SQLite and the definition make the same of them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.properties.rules import EventRule
from app.properties.types import PropertyType
from app.properties.values import Found
from backends.aggregation import COLUMNS, LISTS, Aggregation, Filter, Operator
from backends.base import EventBackend
from backends.event import Event, timestamp
from backends.memory import MemoryBackend
from backends.registry import open_backend
from tests.servers import MariaDb, NotInstalled, Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PROFILES = ["pro_ann", "pro_Ann", "pro_ann ", "pro_änn"]
NUMBERS = [
    *("0", "-0", "-0.0", "1", "7", "007", "10", "1.", ".5", "0.1", "0.2", "0.30000000000000004", "-3.50", "1e5", "1E+2"),
    *("1e-7", "9007199254740993", "123456789012345678", "1234567890123456789", "9" * 40, "9" * 41, "0." + "3" * 40, "1e99"),
    *("1e100", "-1e99", "1e-99", "NaN", "Infinity", "+1", "0x1", "1_000", "1,5", "１", "٣", "--1", "1e", "1e5.0", "12abc"),
    *("1 ", " 1", "1\n"),
]
TEXTS = [
    *("", " ", "a", "A", "a ", " a", "ä", "a\u0308", "Ä", "ß", "ss", "ﬁ", "😀", "\u200b", "%", "_", "a%", "\\", "\\%", "'"),
    *('"', "a\n", "\n", "\r\n", "a\tb", "true", "false", "True", "ann@shop.example", "a@b", "ann@shop.example\n"),
    *("https://x/y", "+49 30 1", "2026-02-01", "2026-02-31", "2026-02-01T10:00:00Z", "1767225600", "1767225600000"),
    *("null", "[1,2]", "i\u0307", "İ", "ı", "ſ"),
]
ENDS = (1, 9, 10, 28, 29, 30, 31, 32)
TIMES = (
    *("", "T10:00", " 10:00", "T1000", "T10:00:59", "T10:00:59.123", "T100059.1"),
    *("T24:00", "T10:60", "T10:00:60", "T10:00:", "T10:00.1", "T10", "10:00"),
)
LIKENESSES = {
    PropertyType.DATE: [
        *(f"{year}-{month:02}-{day:02}" for year in (1900, 2000, 2023, 2024) for month in range(14) for day in (0, *ENDS)),
        *(f"2026-01-01{time}{zone}" for time in TIMES for zone in ("", "Z", "+01:00", "-0130", "+24:00", "+1")),
        *("0999-12-31", "1000-01-01", "0400-02-29", "2026-1-1", "20260101", "2026-01-01\n", "123456789", "1767225600000"),
    ],
    PropertyType.EMAIL: ["".join(characters) for length in range(6) for characters in product("a@.", repeat=length)],
}
"""Texts of which some are of the type; fewer than are told of all values."""
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS]),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9).map(repr),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)
MOMENTS = st.sampled_from(
    [timestamp(NOW - timedelta(days=days, milliseconds=ms)) for days in (0, 1, 29, 30, 31) for ms in (0, 1, 500)]
)
"""Few, so that they collide, and on both sides of a window's edge."""
DATA = st.dictionaries(st.sampled_from(["x", "X", "x ", "y"]), VALUES)
UNSET: SearchStrategy[str | None] = st.none()
EVENTS = st.lists(
    st.builds(
        Event,
        **dict.fromkeys(["message_id", "producer_guid", "profile_associated_at", "updated_at"], UNSET),
        guid=st.integers(0, 10**6).map("evt_{}".format),
        type=st.sampled_from(["t", "t", "t", "T", "t "]),
        user_id=st.sampled_from([None, "ann", "Ann", "7", "07"]),
        anonymous_id=st.just("device"),
        occurred_at=MOMENTS,
        created_at=st.sampled_from([timestamp(NOW), timestamp(NOW + timedelta(milliseconds=1))]),
        data=DATA,
        ip_address=st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
        profile_guid=st.sampled_from(PROFILES),
    ),
    max_size=25,
    unique_by=lambda event: event.guid,
)
COLUMN = st.sampled_from([*COLUMNS, "data.x", "data.x", "data.x ", "data.y", "data.none"])
FILTERS = st.lists(st.builds(Filter, COLUMN, st.sampled_from(Operator), st.one_of(VALUES, MOMENTS)), max_size=2)


@st.composite
def rules(draw: st.DrawFn) -> EventRule:
    """A rule that the app would take."""
    aggregation = draw(st.sampled_from(Aggregation))
    rule = EventRule(
        guid="rul_1",
        source_guid="src_1",
        key="k",
        type=draw(st.sampled_from(PropertyType)),
        is_array=aggregation in LISTS,
        is_unique=False,
        version=1,
        event_type="t",
        column=draw(COLUMN),
        aggregation=aggregation,
        filters=tuple(one if one.op is not Operator.EXISTS else one._replace(match="") for one in draw(FILTERS)),
        window_days=draw(st.sampled_from([None, None, 1, 30])),
    )
    return rule


Stores = dict[str, EventBackend]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Each database there is, set up and empty."""
    path: Path = tmp_path_factory.mktemp("agree") / "events.sqlite3"
    postgres: Postgres = request.getfixturevalue("postgres_server")
    urls = {"sqlite": f"sqlite:///{path}", "postgresql": postgres.make_database("agree")}
    try:
        MariaDb.check_installed()
        urls["mariadb"] = request.getfixturevalue("mariadb_server").make_database("agree")
    except NotInstalled:
        pass  # the conformance suite says so
    opened = {name: open_backend(url) for name, url in urls.items()}
    for one in opened.values():
        one.setup()
    yield opened
    for one in opened.values():
        one.close()


@given(events=EVENTS, asked=st.lists(rules().filter(lambda rule: rule.problem() is None), min_size=1, max_size=4))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_database_makes_the_same_of_a_rule(stores: Stores, events: list[Event], asked: list[EventRule]) -> None:
    definition = MemoryBackend()
    definition.save(events)
    for store in stores.values():
        store.save(events)
    try:
        for rule in asked:
            expected = computed(definition, rule)
            for name, store in stores.items():
                found = computed(store, rule)
                assert found.keys() == expected.keys(), (name, rule)
                assert all(agree(found[guid], expected[guid]) for guid in expected), (name, rule, found, expected)
    finally:
        for store in stores.values():
            store.discard([event.guid for event in events])


def computed(backend: EventBackend, rule: EventRule) -> dict[str, Found]:
    """What becomes of the profiles' property."""
    found = backend.aggregate(rule.measure(NOW), PROFILES)
    return {guid: (rule.value(one), one.left_out) for guid, one in found.items()}


def agree(one: Found, other: Found) -> bool:
    """Whether both say the same, numbers to twelve digits of the greatest that went into them."""
    if isinstance(one[0], int | float) and isinstance(other[0], int | float) and one[1] == other[1]:
        return math.isclose(one[0], other[0], rel_tol=2e-12, abs_tol=1e-9) and type(one[0]) is type(other[0])
    return one == other


def test_twelve_digits_are_told_of_a_sum(stores: Stores) -> None:
    values: Sequence[str] = ["0.1"] * 10 + ["1e9", "-1e9"]
    moment = timestamp(NOW)
    events = [
        Event(f"evt_{place}", "t", "ann", None, moment, moment, {"x": value}, profile_guid="pro_ann")
        for place, value in enumerate(values)
    ]
    rule = EventRule("r", "s", "k", PropertyType.FLOAT, False, False, 1, "t", "data.x", Aggregation.SUM)
    for name, store in stores.items():
        store.save(events)
        assert math.isclose(float(str(computed(store, rule)["pro_ann"][0])), 1.0, abs_tol=1e-6), name
        store.discard([event.guid for event in events])


@pytest.mark.parametrize("type", LIKENESSES)
def test_every_database_takes_the_same_texts_for_a_value(stores: Stores, type: PropertyType) -> None:
    moment = timestamp(NOW)
    events = [
        Event(f"evt_{place:04}", "t", "ann", None, moment, moment, {"x": text}, profile_guid="pro_ann")
        for place, text in enumerate(LIKENESSES[type])
    ]
    rule = EventRule("r", "s", "k", type, True, False, 1, "t", "data.x", Aggregation.ALL)
    definition = MemoryBackend()
    definition.save(events)
    values, left_out = computed(definition, rule)["pro_ann"]
    assert isinstance(values, list) and len(values) + left_out == len(events)
    for name, store in stores.items():
        store.save(events)
        assert computed(store, rule) == computed(definition, rule), name
        store.discard([event.guid for event in events])
