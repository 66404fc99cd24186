"""Whatever is sent in whatever order: the profiles are those of the definition."""

import random
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from app.config import Settings
from app.identity import decisions, deletions, profiles
from app.identity.expiry import expire_events
from app.identity.links import LINKED
from app.identity.rule import Policy
from app.identity.store import IdentityStore, repoints
from app.models import Merge, Property, PropertyRule, Source, db
from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from app.retention import Retention
from app.services import services
from backends.aggregation import Aggregation, aggregate
from backends.base import EventQuery
from backends.event import Event, derived_event_guid, now, timestamp
from backends.memory import MemoryBackend
from tests.app.identity.oracle import Facts, Owner
from worker.pipeline import Pipeline
from worker.refresh import Refresher

USERS = ["ann", "bob", "cy"]
DEVICES = ["phone", "laptop", "kiosk"]
LATER = "9999-01-01T00:00:00.000Z"


def made_event(number: int, second: int, user: str | None, device: str | None) -> Event:
    moment = f"2026-01-01T00:00:{second:02d}.000Z"
    data = {"n": str(number)} if number else {"n": "none"}
    if user and number % 3 == 1:
        data[LINKED] = user
    return Event(derived_event_guid("key", str(number)), "t", user, device, moment, moment, data, str(number))


ids = st.tuples(st.sampled_from([None, *USERS]), st.sampled_from([None, *DEVICES, "ann"])).filter(any)
drafts = st.tuples(st.integers(0, 12), st.integers(0, 9), ids)
batches = st.lists(drafts, min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("store"), batches),
    st.tuples(st.just("store"), batches),
    st.tuples(st.just("merge"), st.tuples(st.sampled_from(USERS), st.sampled_from([*USERS, *DEVICES]))),
    st.tuples(st.just("revert"), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(USERS)),
    st.tuples(st.just("expire"), st.integers(1, 9)),
)


class World:
    """The real thing and the oracle, side by side."""

    def __init__(self, policy: Policy) -> None:
        backend = services().backend
        self.store = IdentityStore(db.engine, policy)
        self.pipeline = Pipeline(self.store, backend, frozenset())
        self.refresher = Refresher(PropertyStore(self.store), backend)
        self.facts = Facts(policy.value)
        self.merges: list[str] = []

    def do(self, name: str, argument: Any) -> None:
        """One step of a plan."""
        {
            "store": self.store_events,
            "merge": self.merge,
            "revert": self.revert,
            "delete": self.delete,
            "expire": self.expire,
        }[name](argument)
        self.refresh()

    def store_events(self, drafted: list[tuple[int, int, tuple[str | None, str | None]]]) -> None:
        events = [made_event(number, second, *pair) for number, second, pair in drafted]
        self.pipeline.settle(self.pipeline.store_events(events))
        for event in events:
            self.facts.events.setdefault(event.guid, event)

    def merge(self, pair: tuple[str, str]) -> None:
        into = profiles.find_by(self.store, "user", pair[0])
        kind = "anonymous" if pair[1] in DEVICES else "user"
        source = profiles.find_by(self.store, kind, pair[1])
        if into and source and (guid := decisions.merge(self.store, into, source)):
            row = db.session.get(Merge, guid)
            assert row
            self.facts.merge(guid, source.owner, into.owner[1], row.created_at)
            self.merges.append(guid)
            db.session.rollback()

    def revert(self, place: int) -> None:
        if place < len(self.merges):
            guid = self.merges.pop(place)
            row = db.session.get(Merge, guid)
            if row and row.kind == "user":
                self.facts.parents.pop(row.child, None)
            self.facts.stated.pop(guid, None)
            db.session.rollback()
            assert decisions.revert(self.store, guid) == (row is not None)

    def delete(self, user: str) -> None:
        if found := profiles.find_by(self.store, "user", user):
            self.facts.delete(found.owner[1])
            deletions.delete(self.store, found)
            while deletions.delete_events(self.store, self.pipeline.backend, 2, LATER):
                pass

    def expire(self, second: int) -> None:
        moment = datetime(2026, 1, 2, 0, 0, second, tzinfo=UTC)
        while expire_events(self.store, self.pipeline.backend, Retention((("t", 1),)), moment, 2) == 2:
            pass
        self.facts.expire("t", timestamp(moment - timedelta(days=1)))

    def settle(self) -> None:
        for _ in range(200):
            if not self.pipeline.repointer.work_off(3):
                return
        raise AssertionError("repoints never end")

    def refresh(self) -> None:
        while self.refresher.work_off(lambda: True):
            pass

    def stored(self) -> dict[str, Event]:
        return {event.guid: event for event in self.pipeline.backend.find(EventQuery(), 10_000)}

    def check(self) -> None:
        """Same events; the same profile exactly for the same owner; nothing left to re-point."""
        stored = self.stored()
        assert stored.keys() == self.facts.events.keys()
        owners: dict[str, Owner] = {}
        homes: dict[Owner, str] = {}
        for guid, event in stored.items():
            owner, profile = self.facts.owner(self.facts.events[guid]), event.profile_guid
            assert profile is not None
            assert owners.setdefault(profile, owner) == owner, f"{profile} is of two"
            assert homes.setdefault(owner, profile) == profile, f"{owner} has two profiles"
        for owner, profile in homes.items():
            found = profiles.find(self.store, profile)
            assert found and (found.guid, found.owner) == (profile, owner)
        with db.engine.connect() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(repoints)).scalar() == 0
        self.check_properties(stored.values())

    def check_properties(self, stored: Collection[Event]) -> None:
        """Each profile has what the rules make of its events; a unique value is one profile's, a rival knows whose."""
        self.refresh()
        mine: dict[str | None, list[Event]] = {}
        for event in stored:
            mine.setdefault(event.profile_guid, []).append(event)
        wanted = {
            (guid, rule.key): rule.value(aggregate(rule.measure(datetime.now(UTC)), events))
            for rule in self.refresher.store.rules(EventRule)
            for guid, events in mine.items()
        }
        rows = list(db.session.execute(sa.select(Property, PropertyRule.key).join(PropertyRule, is_its_rule)))
        found = {(row.profile_guid, key): row.value for row, key in rows if row.value is not None}
        uniques = [(row.value, row.unique_value, row.conflict, row.profile_guid) for row, key in rows if key == "highest"]
        owners = {str(value): guid for value, unique, _, guid in uniques if unique is not None}
        db.session.rollback()

        assert found == {place: value for place, value in wanted.items() if value is not None}
        assert all(owners[str(value)] == (conflict or guid) for value, _, conflict, guid in uniques if value is not None)


