"""Refresh: computes the properties of the profiles whose events changed, a rule at a time for some hundred profiles."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from app.properties.marks import ANY, after
from app.properties.rules import EventRule
from app.properties.store import PropertyStore, Refreshing, Wait
from app.properties.values import Computed
from backends.aggregation import Aggregation, Measure
from backends.base import EventBackend, EventQuery
from backends.errors import BackendUnavailable
from backends.event import Timestamp

log = logging.getLogger(__name__)

MOST_AT_ONCE, FEW = 500, 50
"""Profiles. A question for one costs hardly less than for a few: fewer are taken only to find out who is to blame."""

SLOW_S, TOO_SLOW_S = 0.5, 2
"""For one rule: then few profiles are taken; then ever fewer, until whoever takes so long is alone."""

HEAVY_MS = 20
"""Who costs that much waits before they are computed again. Whom the backend fails to compute costs no less, however soon
it says so: else they would be tried again without a pause."""

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
        groups = _groups(taken)
        for place, some in enumerate(groups):
            if place and not may_go_on():
                self.store.release([one for group in groups[place:] for one in group])
                break
            if some[0].source_guid == ANY:
                self.store.spread(some, self.store.sources())
            else:
                self._refresh(some, may_go_on)
        return bool(taken)

    def _refresh(self, some: Sequence[Refreshing], may_go_on: Callable[[], bool]) -> None:
        """1. Compute rule by rule, behind those that they reached. 2. If one takes too long, fewer of them come back, with
        what is left, until whoever is to blame is alone. 3. If time is up, they pause. 4. Else they are done; who cost much
        waits."""
        source, reached = some[0].source_guid, some[0].reached
        profiles = [one.profile_guid for one in some]
        began, clock = time.perf_counter(), self.store.clock()
        rules = [rule for rule in self.store.rules(EventRule, [source]) if rule.guid > reached]
        slowest_s = 0.0
        for rule in rules:
            asked = time.perf_counter()
            is_computed = self.write(rule, profiles, clock)
            slowest_s = max(slowest_s, time.perf_counter() - asked)
            reached = rule.guid if is_computed or len(some) == 1 else reached
            if len(some) > 1 and (not is_computed or slowest_s > TOO_SLOW_S):
                self._at_once = max(1, len(some) // 4)
                return self.store.pause(some, reached, {})
            if not is_computed or (rule is not rules[-1] and not may_go_on()):
                costs = self._costs_ms(rules, profiles, time.perf_counter() - began)
                if not is_computed:
                    costs = {guid: max(costs.get(guid, 0), HEAVY_MS) for guid in profiles}
                return self.store.pause(some, reached, costs, is_whole=is_computed)
        most = FEW if slowest_s > SLOW_S and len(some) > 1 else MOST_AT_ONCE
        self._at_once = min(most, self._at_once * 2)
        costs = self._costs_ms(rules, profiles, time.perf_counter() - began)
        whole = {one.profile_guid: one.spent_ms + costs.get(one.profile_guid, 0) for one in some}
        self.store.finish(some, {guid: _wait(cost) for guid, cost in whole.items() if cost >= HEAVY_MS})
        self.refreshed += len(some)

    def write(self, rule: EventRule, profiles: Sequence[str], began: Timestamp, is_certain: bool = True) -> bool:
        """Compute and write one rule of some profiles, `began` being what the store's clock said before.

        False if that takes the backend too long. Raises BackendUnavailable if it is away.
        """
        try:
            found = self.backend.aggregate(rule.measure(datetime.now(UTC)), profiles)
            values = {guid: (rule.value(one), one.left_out) for guid, one in found.items()}
            self.store.write([Computed(rule, profiles, values, began, is_certain)])
        except BackendUnavailable as error:
            self.backend.ping()
            log.warning("a rule takes too long: %s", error, extra={"rule": rule.guid, "profiles": len(profiles)})
            return False
        return True

    def _costs_ms(self, rules: Sequence[EventRule], profiles: Sequence[str], seconds: float) -> Mapping[str, int]:
        """What each profile cost of these seconds, by how many events it has; nothing if together they cost little."""
        spent = round(seconds * 1000)
        if spent < HEAVY_MS or not rules:
            return {}
        type = rules[0].event_type
        if len(profiles) == 1:
            is_long = self.backend.count(EventQuery(type=type, profile_guid=profiles[0]), at_most=LONG) >= LONG
            return {profiles[0]: spent} if is_long else {}
        found = self.backend.aggregate(Measure(type, "type", Aggregation.COUNT), profiles)
        counts = {guid: one.value for guid, one in found.items() if isinstance(one.value, int)}
        total = sum(counts.values()) or 1
        return {guid: spent * count // total for guid, count in counts.items() if count >= LONG}


def _groups(taken: Sequence[Refreshing]) -> list[list[Refreshing]]:
    """Who has the same rules to be computed; but alone who cost much the last time, so that nobody has to wait with them."""
    groups: dict[tuple[str, str, str], list[Refreshing]] = {}
    for one in taken:
        alone = one.profile_guid if one.cost_ms >= HEAVY_MS else ""
        groups.setdefault((alone, one.source_guid, one.reached), []).append(one)
    return [some for _, some in sorted(groups.items())]


def _wait(cost_ms: int) -> Wait:
    return cost_ms, after(cost_ms / 1000 / SHARE)
