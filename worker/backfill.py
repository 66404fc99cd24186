"""Backfill: a rule that is new, or changed, is computed for everybody; what leaves a moving window is noticed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.properties.rules import EventRule
from app.properties.store import PropertyStore
from backends.base import Cursor, EventBackend, EventQuery
from backends.event import timestamp
from worker.refresh import Refresher

CHUNK = 500
SWEEP_CHUNK = 1000
CLEAR_CHUNK = 5000


class Backfiller:
    """Chunk by chunk, in order of the profiles' guids; how far it came stands on the rule."""

    def __init__(self, store: PropertyStore, refresher: Refresher) -> None:
        self.store = store
        self.refresher = refresher

    def work_off(self) -> bool:
        """Do one chunk; return whether there was one."""
        if self.store.clear_orphans(CLEAR_CHUNK):
            return True
        if (found := self.store.next_backfill()) is None:
            return False
        rule, behind = found
        profiles = self.store.homes(CHUNK, behind)
        if profiles:
            self.store.write([self.refresher.compute(rule, profiles, is_certain=False)])
        self.store.note_backfill(rule, profiles, is_done=len(profiles) < CHUNK)
        return True


def sweep(store: PropertyStore, backend: EventBackend, may_go_on: Callable[[], bool]) -> bool:
    """Mark the profiles whose events have left a rule's window; return whether all are marked."""
    moment = datetime.now(UTC)
    return all([_sweep_rule(store, backend, rule, moment, may_go_on) for rule in store.rules() if rule.window_days])


def _sweep_rule(
    store: PropertyStore, backend: EventBackend, rule: EventRule, moment: datetime, may_go_on: Callable[[], bool]
) -> bool:
    """From the oldest on, a day at a time, so that a scheduler that was away for long catches up piece by piece."""
    window = timedelta(days=rule.window_days or 0)
    since = datetime.fromisoformat(rule.swept_to) if rule.swept_to else moment
    while since < moment:
        if not may_go_on():
            return False
        until = min(since + timedelta(days=1), moment)
        left = EventQuery(
            type=rule.event_type, since=timestamp(since - window), until=timestamp(until - window), associated=True
        )
        _mark_all(store, backend, rule, left)
        store.note_sweep(rule, timestamp(until))
        since = until
    return True


def _mark_all(store: PropertyStore, backend: EventBackend, rule: EventRule, left: EventQuery) -> None:
    place: Cursor | None = None
    while found := backend.find(left, SWEEP_CHUNK, place):
        store.mark(rule.source_guid, {event.profile_guid for event in found if event.profile_guid})
        last = found[-1]
        place = Cursor(last.occurred_at, last.created_at, last.guid)
        if len(found) < SWEEP_CHUNK:
            return