is_its_rule = PropertyRule.guid == Property.rule_guid

RULES = {
    "events": ("occurredAt", Aggregation.COUNT, "integer"),
    "numbers": ("data.n", Aggregation.ALL, "integer"),
    "highest": ("data.n", Aggregation.MAX, "integer"),
}


def make_rules() -> None:
    """A source of the events of type t, and rules on it; `highest` is unique."""
    moment = now()
    source = Source(guid="src_t", app_guid="app_events", name="t", event_type="t", options={})
    source.created_at = source.updated_at = moment
    db.session.add(source)
    for key, (column, aggregation, type) in RULES.items():
        rule = PropertyRule(guid=f"rul_{key}", key=key, type=type, is_unique=key == "highest", is_array=key == "numbers")
        rule.source_guid, rule.options, rule.filters = "src_t", {"column": column, "aggregation": aggregation.value}, []
        rule.origin, rule.created_at, rule.updated_at = "user", moment, moment
        db.session.add(rule)
    db.session.commit()


@pytest.fixture(scope="module")
def quick_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    path: Path = tmp_path_factory.mktemp("identity") / "app.sqlite3"
    app = create_app(Settings(database_url=f"sqlite:///{path}", event_backend_url="memory://"))
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()
        services().redis.close()


def emptied() -> None:
    """No events, nobody known; some rules."""
    services().backend.events.clear()  # type: ignore[attr-defined]  # the memory backend's dictionary
    with db.engine.begin() as connection:
        for table in db.metadata.sorted_tables:
            connection.execute(sa.delete(table))
    make_rules()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", list(Policy))
@given(plan=st.lists(steps, max_size=10))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_profiles_are_those_of_the_definition(quick_app: Flask, policy: Policy, plan: list[tuple[str, object]]) -> None:
    emptied()
    world = World(policy)

    for name, argument in plan:
        world.do(name, argument)
    world.settle()

    world.check()


