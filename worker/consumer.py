"""Consumer: the worker's side of the stream; one member of the consumer group."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import redis

from app.stream import BYTES, GROUP, STREAM, decode
from backends.event import Event

BATCH_EVENTS = 1000
RECLAIM_IDLE_MS = 30_000
FORGET_IDLE_MS = 3_600_000

# Acknowledged, deleted and counted in one step; an entry that is gone already is not counted twice.
_ACKNOWLEDGE = """
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[i + 1]) end
end
"""

# What a member has read and not acknowledged goes with it, and is never delivered again: so it must have nothing then.
_FORGET = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""


class Entry(NamedTuple):
    """One accepted body, or a part of it."""

    id: bytes
    size: int
    events: list[Event]
    deliveries: int = 1


class Consumer:
    """Reads entries, of which Redis keeps note until they are acknowledged."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self.client = client
        self.name = name
        self._acknowledge = client.register_script(_ACKNOWLEDGE)
        self._forget = client.register_script(_FORGET)
        self._events_per_entry = 100.0

    def read(self) -> list[Entry]:
        """New entries with about 1,000 events in all; empty when there are none."""
        entries: list[Entry] = []
        missing = BATCH_EVENTS
        while missing > 0:
            count = max(1, min(BATCH_EVENTS, int(missing / self._events_per_entry)))
            page = self._read_group(count)
            entries += page
            if page:
                self._events_per_entry = max(1.0, sum(len(entry.events) for entry in page) / len(page))
            if len(page) < count:
                break
            missing -= sum(len(entry.events) for entry in page)
        return entries

    def reclaim(self) -> list[Entry]:
        """Entries that somebody read 30 s ago or longer and did not acknowledge: their reader is dead."""
        arguments: dict[str, Any] = {"min_idle_time": RECLAIM_IDLE_MS, "start_id": "0-0", "count": 20}
        _, found, *_ = self._with_group(lambda: self.client.xautoclaim(STREAM, GROUP, self.name, **arguments))
        if not found:
            return []
        pending = self.client.xpending_range(STREAM, GROUP, found[0][0], found[-1][0], len(found), self.name)
        deliveries = {one["message_id"]: int(one["times_delivered"]) for one in pending}
        return [_entry(entry_id, fields, deliveries.get(entry_id, 1)) for entry_id, fields in found]

    def acknowledge(self, entries: Iterable[Entry]) -> None:
        """These are stored, or parked: let the stream forget them. May be repeated."""
        pairs = [value for entry in entries for value in (entry.id, entry.size)]
        self._acknowledge(keys=[STREAM, BYTES], args=[GROUP, *pairs])

    def forget_dead_consumers(self) -> None:
        """Remove members of the group that have nothing pending and were not heard of for an hour."""
        for member in self._with_group(lambda: self.client.xinfo_consumers(STREAM, GROUP)):
            if member["pending"] == 0 and member["idle"] > FORGET_IDLE_MS:
                self._forget(keys=[STREAM], args=[GROUP, member["name"]])

    def _read_group(self, count: int) -> list[Entry]:
        answer = self._with_group(lambda: self.client.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=count))
        return [_entry(entry_id, fields, 1) for entry_id, fields in _entries_of(answer)]

    def _with_group(self, call: Any) -> Any:
        try:
            return call()
        except redis.ResponseError as error:
            if not any(sign in str(error) for sign in ("NOGROUP", "no such key")):
                raise
            self._make_group()
            return call()

    def _make_group(self) -> None:
        try:
            self.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another worker made it a moment ago
                raise


def _entry(entry_id: bytes, fields: dict[bytes, bytes], deliveries: int) -> Entry:
    payload = fields[b"events"]
    return Entry(entry_id, len(payload), decode(payload), deliveries)


def _entries_of(answer: Any) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
    """RESP3 answers with a dictionary of lists of pages, RESP2 with a list of pairs."""
    if isinstance(answer, dict):
        return [entry for pages in answer.values() for page in pages for entry in page]
    return [entry for _, page in answer or () for entry in page]
