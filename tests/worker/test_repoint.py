"""Moving events to where they belong now, on each database."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pytest
import sqlalchemy as sa
from flask import Flask

from app.identity import decisions, deletions, profiles, repoints
from app.identity.repoints import Repointer
from app.identity.view import Pair
from app.models import db
from app.services import services
from backends.base import Assignment, EventBackend, EventQuery, Move
from backends.errors import BackendUnavailable
from backends.event import Event
from tests.worker.conftest import sql
from worker import jobs
from worker.pipeline import Pipeline


def visit(second: int, user: str | None, device: str | None) -> Event:
    moment = f"2026-01-01T00:00:{second:02d}.000Z"
    return Event(f"evt_{second}", "visit", user, device, moment, moment, {"path": "/"})


def store(*events: Event) -> None:
    services().stream.append(events)
    jobs.drain()


def profile_of(second: int) -> str | None:
    found = services().backend.find_by_guid(f"evt_{second}")
    assert found
    return found.profile_guid


def work_off() -> None:
    services().stream.client.delete("repoint:wanted", "delete:wanted")
    jobs.delete()
    jobs.repoint()


def test_a_kiosk_stays_shared_when_its_first_person_is_deleted(at_work: Flask) -> None:
    store(visit(1, None, "kiosk"), visit(2, "ann", "kiosk"), visit(3, None, "kiosk"), visit(4, "bob", "kiosk"))
    store(visit(5, None, "kiosk"))
    ann = profiles.find_by(services().identity, "user", "ann")
    assert ann

    deletions.delete(services().identity, ann)
    work_off()

    assert services().backend.count(EventQuery()) == 2
    assert profile_of(4) != profile_of(5)


@pytest.mark.usefixtures("at_work")
def test_a_person_is_deleted_with_what_came_before_the_second_person() -> None:
    store(visit(1, None, "phone"), visit(2, "ann", "phone"), visit(3, "ann", None))
    ann = profiles.find_by(services().identity, "user", "ann")
    assert ann

    deletions.delete(services().identity, ann)
    work_off()

    assert services().backend.count(EventQuery()) == 0
    assert sql("SELECT count(*) FROM event_data")[0][0] == 0
    assert profiles.find(services().identity, ann.guid) is None


@pytest.mark.usefixtures("at_work")
def test_a_merge_and_its_revert_move_the_events_there_and_back() -> None:
    store(visit(1, "ann", "phone"), visit(2, None, "phone"), visit(3, "bob", None))
    identity = services().identity
    ann, bob = profiles.find_by(identity, "user", "ann"), profiles.find_by(identity, "user", "bob")
    assert ann and bob

    merge = decisions.merge(identity, bob, ann)
    work_off()
    merged = {profile_of(second) for second in (1, 2, 3)}
    assert merge and decisions.revert(identity, merge)
    work_off()

    assert merged == {bob.guid}
    assert [profile_of(second) for second in (1, 2, 3)] == [ann.guid, ann.guid, bob.guid]


@pytest.mark.usefixtures("at_work")
def test_a_device_with_many_events_is_moved_in_chunks() -> None:
    store(*(visit(1, None, "phone")._replace(guid=f"evt_old_{number}") for number in range(2500)))
    store(visit(2, "ann", None))
    store(visit(3, "ann", "phone"))
    work_off()

    assert services().backend.count(EventQuery(profile_guid=profile_of(2))) == 2502


class Racing:
    """A backend where somebody does something after it was asked who was first seen where, but before that is written down."""

    def __init__(self, backend: EventBackend, meanwhile: Callable[[], object]) -> None:
        self._backend = backend
        self._meanwhile = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        found = self._backend.first_sightings(anonymous_ids)
        if self._meanwhile:
            self._meanwhile.pop()()
        return found


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("user", ["bob", "carl"])
def test_a_claim_of_a_batch_that_is_stored_while_others_recompute_is_not_lost(user: str) -> None:
    """Between its first step, which writes the claim, and its second, another worker reads the stored events; when the
    batch has verified all and is done, that one writes down what it read: the claim begins later, or there is none."""
    store(visit(1, "ann", "kiosk"), visit(5, None, "kiosk"), visit(8, "bob", "kiosk"), visit(9, None, "kiosk"))
    shared = services()
    pipeline = Pipeline(shared.identity, shared.backend, frozenset())
    assigned = pipeline.identify([visit(3, user, "kiosk")])
    noted: list[Pair] = []

    def finish_batch() -> None:
        noted.extend(pipeline.verify(assigned, pipeline.save(assigned.events)))

    racing = cast(EventBackend, Racing(shared.backend, finish_batch))
    Repointer(shared.identity, racing, frozenset()).work_off(1000)
    pipeline.settle(noted)

    ann, kiosk = profile_of(1), profile_of(9)
    assert profile_of(5) == kiosk != ann
    [first, second] = sql("SELECT user_id, seen FROM claims WHERE anonymous_id = 'kiosk' ORDER BY seen LIMIT 2")
    assert (first[0], second[0], second[1][:20]) == ("ann", user, "2026-01-01T00:00:03.")


@pytest.mark.usefixtures("at_work")
def test_a_worker_that_slept_longer_than_its_lease_leaves_no_claim_that_no_event_makes() -> None:
    """When it has read the stored events it sleeps; meanwhile ann is deleted, another worker carries that out, she is back."""
    store(visit(1, "ann", "kiosk"), visit(5, None, "kiosk"), visit(8, "bob", "kiosk"), visit(9, None, "kiosk"))
    shared = services()
    shared.identity.note([visit(9, None, "kiosk")])

    def while_it_sleeps() -> None:
        sql("UPDATE repoints SET taken_until = '2026-01-01 00:00:00'")
        ann = profiles.find_by(shared.identity, "user", "ann")
        assert ann
        deletions.delete(shared.identity, ann)
        work_off()
        store(visit(20, "ann", "kiosk"))
        work_off()

    racing = cast(EventBackend, Racing(shared.backend, while_it_sleeps))
    Repointer(shared.identity, racing, frozenset()).work_off(1000)

    found = sql("SELECT user_id, seen FROM claims WHERE anonymous_id = 'kiosk' AND user_id <> '' ORDER BY seen")
    assert [(user, seen[:20]) for user, seen in found] == [("bob", "2026-01-01T00:00:08."), ("ann", "2026-01-01T00:00:20.")]


@pytest.mark.usefixtures("at_work")
def test_a_worker_that_slept_before_it_moved_takes_nothing_back_from_whom_it_belongs_to_meanwhile() -> None:
    """It has read what lies elsewhere, and sleeps; another worker, after a claim that is earlier, is done with the device."""
    store(visit(15, None, "phone"), visit(1, "ann", None), visit(2, "bob", None))
    shared = services()
    pipeline = Pipeline(shared.identity, shared.backend, frozenset())
    pipeline.store_events([visit(20, "ann", "phone")])

    class Sleeping:
        def __getattr__(self, name: str) -> Any:
            return getattr(shared.backend, name)

        def move(self, moves: Sequence[Move]) -> None:
            sql("UPDATE repoints SET taken_until = '2026-01-01 00:00:00'")
            store(visit(5, "bob", "phone"))
            work_off()
            shared.backend.move(moves)

    Repointer(shared.identity, cast(EventBackend, Sleeping()), frozenset()).work_off(1000)
    work_off()

    assert profile_of(15) == profile_of(5) != profile_of(20)


@pytest.mark.usefixtures("at_work")
def test_a_worker_that_was_too_slow_has_it_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had it next may have looked before this one moved anything."""
    store(visit(15, None, "phone"))
    shared = services()
    shared.identity.note([visit(15, None, "phone")])

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(shared.backend, name)

        def misplaced(self, assignments: Iterable[Assignment], limit: int) -> list[Move]:
            monkeypatch.setattr(repoints, "WORK_S", 0)
            sql("DELETE FROM repoints")
            return shared.backend.misplaced(assignments, limit)

    assert Repointer(shared.identity, cast(EventBackend, Slow()), frozenset()).work_off(1000)

    assert [tuple(row) for row in sql("SELECT kind, value FROM repoints")] == [("anonymous", "phone")]