@pytest.mark.timeout(600)
@given(plan=st.lists(steps, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reindexing_changes_nothing(quick_app: Flask, plan: list[tuple[str, object]]) -> None:
    emptied()
    world = World(Policy.SEPARATE)
    for name, argument in plan:
        world.do(name, argument)
    world.settle()
    before = {guid: event.profile_guid for guid, event in world.stored().items()}

    decisions.reindex(world.store, world.pipeline.backend, tell=lambda _: None, chunk=2)
    world.settle()

    assert {guid: event.profile_guid for guid, event in world.stored().items()} == before
    world.check()


def test_workers_side_by_side_agree_with_the_definition(app: Flask) -> None:
    """Given redeliveries in 40 batches, when four workers store them at once, then the definition holds."""
    chance = random.Random(7)
    drafted = [
        (number, chance.randrange(50), (chance.choice([None, *USERS]), chance.choice(DEVICES))) for number in range(300)
    ]
    parts = [chance.sample(drafted, 12) for _ in range(40)]
    barrier = threading.Barrier(4)

    def work(share: list[list[tuple[int, int, tuple[str | None, str | None]]]]) -> None:
        with app.app_context():
            barrier.wait()
            for part in share:
                made = [made_event(number, second, *pair) for number, second, pair in part]
                worker.pipeline.settle(worker.pipeline.store_events(made))

    with app.app_context():
        worker = World(Policy.SEPARATE)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, [parts[start::4] for start in range(4)]))
        worker.facts.events = {
            event.guid: event for part in parts for draft in part for event in [made_event(draft[0], draft[1], *draft[2])]
        }
        worker.settle()

        worker.check()


class Interrupted(MemoryBackend):
    """A backend where somebody else does something at the moment when events are counted, before or after."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []
        self.is_after = True

    def count(self, query: EventQuery, at_most: int | None = None) -> int:
        if not self.meanwhile:
            return super().count(query, at_most)
        work = self.meanwhile.pop(0)
        found = super().count(query, at_most) if self.is_after else None
        work()
        return super().count(query, at_most) if found is None else found


@pytest.mark.parametrize("device", [None, "phone"])
@pytest.mark.parametrize("moment", ["before the count", "after the count", "after the next count", "after it all"])
def test_who_comes_back_while_their_deletion_ends_has_a_home(quick_app: Flask, device: str | None, moment: str) -> None:
    """Given an event accepted after a deletion, whose profile is chosen already, when it is stored while the deletion ends."""
    emptied()
    backend = Interrupted()
    store = IdentityStore(db.engine, Policy.SEPARATE)
    pipeline = Pipeline(store, backend, frozenset())
    pipeline.store_events([made_event(1, 1, "ann", "laptop")])
    ann = profiles.find_by(store, "user", "ann")
    assert ann
    deletions.delete(store, ann)
    with_new_time = made_event(2, 2, "ann", device)._replace(created_at=LATER)
    assigned = pipeline.identify([with_new_time])

    def save() -> None:
        pipeline.settle(pipeline.verify(assigned, pipeline.save(assigned.events)))

    backend.is_after = moment != "before the count"
    backend.meanwhile = {"after the next count": [list, save], "after it all": []}.get(moment, [save])
    deletions.delete_events(store, backend, 10, "9999-12-31T00:00:00.000Z")
    if moment == "after it all":
        save()
    for _ in range(5):
        pipeline.repointer.work_off(10)

    (event,) = backend.find(EventQuery(), 9)
    home = profiles.find_by(store, "user", "ann")
    assert home and event.profile_guid == home.guid


@pytest.mark.parametrize("was_claimed", [True, False])
def test_what_a_deletion_keeps_from_being_stored_leaves_its_mark(quick_app: Flask, was_claimed: bool) -> None:
    """Given ann's event on the device that waits while she is deleted, then the device was shared since."""
    emptied()
    backend = MemoryBackend()
    store = IdentityStore(db.engine, Policy.SEPARATE)
    pipeline = Pipeline(store, backend, frozenset())
    pipeline.store_events([made_event(1, 9, "ann", "laptop" if was_claimed else None)])
    ann = profiles.find_by(store, "user", "ann")
    assert ann
    deletions.delete(store, ann)

    pipeline.store_events([made_event(2, 1, "ann", "laptop")])
    later = [made_event(3, 2, None, "laptop"), made_event(4, 3, "bob", "laptop")]
    pipeline.store_events([event._replace(created_at=LATER) for event in later])
    for _ in range(5):
        pipeline.repointer.work_off(10)

    owner = {event.guid: event.profile_guid for event in backend.find(EventQuery(), 9)}
    anonymous, bobs = [owner[event.guid] for event in later]
    assert anonymous and anonymous != bobs
