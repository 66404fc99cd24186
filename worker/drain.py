"""Drain: from the stream through the pipeline, in batches; and what becomes of poison."""

import logging
import traceback
from collections.abc import Sequence

import redis
from rq.timeouts import BaseTimeoutException

from app.dead_letters import park
from app.identity.view import Pair
from app.stream import DRAIN, REPOINT, EventStream
from app.tracing import span
from backends.errors import BackendUnavailable, EventsRefused
from backends.event import Event
from worker.attempts import Attempts, forget_entries
from worker.consumer import Consumer, Entry
from worker.pipeline import Pipeline
from worker.stopping import Slice

log = logging.getLogger(__name__)

SLICE_S = 5
SUSPECT_AFTER_DELIVERIES = 3
PARK_AFTER_ATTEMPTS = 5
TOGETHER = 50
"""Suspects that are tried at a time before each is tried alone: mostly somebody else ended the workers that had them."""

SETTLE_AFTER = 100
KILLER = "it ended the worker's process each time it was tried"


class Drain:
    """Moves events from the stream to the backend, for about five seconds at a time."""

    def __init__(self, client: redis.Redis, stream: EventStream, consumer: Consumer, pipeline: Pipeline) -> None:
        self.meter = pipeline.meter
        self.client = client
        self.stream = stream
        self.consumer = consumer
        self.pipeline = pipeline
        self._noted: set[Pair] = set()

    def run(self) -> None:
        """Drain until nothing waits, or the time is up; then what still waits gets another drain."""
        try:
            self._drain(Slice(SLICE_S))
        finally:
            self._settle()

    def _drain(self, time_left: Slice) -> None:
        reclaimed = False
        while time_left:
            if not self._can_store():
                time_left.pause(0.5)
                continue
            with self.meter.step("read"):
                entries = [] if reclaimed else self.consumer.reclaim()
                reclaimed = reclaimed or not entries
                entries = entries or self.consumer.read()
            if not entries:
                return
            self._handle(entries, time_left)
            if len(self._noted) >= SETTLE_AFTER:
                self._settle()
        self.stream.wake(DRAIN)

    def _settle(self) -> None:
        """Re-point what was noted in these batches: together, for each time costs about as much as for one batch."""
        noted, self._noted = self._noted, set()
        try:
            with self.meter.step("settle"):
                is_more = self.pipeline.settle(noted)
            if is_more:
                self.stream.wake(REPOINT)
        except BackendUnavailable as error:
            log.warning("could not re-point events, the schedule will: %s", _first_line(error))

    def _can_store(self) -> bool:
        """Asked before anything is claimed, so that an outage costs no delivery."""
        try:
            with self.meter.step("ping"):
                self.pipeline.store.ping()
                self.pipeline.backend.ping()
        except BackendUnavailable as error:
            log.warning("can't store events now: %s", _first_line(error))
            return False
        return True

    def _handle(self, entries: Sequence[Entry], time_left: Slice) -> None:
        self.meter.add("batches")
        with span("batch", entries=len(entries)):
            self._handle_all(entries, time_left)

    def _handle_all(self, entries: Sequence[Entry], time_left: Slice) -> None:
        suspects = [entry for entry in entries if entry.deliveries > SUSPECT_AFTER_DELIVERIES]
        good = [entry for entry in entries if entry.deliveries <= SUSPECT_AFTER_DELIVERIES]
        if good:
            self._store(good, time_left)
        for entry in suspects:
            self._store_suspects(entry, TOGETHER, time_left)

    def _store(self, entries: Sequence[Entry], time_left: Slice) -> None:
        """Store a batch; its entries apart if there is something wrong with it, later if the store is away."""
        while True:
            try:
                self._noted.update(self.pipeline.store_events([event for entry in entries for event in entry.events]))
                forget_entries(self.client, [entry for entry in entries if entry.deliveries > 1])
                return self._acknowledge(entries)
            except BackendUnavailable as error:
                log.warning("could not store a batch: %s", _first_line(error))
                if not time_left:
                    return  # it stays pending, and is claimed again when it has been idle for long enough
                time_left.pause(0.2)
            except (BaseTimeoutException, redis.RedisError):
                raise
            except Exception:
                log.exception("a batch can't be stored as a whole", extra={"entries": len(entries)})
                return self._store_apart(entries, time_left)

    def _store_apart(self, entries: Sequence[Entry], time_left: Slice) -> None:
        """Entry by entry, and the events of the one that is to blame part by part: its neighbours may be a thousand."""
        if len(entries) == 1:
            return self._store_suspects(entries[0], TOGETHER if len(entries[0].events) > TOGETHER else 1, time_left)
        for entry in entries:
            self._store([entry], time_left)

    def _store_suspects(self, entry: Entry, at_once: int, time_left: Slice) -> None:
        """Store an entry's events: first those that nobody has tried, so many at a time, then the others one by one, those
        that were tried least before; acknowledge it when all are done.

        The others only while there is time: if the job's end cut an attempt short, that would count against the event.
        """
        attempts = Attempts(self.client, entry)
        counts = attempts.of(entry.events)
        untried = [event for event in entry.events if counts[event.guid] <= 0]
        tried = sorted((event for event in entry.events if counts[event.guid] > 0), key=lambda event: counts[event.guid])
        parts = [untried[place : place + at_once] for place in range(0, len(untried), at_once)]
        are_done = [self._store_part(attempts, part) for part in parts]
        are_done += [bool(time_left) and self._store_suspect(attempts, event) for event in tried]
        if all(are_done):
            forget_entries(self.client, [entry])
            self._acknowledge([entry])

    def _store_part(self, attempts: Attempts, events: Sequence[Event]) -> bool:
        """Store some suspects together; one by one if something is wrong with them. False if any shall be tried again. That
        they are tried is noted before it may kill us: then each is tried alone from there on."""
        if len(events) == 1:
            return self._store_suspect(attempts, events[0])
        attempts.count(events)
        try:
            self._noted.update(self.pipeline.store_events(events))
        except BackendUnavailable as error:
            log.warning("could not store some events: %s", _first_line(error))
            attempts.count(events, -1)
            return False
        except (BaseTimeoutException, redis.RedisError):
            raise
        except Exception:
            log.exception("some events can't be stored together", extra={"events": len(events)})
            attempts.count(events, -1)
            return all([self._store_suspect(attempts, event) for event in events])
        attempts.forget(events)
        return True

    def _store_suspect(self, attempts: Attempts, event: Event) -> bool:
        """Store or park one event; False if it shall be tried again."""
        [count] = attempts.count([event])
        if count > PARK_AFTER_ATTEMPTS:
            self._park(event, attempts.reason(event) or KILLER)
        else:
            try:
                self._noted.update(self.pipeline.store_events([event]))
            except BackendUnavailable as error:
                log.warning("could not store an event: %s", _first_line(error))
                attempts.count([event], -1)
                return False
            except EventsRefused as error:
                self._park(event, f"the store refused it: {error}")
            except (BaseTimeoutException, redis.RedisError):
                raise
            except Exception:
                log.exception("an event can't be stored, attempt %d of %d", count, PARK_AFTER_ATTEMPTS)
                attempts.explain(event, traceback.format_exc())
                return False
        attempts.forget([event])
        return True

    def _park(self, event: Event, reason: str) -> None:
        park(event, reason)
        self._noted.update(self.pipeline.store.note([event]))
        self.meter.add("parked")
        log.error("parked an event as a dead letter")

    def _acknowledge(self, entries: Sequence[Entry]) -> None:
        with self.meter.step("acknowledge"):
            self.consumer.acknowledge(entries)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
