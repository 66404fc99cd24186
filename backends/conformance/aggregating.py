"""What is computed of a profile's events is what the definition says (backends.aggregation)."""

import math
from random import Random

import pytest

from backends.aggregation import NUMBER, NUMERIC, Aggregate, Aggregation, Filter, Measure, Operator
from backends.base import EventBackend
from backends.conformance.making import an_event, at
from backends.event import Event
from backends.memory import MemoryBackend

PROFILES = ["pro_1", "pro_2", "pro_3", "pro_nobody"]
TEXTS = ["", "/", "/about", "/About", "/about ", "é", "e\u0301", "😀", "100%", "a_b", "a\\b", "it's", "a\nb"]
NUMBERS = ["0", "-0", "1", "2", "10", "9", "-3.5", "0.1", "1e2", "1E-2", "123456789.25", "2.50"]
NO_NUMBERS = ["12abc", "01", "1.", ".5", "+1", " 1", "1\n", "NaN", "Infinity", "1e999", "0x1", "１"]
VALUES = [*TEXTS, *NUMBERS, *NO_NUMBERS]
COLUMNS = ["occurredAt", "ipAddress", "type", "userId", "data.x", "data.y"]
MOMENTS = [f"2026-01-01T00:00:0{second}.{fraction}Z" for second in range(3) for fraction in ("000", "001", "999")]
ROUNDS = 20
"""Of events drawn by chance: what matters is that values and times collide."""


class Aggregating:
    @pytest.mark.parametrize("aggregation", list(Aggregation))
    def test_what_is_computed_is_what_the_definition_says(self, backend: EventBackend, aggregation: Aggregation) -> None:
        for seed in range(ROUNDS):
            chance, definition = Random(seed), MemoryBackend()
            events = draw_events(chance)
            definition.save(events)
            backend.save(events)
            for measure in [draw_measure(chance, aggregation) for _ in range(3)]:
                expected, found = definition.aggregate(measure, PROFILES), backend.aggregate(measure, PROFILES)
                assert found.keys() == expected.keys(), (seed, measure)
                assert all(agree(found[guid], expected[guid]) for guid in expected), (seed, measure, found, expected)
            backend.discard([event.guid for event in events])

    def test_a_list_has_so_many_values_at_the_most(self, backend: EventBackend) -> None:
        backend.save([an_event(n, data={"x": str(n)}, profile_guid="pro_1") for n in range(1100)])
        everything, distinct = (
            backend.aggregate(Measure("viewed", "data.x", aggregation), ["pro_1"])["pro_1"].value
            for aggregation in (Aggregation.ALL, Aggregation.DISTINCT)
        )

        assert everything == [str(n) for n in range(100, 1100)]
        assert distinct == sorted(str(n) for n in range(100, 1100))

    @pytest.mark.parametrize(
        "aggregation, column, filters, expected",
        [
            (Aggregation.COUNT, "data.path", [], 4),
            (Aggregation.COUNT, "data.path", [Filter("data.path", Operator.NOT_EQUALS, "/")], 3),
            (Aggregation.MOST_RECENT, "data.path", [], "/mobile-sign-in"),
            (Aggregation.LEAST_RECENT, "data.path", [], "/"),
            (Aggregation.AVERAGE, "data.loadTime", [], 125),
            (Aggregation.SUM, "data.loadTime", [], 500),
            (Aggregation.MIN, "data.loadTime", [], 100),
            (Aggregation.MAX, "data.loadTime", [], 200),
            (Aggregation.DIFF, "data.loadTime", [], 100),
            (Aggregation.DISTINCT_COUNT, "data.loadTime", [], 2),
            (Aggregation.DIFF, "occurredAt", [], 3),
        ],
    )
    def test_page_views_are_summed_up(
        self, backend: EventBackend, aggregation: Aggregation, column: str, filters: list[Filter], expected: int | str
    ) -> None:
        views = [("/", "100"), ("/about", "100"), ("/web-sign-in", "100"), ("/mobile-sign-in", "200")]
        for second, (path, load_time) in enumerate(views):
            backend.save([an_event(second, data={"path": path, "loadTime": load_time}, profile_guid="pro_1")])
        pattern = NUMBER if aggregation in NUMERIC and column != "occurredAt" else None

        found = backend.aggregate(Measure("viewed", column, aggregation, filters, pattern=pattern), ["pro_1"])

        assert found == {"pro_1": Aggregate(expected)}


def draw_events(chance: Random) -> list[Event]:
    """Events of a few people, with times and values that collide."""
    pool = chance.sample(VALUES, 4)
    return [
        an_event(
            guid=f"evt_{chance.randrange(10**6)}",
            type=chance.choice(["viewed", "viewed", "viewed", "Viewed"]),
            user_id=chance.choice([None, "ann", "7"]),
            anonymous_id="device",
            occurred_at=chance.choice(MOMENTS),
            created_at=chance.choice([at(100), at(101)]),
            data={key: chance.choice(pool) for key in "xy" if chance.random() < 0.8},
            ip_address=chance.choice([None, "192.0.2.1", "192.0.2.2"]),
            profile_guid=chance.choice([*PROFILES[:3], "pro_1", "pro_other"]),
        )
        for _ in range(chance.randrange(60))
    ]


def draw_filter(chance: Random) -> Filter:
    """One that the app would let pass."""
    column, op = chance.choice(COLUMNS), chance.choice(list(Operator))
    if op in (Operator.GREATER, Operator.LESS):
        return Filter(column, op, chance.choice(MOMENTS if column == "occurredAt" else NUMBERS))
    return Filter(column, op, chance.choice(VALUES[1:]))


def draw_measure(chance: Random, aggregation: Aggregation) -> Measure:
    """One that the app would let pass: only numbers, and occurredAt but for sum and average, are calculated with."""
    column, pattern = chance.choice(COLUMNS), chance.choice([None, NUMBER])
    if aggregation in NUMERIC:
        has_moments = column == "occurredAt" and aggregation not in (Aggregation.SUM, Aggregation.AVERAGE)
        column, pattern = (column, None) if has_moments else (chance.choice(["data.x", "userId"]), NUMBER)
    filters = [draw_filter(chance) for _ in range(chance.choice([0, 0, 1, 2]))]
    return Measure("viewed", column, aggregation, filters, chance.choice([None, None, MOMENTS[4]]), pattern)


def agree(one: Aggregate, other: Aggregate) -> bool:
    """Whether two backends said the same, to twelve digits."""
    if one.left_out != other.left_out:
        return False
    if isinstance(one.value, float | int) and isinstance(other.value, float | int):
        return math.isclose(one.value, other.value, rel_tol=1e-12, abs_tol=1e-9)
    return one.value == other.value