def test_nobody_is_merged_into_a_person_who_was_deleted_meanwhile(at_work: Flask) -> None:
    store(visit(1, "ann", None), visit(2, None, "phone"))
    identity = services().identity
    ann, phone = profiles.find_by(identity, "user", "ann"), profiles.find_by(identity, "anonymous", "phone")
    assert ann and phone
    deletions.delete(identity, ann)

    with pytest.raises(decisions.CannotMerge, match="deleted just now"):
        decisions.merge(identity, ann, phone)
    store(visit(3, None, "phone"))
    work_off()

    assert profile_of(2) == profile_of(3) == phone.guid


@pytest.mark.usefixtures("at_work")
def test_a_device_that_takes_the_store_too_long_keeps_no_other_from_its_people() -> None:
    """As one does whose id a million people share."""
    shared = services()
    store(*(visit(second, None, f"phone {second}") for second in range(1, 21)))
    pipeline = Pipeline(shared.identity, shared.backend, frozenset())
    pipeline.store_events([visit(second, "ann", f"phone {second - 20}") for second in range(21, 41)])
    shared.identity.note([visit(1, None, "endless")])
    sql("UPDATE repoints SET created_at = '2026-01-01 00:00:00' WHERE value = 'endless'")

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(shared.backend, name)

        def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[Pair, str]:
            if "endless" in anonymous_ids:
                raise BackendUnavailable("that took too long")
            return shared.backend.first_sightings(anonymous_ids)

    repointer = Repointer(shared.identity, cast(EventBackend, Slow()), frozenset())
    with pytest.raises(BackendUnavailable):
        while repointer.work_off(1000):
            pass
    with pytest.raises(BackendUnavailable):
        while repointer.work_off(1000):
            pass

    assert [row[0] for row in sql("SELECT value FROM repoints")] == ["endless"]
    assert {profile_of(second) for second in range(1, 41)} == {profile_of(21)}


def test_a_deleted_device_does_not_come_back_with_its_last_events(at_work: Flask) -> None:
    """When it is re-pointed before they are gone, for the deletion takes several turns."""
    store(visit(1, None, "phone"), visit(2, None, "phone"))
    shared = services()
    phone = profiles.find_by(shared.identity, "anonymous", "phone")
    assert phone

    deletions.delete(shared.identity, phone)
    jobs.repoint()
    work_off()

    assert services().backend.count(EventQuery()) == 0
    assert profiles.find_by(shared.identity, "anonymous", "phone") is None
    assert sql_of_app("SELECT count(*) FROM identifiers") == sql_of_app("SELECT count(*) FROM profiles") == 0


def test_a_device_of_a_deleted_person_goes_when_nothing_of_it_is_left(at_work: Flask) -> None:
    store(visit(1, None, "phone"), visit(2, "ann", "phone"))
    shared = services()
    ann = profiles.find_by(shared.identity, "user", "ann")
    assert ann

    deletions.delete(shared.identity, ann)
    work_off()

    assert profiles.find_by(shared.identity, "anonymous", "phone") is None
    store(visit(3, None, "phone"))
    assert profile_of(3) not in {ann.guid, None}


def sql_of_app(statement: str) -> object:
    """A single value of the app's database."""
    return db.session.execute(sa.text(statement)).scalar()
