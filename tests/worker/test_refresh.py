"""Refresh and backfill: whatever happens meanwhile, in the end each profile has what the rules make of its events."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.config import Settings
from app.identity import deletions, profiles
from app.models import EVENTS_APP, Property, PropertyRule, Refresh, db
from app.properties import catalogue
from app.properties import store as property_store
from app.properties.reading import properties_of
from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from app.properties.values import Computed
from app.services import services
from backends.aggregation import Aggregate, Measure
from backends.base import Cursor, EventQuery
from backends.errors import BackendUnavailable
from backends.event import Event, new_guid, timestamp
from backends.memory import MemoryBackend
from backends.sql.walks import distinct
from tests.conftest import close
from worker import backfill
from worker.backfill import Backfiller, sweep
from worker.pipeline import Pipeline
from worker.refresh import LONG, Refresher

LATER = "9999-01-01T00:00:00.000Z"


class Troubled(MemoryBackend):
    """A backend that takes too long over some profiles, or for more than some pages of events, and where somebody does
    something after a question was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.weary_of: set[str] = set()
        self.takes_s = 0.0
        self.pages: int | None = None
        self.meanwhile: list[Callable[[], object]] = []

    def aggregate(self, measure: Measure, profile_guids: Sequence[str]) -> dict[str, Aggregate]:
        if self.weary_of & set(profile_guids):
            raise BackendUnavailable("canceling statement due to statement timeout")
        time.sleep(self.takes_s)
        found = super().aggregate(measure, profile_guids)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return found

    def find(self, query: EventQuery, limit: int, after: Cursor | None = None) -> list[Event]:
        if self.pages is not None:
            self.pages -= 1
            if self.pages < 0:
                raise TimeoutError("the job took too long")
        return super().find(query, limit, after)


class Works:
    """The worker's parts on the app's database and a backend that has its troubles."""

    def __init__(self) -> None:
        self.backend = Troubled()
        self.identity = services().identity
        self.store = PropertyStore(self.identity)
        self.pipeline = Pipeline(self.identity, self.backend, frozenset())
        self.refresher = Refresher(self.store, self.backend)
        self.backfiller = Backfiller(self.store, self.refresher)
        self.source = catalogue.create_source(EVENTS_APP, "visits", "visit").guid

    def rule(self, key: str = "visits", **fields: Any) -> PropertyRule:
        values = {"key": key, "type": "integer", "source_guid": self.source, "column": "type", "aggregation": "count"}
        return catalogue.create_rule(values | fields)

    def visit(self, *users: str, count: int = 1, moment: str = "2026-01-01T00:00:00.000Z") -> None:
        events = [Event(new_guid("evt"), "visit", user, None, moment, moment, {}) for user in users for _ in range(count)]
        self.pipeline.settle(self.pipeline.store_events(events))

    def profile(self, user: str) -> str:
        found = profiles.find_by(self.identity, "user", user)
        assert found
        return found.guid

    def forget(self, user: str) -> None:
        found = profiles.find_by(self.identity, "user", user)
        assert found
        deletions.delete(self.identity, found)
        while deletions.delete_events(self.identity, self.backend, 100, LATER):
            pass

    def work(self) -> None:
        """Until nothing is left but what has to wait."""
        for _ in range(1000):
            if not (self.refresher.work_off(lambda: True) | self.backfiller.work_off()):
                return
        raise AssertionError("the work never ends")

    def known(self, *users: str, key: str = "visits") -> list[Any]:
        found = properties_of(self.identity, [self.profile(user) for user in users])
        return [found[self.profile(user)][key].value if key in found[self.profile(user)] else None for user in users]


@pytest.fixture
def works(database_url: str, redis_url: str) -> Iterator[Works]:
    app: Flask = create_app(Settings(database_url=database_url, redis_url=redis_url, event_backend_url="memory://"))
    with app.app_context():
        db.create_all()
        yield Works()
    close(app)


def sql(statement: str, **values: object) -> list[Any]:
    with db.engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return list(result) if result.returns_rows else []


def let_leases_end() -> None:
    sql("UPDATE refreshes SET taken_until = '2026-01-01 00:00:00'")


def let_time_pass() -> None:
    """What waits is due."""
    sql("UPDATE refreshes SET due_at = '2026-01-01 00:00:00'")


def waiting(profile: str) -> list[tuple[int, bool]]:
    """The profile's refreshes: how many reasons there are, and whether it has to wait."""
    rows = db.session.query(Refresh).filter_by(profile_guid=profile).all()
    db.session.rollback()
    return [(row.version, datetime.fromisoformat(row.due_at) > datetime.now(UTC)) for row in rows]


