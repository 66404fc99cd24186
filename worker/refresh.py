"""Refresh: computes the properties of the profiles whose events changed, a rule at a time for some hundred profiles."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from app.properties.marks import ANY, after
from app.properties.rules import EventRule
from app.properties.store import PropertyStore, Refreshing
from app.properties.values import Computed
from backends.aggregation import Aggregation, Measure
from backends.base import EventBackend
from backends.event import Timestamp, timestamp

MOST_AT_ONCE = 500
SLOW_S = 0.3
HEAVY_MS = 20
LONG = 1000
"""Events that a history has at least that is taken for heavy, however slow the machine is at the moment."""

SHARE = 0.01
"""Of a worker's time that one profile may cost: who costs 20 ms is computed again after two seconds at the earliest."""


class Refresher:
    """Works off refreshes, set-wise: one question a rule for some hundred profiles."""

    def __init__(self, store: PropertyStore, backend: EventBackend) -> None:
        self.store = store
        self.backend = backend
        self.refreshed = 0
        """Profiles refreshed so far, each source counting."""
        self._at_once = MOST_AT_ONCE

    def work_off(self, may_go_on: Callable[[], bool]) -> bool:
        """Refresh some hundred profiles that are due, until `may_go_on` says no; return whether any was due.

        Fewer at a time while they take long. At least one rule is computed, so that there is an end to it.
        """
        taken = self.store.take(self._at_once)
        groups: dict[tuple[str, str], list[Refreshing]] = {}
        for one in taken:
            groups.setdefault((one.source_guid, one.reached), []).append(one)
        for (source, reached), some in sorted(groups.items()):
            if source == ANY:
                self.store.spread(some, self.store.sources())
            else:
                self._refresh(source, reached, some, may_go_on)
        return bool(taken)

    def _refresh(self, source: str, reached: str, some: Sequence[Refreshing], may_go_on: Callable[[], bool]) -> None:
        """Compute the rules of the source behind `reached`, as far as we come."""
        profiles = [one.profile_guid for one in some]
        began = time.perf_counter()
        rules = [rule for rule in self.store.rules([source]) if rule.guid > reached]
        for rule in rules:
            self.store.write([self.compute(rule, profiles)])
            if rule is not rules[-1] and not may_go_on():
                self.store.pause(some, rule.guid, self._costs_ms(rules, profiles, time.perf_counter() - began))
                return
        seconds = time.perf_counter() - began
        self._at_once = max(1, self._at_once // 4) if seconds > SLOW_S else min(MOST_AT_ONCE, self._at_once * 2)
        costs = self._costs_ms(rules, profiles, seconds)
        whole = {one.profile_guid: one.cost_ms + costs.get(one.profile_guid, 0) for one in some}
        self.store.finish(some, {guid: _wait(cost) for guid, cost in whole.items() if cost > HEAVY_MS})
        self.refreshed += len(some)

    def compute(self, rule: EventRule, profiles: Sequence[str], is_certain: bool = True) -> Computed:
        """One rule of some profiles."""
        moment = datetime.now(UTC)
        found = self.backend.aggregate(rule.measure(moment), profiles)
        values = {guid: (rule.value(one), one.left_out) for guid, one in found.items()}
        return Computed(rule, profiles, values, timestamp(moment), is_certain)

    def _costs_ms(self, rules: Sequence[EventRule], profiles: Sequence[str], seconds: float) -> Mapping[str, int]:
        """What each profile cost of these seconds, by how many events it has; nothing if together they cost little."""
        spent = round(seconds * 1000)
        if spent <= HEAVY_MS or not rules:
            return {}
        found = self.backend.aggregate(Measure(rules[0].event_type, "type", Aggregation.COUNT), profiles)
        counts = {guid: one.value for guid, one in found.items() if isinstance(one.value, int)}
        total = sum(counts.values()) or 1
        return {guid: spent * count // total for guid, count in counts.items() if count >= LONG}


def _wait(cost_ms: int) -> Timestamp:
    return after(cost_ms / 1000 / SHARE)
