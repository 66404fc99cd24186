"""Pipeline: what is done with a batch of events, step by step (03-identity, "Carrying it out")."""

import logging
from collections.abc import Callable, Collection, Sequence

from app.identity.deletions import mark_deleted, without_deleted
from app.identity.links import is_link, remember_links
from app.identity.repoints import Repointer
from app.identity.store import Assigned, IdentityStore
from app.identity.suppressions import count_refused, refused_by
from app.identity.view import Pair
from app.live import Announcer
from app.metrics.meter import Meter, Stopwatch
from app.properties.marks import mark_places, places_of
from app.properties.traits import PREFIXES, Traits
from app.stream import BACKFILL, LOAD, REFRESH
from backends.base import Association, EventBackend, EventQuery
from backends.event import Event

log = logging.getLogger(__name__)

REPOINT_AT_ONCE = 1000
"""As many events are moved within the batch that moves them; more of them by a job, in chunks."""


class Pipeline:
    """Each step may be repeated; a crash between any two of them is made good by doing the batch again."""

    def __init__(
        self,
        store: IdentityStore,
        backend: EventBackend,
        placeholders: frozenset[str],
        meter: Meter | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        self.store = store
        self.backend = backend
        self.meter = meter or Meter()
        self.announcer = announcer
        self.repointer = Repointer(store, backend, placeholders)
        self.traits = Traits(store)
        self._follow_ups: set[str] = set()

    def store_events(self, events: Sequence[Event]) -> list[Pair]:
        """Store accepted events on the profiles of whom they are about; return what is noted for `settle`.

        Raises BackendUnavailable (try again), EventsRefused (one of them can never be stored).
        """
        batch = list({event.guid: event for event in reversed(events)}.values())  # the first of a guid counts
        stopwatch = Stopwatch()
        with self.meter.step("identity"):
            assigned = self.identify(self.admit(batch))
        with self.meter.step("save"):
            new = self.save(assigned.events)
        with self.meter.step("verify"):
            noted = self.verify(assigned, new)
        with self.meter.step("mark"):
            self.learn(assigned.events)
            self.mark(assigned.events)
        log.info("stored events", extra={"events": len(events), "new": len(new), "seconds": stopwatch.seconds()})
        self.meter.add("stored", len(new))
        self._announce(lambda: [event for event in reversed(assigned.events) if event.guid in new])
        self.meter.add("known", len(events) - len(batch) + len(assigned.events) - len(new))
        return noted

    def associate_events(self, events: Sequence[Event]) -> list[Pair]:
        """The same for rows that others inserted: they are there already and get their profiles, or go if they are refused."""
        admitted = self.admit(events)
        kept = {event.guid for event in admitted}
        self.backend.discard([event.guid for event in events if event.guid not in kept])
        assigned = self.identify(admitted)
        found = [Association(event.guid, event.profile_guid, event.user_id, event.anonymous_id) for event in assigned.events]
        associated = self.backend.associate(found)
        log.info("associated rows from outside", extra={"rows": len(associated)})
        self.meter.add("scanned", len(associated))
        noted = self.verify(assigned, kept)
        traits = [event.guid for event in assigned.events if event.type in PREFIXES]
        self.learn(self.backend.find(EventQuery(guids=traits), len(traits)) if traits else [])
        self.mark(assigned.events)
        self._announce(lambda: self.backend.find(EventQuery(guids=list(associated)), len(associated)) if associated else [])
        return noted

    def look_again(self, events: Sequence[Event]) -> None:
        """The steps after storing, for stored events of which nobody knows how far they came."""
        self.store.note(events)
        self.learn([event for event in events if event.type in PREFIXES])
        self.mark(events)

    def admit(self, events: Sequence[Event]) -> list[Event]:
        """The events without those of people deleted since, and without those of suppressed ids, which are counted."""
        with self.store.reading() as connection:
            kept = without_deleted(connection, list(events))
            refused = refused_by(connection, kept)
        if len(kept) < len(events):
            left = {event.guid for event in kept}
            deleted = [event for event in events if event.guid not in left]
            self.store.transact(lambda connection: mark_deleted(connection, deleted))
        if refused:
            self.store.transact(lambda connection: count_refused(connection, refused))
            self.meter.add("suppressed", len(refused))
        return [event for event in kept if event.guid not in refused]

    def _announce(self, stored: Callable[[], Sequence[Event]]) -> None:
        if self.announcer:
            self.announcer.announce(stored)

    def identify(self, events: Sequence[Event]) -> Assigned:
        """Step 1."""
        assigned = self.store.assign(events)
        if assigned.has_lookups:
            self._follow_ups.add(LOAD)
        return assigned

    def save(self, events: Sequence[Event]) -> set[str]:
        """Step 2."""
        return self.backend.save(events)

    def verify(self, assigned: Assigned, stored: set[str]) -> list[Pair]:
        """Step 3, reading: what is not with its owner is noted, and what links claim."""
        noted = self.store.verify(assigned, stored)
        links = [event for event in assigned.events if is_link(event)]
        return sorted({*noted, *self._remember(links, stored)}) if links else noted

    def _remember(self, links: Sequence[Event], stored: set[str]) -> set[Pair]:
        """A claim is of a stored event: of one that was there before, perhaps with other ids, that one counts."""
        there = [event if event.guid in stored else self.backend.find_by_guid(event.guid) for event in links]
        return remember_links(self.store, [event for event in there if event and is_link(event)])

    def learn(self, events: Sequence[Event]) -> None:
        """Step 4, before marking: traits that nobody has seen yet become rules."""
        if self.traits.discover(events):
            self._follow_ups.add(BACKFILL)

    def mark(self, events: Sequence[Event]) -> None:
        """Step 4: the properties of these events' profiles are to be computed again."""
        places = places_of(events)
        if self.store.transact(lambda connection: mark_places(connection, places)):
            self._follow_ups.add(REFRESH)

    def follow_ups(self) -> set[str]:
        """The jobs that have something to do now, since this was asked last."""
        wanted, self._follow_ups = self._follow_ups, set()
        return wanted

    def settle(self, noted: Collection[Pair]) -> bool:
        """Step 3, correcting: what was noted is worked off; returns whether something is left for the job."""
        return bool(noted) and self.repoint(REPOINT_AT_ONCE, sorted(noted), len(noted))

    def repoint(self, limit: int, only: Sequence[Pair] | None = None, batch: int = 500) -> bool:
        """Work off repoints (`Repointer.work_off`), counting the events that it moves."""
        before = self.repointer.moved
        try:
            return self.repointer.work_off(limit, only, batch)
        finally:
            if moved := self.repointer.moved - before:
                log.info("re-pointed events", extra={"events": moved})
                self.meter.add("repointed", moved)
                self._follow_ups.add(REFRESH)