USERS = [f"user-{number}" for number in range(20)]


def test_nobody_waits_for_whom_it_takes_too_long_to_compute(works: Works) -> None:
    works.rule()
    works.visit("heavy", count=LONG)
    works.work()
    works.backend.weary_of = {works.profile("heavy")}
    works.visit("heavy", *USERS)

    works.work()

    assert works.known("heavy", *USERS) == [LONG] + [1] * len(USERS)
    assert waiting(works.profile("heavy"))[0][0] > 0


def test_who_took_too_long_is_computed_as_soon_as_the_backend_can(works: Works) -> None:
    works.rule()
    works.rule("seen", type="date", column="occurredAt", aggregation="max")
    works.visit("heavy", count=LONG)
    works.backend.weary_of = {works.profile("heavy")}
    works.work()
    assert works.known("heavy") == [None]

    works.backend.weary_of = set()
    let_time_pass()
    works.work()

    assert works.known("heavy") == [LONG]
    assert works.known("heavy", key="seen") == ["2026-01-01T00:00:00.000Z"]


def test_a_backfill_goes_on_past_whom_it_takes_too_long(works: Works) -> None:
    works.visit("heavy", count=LONG)
    works.visit(*USERS)
    works.backend.weary_of = {works.profile("heavy")}
    made = works.rule()

    works.work()

    rule = db.session.get(PropertyRule, made.guid)
    assert rule and rule.backfilled_at and rule.backfilled_profiles == len(USERS) + 1
    assert works.known(*USERS) == [1] * len(USERS)
    works.backend.weary_of = set()
    let_time_pass()
    works.work()
    assert works.known("heavy") == [LONG]


def test_who_costs_much_is_computed_rarely_and_in_the_end(works: Works) -> None:
    works.rule()
    works.visit("heavy", count=LONG)
    works.backend.takes_s = 0.05
    works.work()
    assert waiting(works.profile("heavy")) == [(0, True)]
    works.visit("heavy", "bob")

    works.work()
    assert works.known("heavy", "bob") == [LONG, 1]
    assert waiting(works.profile("heavy")) == [(1, True)]

    let_time_pass()
    works.work()
    assert works.known("heavy") == [LONG + 1]


def test_who_costs_a_second_waits_for_a_hundred(works: Works) -> None:
    works.rule()
    works.visit("heavy", count=LONG)
    works.backend.takes_s = 0.2
    began = datetime.now(UTC)
    works.work()

    (row,) = db.session.query(Refresh).all()
    waits_s = (datetime.fromisoformat(row.due_at) - began).total_seconds()
    assert row.cost_ms >= 200
    assert waits_s >= row.cost_ms / 1000 * 100


def test_an_event_that_comes_while_its_profile_is_computed_is_not_forgotten(works: Works) -> None:
    works.rule()
    works.visit("ann")
    works.backend.meanwhile = [lambda: works.visit("ann")]

    works.work()

    assert works.known("ann") == [2]


def test_a_rule_that_changes_while_it_is_computed_is_as_it_is_then(works: Works) -> None:
    made = works.rule()
    works.work()
    works.visit("ann", count=2)
    works.backend.meanwhile = [lambda: catalogue.change_rule(made.guid, {"column": "userId", "aggregation": "distinct count"})]

    works.work()

    assert works.known("ann") == [1]


