"""The seam between app and worker: a Redis Stream of accepted batches, and the RQ queue that wakes the worker."""

import hashlib
import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import orjson
import redis
from rq import Queue

from backends.event import Event

log = logging.getLogger(__name__)

STREAM = "events:stream"
BYTES = "events:bytes"
GROUP = "drain"
QUEUE = "events"
DRAIN, SCAN, REPOINT, DELETE, EXPIRE = "drain", "scan", "repoint", "delete", "expire"
REFRESH, BACKFILL, SWEEP, LOAD = "refresh", "backfill", "sweep", "load"
"""The worker's jobs, by the name of their function in worker.jobs: the app knows no more of the worker than that."""
ENTRY_EVENTS = 500
MEMORY_SHARE = 0.7
JOB_TIMEOUT_S = 20
LONG_JOB_TIMEOUT_S = 28
"""Of those that may begin with a last long question when their turn of five seconds ends; shorter than their leases."""
TEND_S = 15

# A rate limit's window begins with the first use, and ends by itself.
_SPEND = """
local function spend(key, cost, limit)
  local spent = tonumber(redis.call('GET', key) or '0')
  if spent >= limit then return math.max(1, math.ceil(redis.call('PTTL', key) / 1000)) end
  redis.call('INCRBY', key, cost)
  if spent == 0 then redis.call('EXPIRE', key, 60) end
  return 0
end
"""

# One round trip, and atomic like MULTI: all the entries of a body, or none when the buffer is full or the limit used up.
_APPEND = f"""{_SPEND}
local size = 0
for i = 4, #ARGV do size = size + #ARGV[i] end
if tonumber(redis.call('GET', KEYS[2]) or '0') + size > tonumber(ARGV[1]) then return -1 end
if KEYS[4] then
  local wait = spend(KEYS[4], tonumber(ARGV[2]), tonumber(ARGV[3]))
  if wait > 0 then return -1 - wait end
end
for i = 4, #ARGV do redis.call('XADD', KEYS[1], '*', 'events', ARGV[i]) end
redis.call('INCRBY', KEYS[2], size)
if redis.call('SET', KEYS[3], '1', 'NX', 'EX', '5') then return 1 end
return 0
"""
_APPEND_SHA = hashlib.sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()

_Entry = tuple[bytes, dict[bytes, bytes]]
"""As Redis has it: its id and its fields."""

WANTED_S = {DRAIN: 5, SCAN: 60, REPOINT: 60, DELETE: 60, EXPIRE: 60, REFRESH: 5, BACKFILL: 60, SWEEP: 60, LOAD: 5}
"""For how long a wish for a job stands, should the job itself be lost."""


def wanted(job: str) -> str:
    """The key of the flag that says: this job is in the queue."""
    return f"{job}:wanted"


class BufferFull(Exception):
    """Raised when the events waiting in Redis take all the room that the settings give them."""


