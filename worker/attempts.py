"""Attempts: notes in Redis of how often the events of a suspect entry were tried, and what came of it."""

from collections.abc import Iterable, Sequence

import redis

from backends.event import Event
from worker.consumer import Entry

COUNTS = "drain:attempts:"
REASONS = "drain:reasons:"
KEPT_S = 86_400
"""Notes go with their entry; what a worker notes after another was done with it goes after so long."""


class Attempts:
    """The notes on the events of one entry."""

    def __init__(self, client: redis.Redis, entry: Entry) -> None:
        self._client = client
        self._counts, self._reasons = _keys(entry)

    def of(self, events: Sequence[Event]) -> dict[str, int]:
        """How often each was tried, by its guid. Less than never, where two workers had the entry and one was done first."""
        guids = [event.guid for event in events]
        return {guid: int(count or 0) for guid, count in zip(guids, self._client.hmget(self._counts, guids), strict=True)}

    def count(self, events: Iterable[Event], change: int = 1) -> list[int]:
        """Note that these are being tried, before it may kill us; or, by -1, that it was not their fault. Returns how often
        each was tried, this time included."""
        with self._client.pipeline() as pipeline:
            for event in events:
                pipeline.hincrby(self._counts, event.guid, change)
            pipeline.expire(self._counts, KEPT_S)
            return [int(answer) for answer in pipeline.execute()[:-1]]

    def reason(self, event: Event) -> str | None:
        """What went wrong the last time, if its worker lived to tell."""
        found = self._client.hget(self._reasons, event.guid)
        return found.decode() if isinstance(found, bytes) else None

    def explain(self, event: Event, reason: str) -> None:
        """Note what went wrong."""
        with self._client.pipeline() as pipeline:
            pipeline.hset(self._reasons, event.guid, reason)
            pipeline.expire(self._reasons, KEPT_S)
            pipeline.execute()

    def forget(self, events: Iterable[Event]) -> None:
        """These are stored, or parked."""
        guids = [event.guid for event in events]
        self._client.hdel(self._counts, *guids)
        self._client.hdel(self._reasons, *guids)


def forget_entries(client: redis.Redis, entries: Iterable[Entry]) -> None:
    """All events of these are stored, or parked: also where a worker died between making and removing its notes."""
    if keys := [key for entry in entries for key in _keys(entry)]:
        client.delete(*keys)


def _keys(entry: Entry) -> tuple[str, str]:
    return COUNTS + entry.id.decode(), REASONS + entry.id.decode()
