"""Import: a file's events into the stream, at the speed that the workers allow, and on from where it stopped."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import redis

from app.importing.mapping import ColumnMapping, UnreadableTime
from app.importing.source import Place, Record, Source
from app.stream import STREAM, BufferFull, EventStream
from backends.event import Event

CHUNK = 2000
PAUSE_S = 0.5
CHECKPOINT_S = 7 * 86_400


class RecordRefused(Exception):
    """Raised when a record can't become an event; the message says why."""


@dataclass
class Tally:
    """What became of the file so far."""

    line: int = 0
    accepted: int = 0
    rejected: int = 0
    resumed_at: int = 0
    is_waiting: bool = False
    place: Place = field(default_factory=Place)


@dataclass(frozen=True)
class Import:
    """One run over a file. It may be repeated, or stopped and started again: an event is stored once.

    `check` makes an Event of what a client would send, or raises RecordRefused. `refuse` hears of each bad line,
    `tell` of the progress after each chunk.
    """

    stream: EventStream
    source: Source
    mapping: ColumnMapping
    producer_guid: str
    check: Callable[[dict[str, Any]], Event]
    refuse: Callable[[int, str], None]
    tell: Callable[[Tally], None]

    def run(self) -> Tally:
        """1. Where the last run stopped. 2. Chunk by chunk: check, append, note. 3. Forget that note: all is done."""
        digest = self.source.digest()
        checkpoint = self._checkpoint(digest)
        line = int(self._insist(lambda: self.stream.client.get(checkpoint), Tally()) or 0)
        tally = Tally(line=line, resumed_at=line)
        fresh = (record for record in self.source.read(tally.place) if record.line > line)
        for chunk in _chunks(fresh):
            self._take(chunk, digest, tally)
            self._insist(lambda: self.stream.client.set(checkpoint, tally.line, ex=CHECKPOINT_S), tally)
            self.tell(tally)
        self._insist(lambda: self.stream.client.delete(checkpoint), tally)
        return tally

    def wait(self, tell: Callable[[int], None]) -> None:
        """Return when all that was in the stream is stored; `tell` hears how many entries wait."""
        newest = self._insist(lambda: self.stream.client.xrevrange(STREAM, count=1), Tally())
        while newest and self._insist(lambda: self.stream.client.xrange(STREAM, max=newest[0][0], count=1), Tally()):
            tell(self._insist(lambda: self.stream.client.xlen(STREAM), Tally()))
            time.sleep(0.1)

    def _take(self, chunk: Sequence[Record], digest: str, tally: Tally) -> None:
        events = [event for record in chunk if (event := self._event(record, digest, tally))]
        if events:
            self._insist(lambda: self.stream.append(events), tally)
        tally.accepted += len(events)
        tally.line = chunk[-1].line

    def _event(self, record: Record, digest: str, tally: Tally) -> Event | None:
        try:
            return self.check(self._sent(record, digest))
        except (RecordRefused, UnreadableTime) as error:
            tally.rejected += 1
            self.refuse(record.line, str(error))
            return None

    def _sent(self, record: Record, digest: str) -> dict[str, Any]:
        """The event as a client would send it; the file and the line make its messageId, unless it has one."""
        if record.problem:
            raise RecordRefused(record.problem)
        is_row = self.source.form == "csv" or self.mapping.columns
        event = self.mapping.apply(record.values) if is_row else self.mapping.complete(record.values)
        return event if event.get("messageId") else {**event, "messageId": f"{digest[:32]}:{record.line}"}

    def _insist(self, call: Callable[[], Any], tally: Tally) -> Any:
        """Back pressure: wait until there is room, and until Redis is there again."""
        while True:
            try:
                return call()
            except (BufferFull, redis.RedisError):
                tally.is_waiting = True
                self.tell(tally)
                time.sleep(PAUSE_S)
                tally.is_waiting = False

    def _checkpoint(self, digest: str) -> str:
        """Where the line is kept. What was rejected under another mapping is read again, so the mapping is part of the key."""
        how = orjson.dumps([self.source.form, self.source.delimiter, sorted(self.mapping.columns.items())])
        more = orjson.dumps([self.mapping.type, self.mapping.time_format, self.producer_guid])
        return f"import:{digest[:32]}:{hashlib.sha256(how + more).hexdigest()[:16]}"


def _chunks(records: Iterator[Record]) -> Iterator[tuple[Record, ...]]:
    while chunk := tuple(islice(records, CHUNK)):
        yield chunk