class RateLimited(Exception):
    """Raised when an API key has used up what its rate limit gives it; it has more again after `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"this API key's rate limit is used up for {retry_after_s} s more")
        self.retry_after_s = retry_after_s


class RateLimit(NamedTuple):
    """Whoever `name` stands for may send so many events in a minute, which begins with the first of them."""

    name: str
    per_minute: int

    @property
    def key(self) -> str:
        """Where Redis counts."""
        return f"rate:{self.name}"


class Depth(NamedTuple):
    """How much waits: entries (of up to 500 events), events at the most, bytes, and since when (seconds)."""

    entries: int
    bytes: int
    oldest_s: float


def is_short(memory: Mapping[str, Any]) -> bool:
    """Whether Redis, by its INFO on memory, leaves too little room for RQ to drain the stream."""
    limit = memory.get("maxmemory", 0)
    return bool(limit) and memory["used_memory"] > MEMORY_SHARE * limit


def encode(events: Sequence[Event]) -> bytes:
    """One stream entry: a JSON list of events, each a list of its fields; trailing fields that are unset are left out."""
    return orjson.dumps([event[:10] for event in map(tuple, events)])


def decode(payload: bytes) -> list[Event]:
    """The events of one stream entry."""
    return [Event(*fields) for fields in orjson.loads(payload)]


class EventStream:
    """The web side of the stream: append, and look how it stands."""

    def __init__(self, client: redis.Redis, buffer_max_bytes: int, durable_ack: bool) -> None:
        self.client = client
        self.queue = Queue(QUEUE, connection=client, serializer="json", default_timeout=JOB_TIMEOUT_S)
        self._buffer_max_bytes = buffer_max_bytes
        self._durable_ack = durable_ack
        self._spend = client.register_script(f"{_SPEND} return spend(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))")
        self._memory_checked_at = -1.0
        self._memory_is_short = False

    def append(self, events: Sequence[Event], limit: RateLimit | None = None) -> None:
        """Accept the events: when this returns, Redis has all of them. Wakes the worker.

        Raises BufferFull, RateLimited or redis.RedisError; then Redis has none of them, unless its answer was lost.
        A body may go over the limit, so that one larger than the limit is not refused for ever: the next one is refused.
        """
        if self._is_short_of_memory():
            raise BufferFull(f"Redis has used {MEMORY_SHARE:.0%} of its maxmemory")
        payloads = [encode(events[start : start + ENTRY_EVENTS]) for start in range(0, len(events), ENTRY_EVENTS)]
        keys = [STREAM, BYTES, wanted(DRAIN), *([limit.key] if limit else [])]
        allowed = limit.per_minute if limit else 0
        outcome = self._run_append(len(keys), *keys, self._buffer_max_bytes, len(events), allowed, *payloads)
        if outcome == -1:
            raise BufferFull(f"{self._buffer_max_bytes} bytes of events are waiting")
        if outcome < -1:
            raise RateLimited(-1 - outcome)
        if outcome == 1:
            self._enqueue(DRAIN)

    def spend(self, limit: RateLimit) -> None:
        """Count a request that sends no events. Raises RateLimited, or redis.RedisError."""
        if wait := int(cast(int, self._spend(keys=[limit.key], args=[1, limit.per_minute]))):
            raise RateLimited(wait)

    def wake(self, job: str) -> None:
        """Make sure that a worker comes to do the job: for those who know that something waits.

        The job clears the flag, then looks what there is to do: so none is lost, and at most one waits in the queue.
        """
        if self.client.set(wanted(job), "1", nx=True, ex=WANTED_S[job]):
            self._enqueue(job)

    def depth(self) -> Depth:
        """How much waits now."""
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.xlen(STREAM)
            pipeline.get(BYTES)
            pipeline.xrange(STREAM, count=1)
            entries, size, oldest = pipeline.execute()
        age = time.time() - int(oldest[0][0].split(b"-")[0]) / 1000 if oldest else 0.0
        return Depth(entries, int(size or 0), max(0.0, age))

    def is_empty(self) -> bool:
        """Whether no event waits to be stored."""
        return self.client.xlen(STREAM) == 0

    def waiting_events(self, entries: int = 10_000) -> int:
        """How many events wait, counted in the newest `entries` entries and estimated beyond."""
        counted = seen = 0
        for _, payload in self._newest(entries):
            seen += 1
            counted += len(orjson.loads(payload))
        total = self.client.xlen(STREAM)
        return counted if total <= seen or not seen else round(counted * total / seen)

    def find(self, guid: str) -> Event | None:
        """The event of that guid among the 10,000 newest entries."""
        needle = guid.encode()
        for _, payload in self._newest(10_000):
            if needle in payload:
                for event in decode(payload):
                    if event.guid == guid:
                        return event
        return None

    def _newest(self, entries: int) -> Iterator[tuple[bytes, bytes]]:
        end = "+"
        while entries > 0:
            page = cast(list[_Entry], self.client.xrevrange(STREAM, max=end, count=min(entries, 100)))
            for entry_id, fields in page:
                yield entry_id, fields[b"events"]
            if len(page) < min(entries, 100):
                return
            entries -= len(page)
            end = f"({page[-1][0].decode()}"

    def _run_append(self, *arguments: str | int | bytes) -> int:
        # By the connection itself: redis-py's command layer costs as much as Flask does, and retries are switched off.
        pool = self.client.connection_pool
        connection = pool.get_connection()
        try:
            try:
                outcome: int = _ask(connection, "EVALSHA", _APPEND_SHA, *arguments)
            except redis.exceptions.NoScriptError:
                outcome = _ask(connection, "EVAL", _APPEND, *arguments)
            # WAITAOF waits for what its own connection wrote.
            if self._durable_ack and outcome >= 0 and not _ask(connection, "WAITAOF", 1, 0, 400)[0]:
                raise redis.TimeoutError("Redis did not confirm in time that its append-only file has the events")
            return outcome
        finally:
            pool.release(connection)

    def _enqueue(self, job: str) -> None:
        try:
            self.queue.enqueue_call(
                f"worker.jobs.{job}",
                job_id=uuid.uuid4().hex,
                description=job,
                result_ttl=0,
                failure_ttl=86_400,
                timeout=LONG_JOB_TIMEOUT_S if job in (REFRESH, BACKFILL) else JOB_TIMEOUT_S,
            )
        except redis.RedisError:
            # What it is about is safe already. The flag ends by itself, and the schedule wakes every job too.
            log.warning("could not wake the worker for %s; it will be woken later", job)

    def _is_short_of_memory(self) -> bool:
        # INFO costs more than the append itself, so it is asked once a second.
        if time.monotonic() - self._memory_checked_at > 1:
            self._memory_is_short = is_short(self.client.info("memory"))
            self._memory_checked_at = time.monotonic()
        return self._memory_is_short


def _ask(connection: Any, *command: str | int | bytes) -> Any:
    connection.send_command(*command)
    return connection.read_response()