def test_a_rule_that_goes_while_it_is_computed_leaves_nothing(works: Works) -> None:
    made = works.rule()
    works.visit("ann")
    works.backend.meanwhile = [lambda: catalogue.delete_rule(made.guid)]

    works.work()

    assert db.session.query(Property).count() == 0
    assert db.session.query(Refresh).count() == 0


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)  # SQLite lets nobody else write
def test_a_rule_that_is_made_while_orphans_are_looked_for_keeps_its_values(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    works.visit("ann")

    def meanwhile(*asked: Any) -> list[str]:
        monkeypatch.undo()
        works.rule()
        works.work()
        return distinct(*asked)

    monkeypatch.setattr(property_store, "distinct", meanwhile)
    works.store.clear_orphans(10)

    assert works.known("ann") == [1]


def test_a_rule_that_is_made_while_its_profile_is_computed_is_computed_too(works: Works) -> None:
    works.rule()
    works.visit("ann")
    works.backend.meanwhile = [lambda: works.rule("seen", type="date", column="occurredAt", aggregation="max")]

    works.work()

    assert works.known("ann", key="seen") == ["2026-01-01T00:00:00.000Z"]


@pytest.mark.parametrize("is_backfill", [True, False])
def test_who_is_deleted_while_they_are_computed_has_no_property_left(works: Works, is_backfill: bool) -> None:
    if is_backfill:
        works.visit("ann", "bob")
        works.rule()
    else:
        works.rule()
        works.visit("ann", "bob")
    works.backend.meanwhile = [lambda: works.forget("ann")]
    if is_backfill:
        works.backfiller.work_off()
    works.work()
    let_time_pass()
    works.work()

    left = db.session.scalars(sa.select(Property.profile_guid).distinct()).all()
    assert list(left) == [works.profile("bob")]


def test_a_worker_that_slept_longer_than_its_lease_takes_no_reason_away(works: Works) -> None:
    """Given one that took a profile and slept, when another computed it, and a new event came: then that still counts."""
    works.rule()
    works.work()
    works.visit("ann")
    sleeper = PropertyStore(works.identity)
    taken = sleeper.take(10)
    let_leases_end()
    works.work()
    works.visit("ann")

    sleeper.finish(taken, {})
    sleeper.pause(taken, "rul_zzz", {})
    sleeper.release(taken)

    assert waiting(works.profile("ann")) == [(1, False)]
    works.work()
    assert works.known("ann") == [2]


def test_a_worker_that_slept_writes_nothing_over_what_is_newer(works: Works) -> None:
    works.visit("ann")
    works.rule()
    (rule,) = works.store.rules(EventRule)
    ann = works.profile("ann")
    old = Computed(rule, [ann], {ann: (1, 0)}, works.store.clock(), is_certain=False)
    time.sleep(0.002)
    works.backend.events.clear()
    works.work()
    works.store.mark(works.source, [ann])
    works.work()
    again = Backfiller(works.store, works.refresher)
    sql("UPDATE property_rules SET backfilled_at = NULL, backfilled_to = ''")
    again.work_off()

    works.store.write([old])

    assert works.known("ann") == [None]


def test_two_workers_refresh_the_same_profiles_once(works: Works) -> None:
    works.rule()
    works.work()
    works.visit(*USERS)
    other = Refresher(PropertyStore(works.identity), works.backend)
    works.backend.meanwhile = [lambda: other.work_off(lambda: True)]

    works.work()

    assert works.refresher.refreshed + other.refreshed == len(USERS)
    assert works.known(*USERS) == [1] * len(USERS)


def test_two_workers_that_backfill_the_same_chunk_count_it_once(works: Works) -> None:
    works.visit(*USERS)
    made = works.rule()
    other = Backfiller(works.store, Refresher(works.store, works.backend))
    works.backend.meanwhile = [lambda: [other.work_off() for _ in range(3)]]

    works.work()

    rule = db.session.get(PropertyRule, made.guid)
    assert rule and rule.backfilled_profiles == len(USERS)


def test_a_turn_that_is_over_leaves_the_others_to_whoever_comes_next(works: Works) -> None:
    """Given refreshes of two sources, when there is time for one question only, then nobody has to wait for a lease."""
    works.rule()
    other = catalogue.create_source(EVENTS_APP, "visits too", "visit").guid
    works.rule("again", source_guid=other)
    works.work()
    works.visit("ann")

    while works.refresher.work_off(lambda: False):
        pass

    assert (works.known("ann"), works.known("ann", key="again")) == ([1], [1])
    assert db.session.query(Refresh).count() == 0


def test_a_sweep_that_is_killed_again_and_again_gets_ahead(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a day on which more events left the window than a job has time for."""
    monkeypatch.setattr(backfill, "SWEEP_CHUNK", 5)
    works.rule(window_days=1)
    today = datetime.now(UTC)
    for place, user in enumerate(USERS):
        works.visit(user, moment=timestamp(today - timedelta(days=1, minutes=10 * place + 1)))
    works.work()
    with db.engine.begin() as connection:
        connection.execute(sa.update(PropertyRule).values(swept_to=timestamp(today - timedelta(hours=6))))

    is_done = False
    for _ in range(20):
        works.backend.pages = 2
        with suppress(TimeoutError):
            is_done = is_done or sweep(works.store, works.backend, lambda: True)

    assert is_done
    assert {one.profile_guid for one in works.store.take(100)} == {works.profile(user) for user in USERS}
