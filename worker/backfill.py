"""Backfill: a rule that is new, or changed, is computed for everybody; what leaves a moving window is noticed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from backends.base import Cursor, EventBackend, EventQuery
from backends.event import timestamp
from worker.refresh import Refresher

CHUNK = 500
SWEEP_CHUNK = 1000
CLEAR_CHUNK = 5000

LONGEST_SLICE, SHORTEST_SLICE = timedelta(days=1), timedelta(seconds=1)
"""Of the time in which events left a window: what is swept at once."""


class Backfiller:
    """Chunk by chunk, in order of the profiles' guids; how far it came stands on the rule."""

    def __init__(self, store: PropertyStore, refresher: Refresher) -> None:
        self.store = store
        self.refresher = refresher
        self._at_once = CHUNK

    def work_off(self) -> bool:
        """Do one chunk of a rule of events; return whether there was one."""
        if self.store.clear_orphans(CLEAR_CHUNK):
            return True
        if (found := self.store.next_backfill(EventRule)) is None:
            return False
        rule, behind = found
        profiles = self.store.homes(self._at_once, behind)
        if profiles and not self._write(rule, profiles):
            return True
        self.store.note_backfill(rule, behind, profiles, is_done=len(profiles) < self._at_once)
        self._at_once = min(CHUNK, self._at_once * 2)
        return True

    def _write(self, rule: EventRule, profiles: Sequence[str]) -> bool:
        """Compute the rule for a chunk; False if it takes too long, so that it shall be done in smaller ones. Whoever takes
        too long alone is left to the refresh, that nobody has to wait for them."""
        if self.refresher.write(rule, profiles, self.store.clock(), is_certain=False):
            return True
        if len(profiles) == 1:
            self.store.mark(rule.source_guid, profiles)
        self._at_once = max(1, len(profiles) // 4)
        return len(profiles) == 1


def sweep(store: PropertyStore, backend: EventBackend, may_go_on: Callable[[], bool]) -> bool:
    """Mark the profiles whose events have left a rule's window; return whether all are marked."""
    moment = datetime.now(UTC)
    return all([_sweep_rule(store, backend, rule, moment, may_go_on) for rule in store.rules(EventRule) if rule.window_days])


def _sweep_rule(
    store: PropertyStore, backend: EventBackend, rule: EventRule, moment: datetime, may_go_on: Callable[[], bool]
) -> bool:
    """From the oldest on, a slice at a time, so that a scheduler that was away for long catches up piece by piece. A slice
    is a day, or as much less as it takes for few events: it is noted soon, and a job that is killed has got ahead."""
    since, longest = datetime.fromisoformat(rule.swept_to) if rule.swept_to else moment, LONGEST_SLICE
    while since < moment:
        if not may_go_on():
            return False
        until = min(since + longest, moment)
        while until - since > SHORTEST_SLICE and backend.count(_left(rule, since, until), SWEEP_CHUNK) == SWEEP_CHUNK:
            until = since + (until - since) / 2
        _mark_all(store, backend, rule, _left(rule, since, until))
        store.note_sweep(rule, timestamp(until))
        longest = min(LONGEST_SLICE, 2 * (until - since))
        since = until
    return True


def _left(rule: EventRule, since: datetime, until: datetime) -> EventQuery:
    """The events that left the rule's window in that time."""
    window = timedelta(days=rule.window_days or 0)
    return EventQuery(type=rule.event_type, since=timestamp(since - window), until=timestamp(until - window), associated=True)


def _mark_all(store: PropertyStore, backend: EventBackend, rule: EventRule, left: EventQuery) -> None:
    place: Cursor | None = None
    while found := backend.find(left, SWEEP_CHUNK, place):
        store.mark(rule.source_guid, {event.profile_guid for event in found if event.profile_guid})
        last = found[-1]
        place = Cursor(last.occurred_at, last.created_at, last.guid)
        if len(found) < SWEEP_CHUNK:
            return
