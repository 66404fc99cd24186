"""What becomes of events that can't be stored, and of those that only look so."""

import time
from collections.abc import Sequence

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from rq.timeouts import JobTimeoutException

from app.identity.view import Pair
from app.models import DeadLetter, db
from app.services import services
from app.stream import GROUP, STREAM
from backends.base import EventQuery
from backends.event import Event
from tests.worker.test_drain import made_event, stored
from worker import drain, jobs
from worker.attempts import COUNTS, KEPT_S, REASONS, Attempts
from worker.consumer import Consumer, Entry
from worker.drain import Drain
from worker.pipeline import Pipeline


def test_poison_is_parked_with_its_reason_and_its_neighbours_are_stored(picky: Flask, client: redis.Redis) -> None:
    services().stream.append([made_event("1"), made_event("2", type="poison"), made_event("3")])

    jobs.drain()

    assert sorted(event.message_id or "" for event in stored()) == ["1", "3"]
    letter = db.session.scalars(sa.select(DeadLetter)).one()
    assert letter.user_id == "ann" and "refused" in letter.reason
    assert client.xlen(STREAM) == 0


def test_a_parked_event_claims_nothing(picky: Flask) -> None:
    services().stream.append([made_event("1", None, "phone"), made_event("2", "ann", "phone", type="poison")])

    jobs.drain()

    assert services().backend.count(EventQuery(user_id="ann")) == 0
    phone = stored()[0]
    services().stream.append([made_event("3", "ann", None)])
    jobs.drain()
    ann = next(event for event in stored() if event.user_id == "ann")
    assert ann.profile_guid != phone.profile_guid


def retried(client: redis.Redis, deliveries: int) -> list[Entry]:
    """Let what waits have been read so many times by workers that died."""
    dead = Consumer(client, "dead")
    entries = dead.read()
    client.xclaim(STREAM, GROUP, "dead", 0, [entry.id for entry in entries], idle=31_000, retrycount=deliveries)
    return entries


def notes(client: redis.Redis) -> list[bytes]:
    """The keys of all notes on suspects."""
    return [*client.scan_iter(f"{COUNTS}*"), *client.scan_iter(f"{REASONS}*")]


def drain_with(pipeline: type[Pipeline]) -> Drain:
    shared = services()
    made = pipeline(shared.identity, shared.backend, frozenset())
    return Drain(shared.redis, shared.stream, Consumer(shared.redis, "test"), made)


class CountingPipeline(Pipeline):
    """Tells how many events it was given at a time."""

    sizes: list[int] = []

    def store_events(self, events: Sequence[Event]) -> list[Pair]:
        self.sizes.append(len(events))
        return super().store_events(events)


class EndlessPipeline(Pipeline):
    """Takes so long that the job's time is up."""

    def store_events(self, events: Sequence[Event]) -> list[Pair]:
        raise JobTimeoutException("time is up")


def test_poison_costs_other_bodies_one_more_try_and_its_own_one_for_each_event(picky: Flask) -> None:
    for body in ([made_event(f"a{n}") for n in range(50)], [made_event("p", type="poison"), made_event("q")]):
        services().stream.append(body)
    CountingPipeline.sizes.clear()

    drain_with(CountingPipeline).run()

    assert CountingPipeline.sizes == [52, 50, 2, 1, 1]
    assert len(stored()) == 51


def test_a_job_whose_time_is_up_ends_also_while_it_stores_event_by_event(at_work: Flask, client: redis.Redis) -> None:
    services().stream.append([made_event("1"), made_event("2")])
    retried(client, deliveries=4)

    with pytest.raises(JobTimeoutException):
        drain_with(EndlessPipeline).run()

    assert client.xpending(STREAM, GROUP)["pending"] == 1


class SlowPipeline(CountingPipeline):
    """Takes longer than the time that a drain takes for itself."""

    def store_events(self, events: Sequence[Event]) -> list[Pair]:
        time.sleep(0.3)
        return super().store_events(events)


def test_an_attempt_that_the_jobs_end_might_cut_short_is_not_begun(
    at_work: Flask, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would count against an event that there is nothing wrong with, and after five of them it would be parked."""
    tried = made_event("2")
    services().stream.append([made_event("1")])
    services().stream.append([tried])
    entry = retried(client, deliveries=4)[1]
    Attempts(client, entry).count([tried])
    CountingPipeline.sizes.clear()
    monkeypatch.setattr(drain, "SLICE_S", 0.2)

    drain_with(SlowPipeline).run()

    assert CountingPipeline.sizes == [1] and len(stored()) == 1
    assert Attempts(client, entry).of([tried]) == {tried.guid: 1}
    assert client.xpending(STREAM, GROUP)["pending"] == 1


def test_what_died_with_its_workers_is_stored_some_at_a_time(at_work: Flask, client: redis.Redis) -> None:
    events = [made_event(str(number)) for number in range(120)]
    services().stream.append(events)
    [entry] = retried(client, deliveries=4)
    Attempts(client, entry).count([events[7], events[9]])
    Attempts(client, entry).count([events[7]])
    CountingPipeline.sizes.clear()

    drain_with(CountingPipeline).run()

    assert CountingPipeline.sizes == [50, 50, 18, 1, 1]
    assert len(stored()) == 120
    assert not notes(client) and client.xlen(STREAM) == 0


def test_what_another_worker_was_done_with_meanwhile_costs_nobody_their_try(at_work: Flask, client: redis.Redis) -> None:
    """The other one removed its note of an event, then this one took its own attempt back: that makes minus one."""
    events = [made_event(str(number)) for number in range(3)]
    services().stream.append(events)
    [entry] = retried(client, deliveries=4)
    Attempts(client, entry).count([events[2]], -1)

    jobs.drain()

    assert len(stored()) == 3
    assert not notes(client) and client.xlen(STREAM) == 0


def test_poison_among_many_costs_a_try_for_each_of_its_part(picky: Flask, client: redis.Redis) -> None:
    services().stream.append([made_event(str(number), type="poison" if number == 60 else "visit") for number in range(120)])
    CountingPipeline.sizes.clear()

    drain_with(CountingPipeline).run()

    assert CountingPipeline.sizes == [120, 50, 50, *[1] * 50, 20]
    assert len(stored()) == 119
    assert not notes(client)


@pytest.mark.parametrize("deliveries", [1, 4])
def test_the_notes_on_suspects_go_with_them(at_work: Flask, client: redis.Redis, deliveries: int) -> None:
    event = made_event("1")
    services().stream.append([event])
    [entry] = retried(client, deliveries)
    Attempts(client, entry).count([event])
    Attempts(client, entry).explain(event, "an error")
    assert len(notes(client)) == 2

    jobs.drain()

    assert stored() and not notes(client)


def test_a_note_that_is_made_when_its_entry_is_gone_does_not_stay(at_work: Flask, client: redis.Redis) -> None:
    event = made_event("1")
    services().stream.append([event])
    [entry] = retried(client, deliveries=4)
    jobs.drain()

    Attempts(client, entry).count([event], -1)
    Attempts(client, entry).explain(event, "an error")

    assert [0 < client.ttl(key) <= KEPT_S for key in notes(client)] == [True, True]
