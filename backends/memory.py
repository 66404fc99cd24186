"""MemoryBackend: the contract's shortest reading, for tests and for one process only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Self

from backends.aggregation import Aggregate, Measure, aggregate, passes, value_of
from backends.base import Assignment, Association, Cursor, EventBackend, EventQuery, Move, interval_start
from backends.event import Event, Timestamp, now, timestamp


class MemoryBackend(EventBackend):
    """Events in a dictionary; gone with the process."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self._lock = RLock()

    @classmethod
    def open(cls, url: str) -> Self:
        return cls()

    def setup(self) -> None:
        pass

    def ping(self) -> None:
        pass

    def save(self, events: Sequence[Event]) -> set[str]:
        moment = now()
        with self._lock:
            fresh = {event.guid: event for event in reversed(events) if event.guid not in self.events}
            for guid, event in fresh.items():
                self.events[guid] = event._replace(profile_associated_at=moment, updated_at=moment)
        return set(fresh)

    def find_by_guid(self, guid: str) -> Event | None:
        return self.events.get(guid)

    def find(self, query: EventQuery, limit: int, after: Cursor | None = None) -> list[Event]:
        found = [event for event in self._all() if matches(query, event)]
        found.sort(key=_place, reverse=True)
        return [event for event in found if after is None or _place(event) < after][:limit]

    def count(self, query: EventQuery, at_most: int | None = None) -> int:
        found = sum(matches(query, event) for event in self._all())
        return found if at_most is None else min(found, at_most)

    def volume(self, query: EventQuery, interval: str) -> dict[Timestamp, int]:
        found = [event for event in self._all() if matches(query, event)]
        return dict(Counter(interval_start(event.occurred_at, interval) for event in found))

    def types(self) -> list[str]:
        return sorted({event.type for event in self._all()})

    def data_keys(self, type: str) -> list[str]:
        return sorted({key for event in self.find(EventQuery(type=type), 1000) for key in event.data})

    def unassociated(self, limit: int, min_age_s: float) -> list[Event]:
        latest = timestamp(datetime.now(UTC) - timedelta(seconds=min_age_s))
        waiting = [event for event in self._all() if not event.profile_associated_at and event.created_at <= latest]
        return sorted(waiting, key=lambda event: event.created_at)[:limit]

    def associate(self, associations: Iterable[Association]) -> set[str]:
        with self._lock:
            waiting = [one for one in associations if one.guid in self.events and not self._is_looked_at(one.guid)]
            for guid, profile_guid, user_id, anonymous_id in waiting:
                self._change(guid, profile_guid=profile_guid, user_id=user_id, anonymous_id=anonymous_id)
        return {one.guid for one in waiting}

    def misplaced(self, assignments: Iterable[Assignment], limit: int) -> list[Move]:
        with self._lock:
            return [
                Move(event.guid, event.type, event.profile_guid, assignment.profile_guid)
                for assignment in assignments
                for event in self._selected(assignment)
                if event.profile_associated_at and event.profile_guid != assignment.profile_guid
            ][:limit]

    def move(self, moves: Sequence[Move]) -> None:
        with self._lock:
            for one in moves:
                if (event := self.events.get(one.guid)) and event.profile_guid == one.profile_guid:
                    self._change(one.guid, profile_guid=one.to_profile)

    def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for event in self._all():
            pair = (event.anonymous_id or "", event.user_id or "")
            if "" not in pair and event.anonymous_id in anonymous_ids and event.profile_associated_at:
                found[pair] = min(found.get(pair, event.seen), event.seen)
        return found

    def delete(self, assignments: Iterable[Assignment], limit: int, created_until: Timestamp | None = None) -> int:
        selected = [event for assignment in assignments for event in self._selected(assignment)]
        doomed = [event.guid for event in selected if created_until is None or event.created_at < created_until][:limit]
        with self._lock:
            return sum(self.events.pop(guid, None) is not None for guid in doomed)

    def discard(self, guids: Sequence[str]) -> None:
        with self._lock:
            for guid in guids:
                self.events.pop(guid, None)

    def aggregate(self, measure: Measure, profile_guids: Sequence[str]) -> dict[str, Aggregate]:
        by_profile: dict[str, list[Event]] = {guid: [] for guid in profile_guids}
        for event in self._all():
            if event.profile_guid in by_profile and passes(event, measure) and value_of(event, measure.column) is not None:
                by_profile[event.profile_guid].append(event)
        return {guid: aggregate(measure, found) for guid, found in by_profile.items() if found}

    def identifiers(self, limit: int, after: tuple[str, str] | None = None) -> list[tuple[str, str]]:
        looked_at = [event for event in self._all() if event.profile_associated_at]
        found = {("anonymous", event.anonymous_id) for event in looked_at if event.anonymous_id is not None}
        found |= {("user", event.user_id) for event in looked_at if event.user_id is not None}
        return sorted(one for one in found if after is None or one > after)[:limit]

    def close(self) -> None:
        pass

    def _all(self) -> list[Event]:
        with self._lock:
            return list(self.events.values())

    def _is_looked_at(self, guid: str) -> bool:
        return self.events[guid].profile_associated_at is not None

    def _change(self, guid: str, **values: str | None) -> None:
        changed = self.events[guid]._replace(**values, updated_at=now())  # type: ignore[arg-type]  # all of these are text
        self.events[guid] = changed._replace(profile_associated_at=changed.profile_associated_at or now())

    def _selected(self, assignment: Assignment) -> list[Event]:
        return [event for event in self._all() if _is_selected(assignment, event)]


def _place(event: Event) -> Cursor:
    return Cursor(event.occurred_at, event.created_at, event.guid)


def _is_selected(assignment: Assignment, event: Event) -> bool:
    if assignment.user_id is not None:
        whose = event.user_id == assignment.user_id
    else:
        whose = event.user_id is None and event.anonymous_id == assignment.anonymous_id
    early = assignment.since is not None and event.seen < assignment.since
    late = assignment.until is not None and event.seen >= assignment.until
    return whose and not early and not late


def matches(query: EventQuery, event: Event) -> bool:
    """Whether the query selects the event."""
    exact = ("type", "profile_guid", "user_id", "anonymous_id")
    return (
        all(getattr(query, name) in (None, getattr(event, name)) for name in exact)
        and (query.guids is None or event.guid in query.guids)
        and (query.since is None or event.occurred_at >= query.since)
        and (query.until is None or event.occurred_at < query.until)
        and (query.associated is None or query.associated == (event.profile_guid is not None))
        and (query.looked_at is None or query.looked_at == (event.profile_associated_at is not None))
        and all(event.data.get(key) == value for key, value in query.data.items())
    )
