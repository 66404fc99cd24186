"""StoreCollector: what the stores tell at a scrape; bounded in cost whatever is stored, and in time whatever is away."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import redis
import sqlalchemy as sa
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rq import Worker

from app.background import begin
from app.health import dependencies
from app.identity.store import IdentityStore
from app.metrics.meter import COUNTS, CPU, STEP, STEPS, TALLY, memory_key
from app.models import DeadLetter, Repoint
from app.services import Services
from app.stream import EventStream
from backends.errors import BackendUnavailable

COUNTED_AT_MOST = 10_000
"""Rows of a table; beyond, the gauge stays there."""

ENTRIES_COUNTED = 20
"""Beyond these the number of waiting events is estimated."""

ALIVE_S = 60
WAIT_S = 0.8


class StoreCollector(Collector):
    """Reads Redis and the databases; what can't be read is left out, and `grouparoo_up` says why."""

    def __init__(self, shared: Services) -> None:
        self._shared = shared
        self._store: IdentityStore = shared.identity
        self._states = dependencies()

    def collect(self) -> Iterator[Metric]:
        """All that can be read."""
        yield self._up()
        if self._states["redis"] == "ok" or self._answers():
            for part in (self._stream, self._tally, self._workers):
                with suppress(redis.RedisError):
                    yield from list(part())
        if self._states["database"] == "ok":
            yield from self._notes()

    def _answers(self) -> bool:
        """Whether Redis can be read, though it may not take events any more."""
        with suppress(redis.RedisError):
            return bool(self._shared.redis.ping())
        return False

    def _up(self) -> Metric:
        text = "1 if the dependency is there and in order, else 0. Without Redis no event is accepted."
        family = GaugeMetricFamily("grouparoo_up", text, labels=["dependency"])
        for name, state in self._states.items():
            family.add_metric([name], int(state == "ok"))
        return family

    def _stream(self) -> Iterator[Metric]:
        stream: EventStream = self._shared.stream
        depth = stream.depth()
        yield _gauge("grouparoo_stream_entries", "Entries of up to 500 events that wait in the stream.", depth.entries)
        events = stream.waiting_events(ENTRIES_COUNTED)
        yield _gauge("grouparoo_stream_events", "Events that wait in the stream; estimated when they are many.", events)
        yield _gauge("grouparoo_stream_bytes", "Bytes of events that wait in the stream.", depth.bytes)
        yield _gauge("grouparoo_stream_oldest_age_seconds", "For how long the oldest event waits.", round(depth.oldest_s, 3))
        limit = self._shared.settings.buffer_max_bytes
        yield _gauge("grouparoo_stream_limit_bytes", "BUFFER_MAX_BYTES: beyond it requests are answered 503.", limit)
        yield _gauge("grouparoo_jobs_waiting", "Jobs in the queue.", stream.queue.count)

    def _tally(self) -> Iterator[Metric]:
        found = self._shared.redis.hgetall(TALLY)
        tally = {str(name, "utf-8"): int(value) for name, value in found.items() if isinstance(name, bytes)}
        for name, (metric, text) in COUNTS.items():
            yield CounterMetricFamily(metric, text, tally.get(name, 0))
        steps = CounterMetricFamily("grouparoo_drain_step_seconds", "Time of the drain, by step.", labels=["step"])
        for step in STEPS:
            steps.add_metric([step], tally.get(STEP + step, 0) / 1e6)
        yield steps
        yield CounterMetricFamily("grouparoo_worker_cpu_seconds", "Processor time of all workers.", tally.get(CPU, 0) / 1e6)

    def _workers(self) -> Iterator[Metric]:
        found = Worker.all(connection=self._shared.redis, serializer="json")
        alive = [worker.name for worker in found if worker.last_heartbeat and _age_s(worker.last_heartbeat) < ALIVE_S]
        yield _gauge("grouparoo_workers", "Worker processes that were heard of within a minute.", len(alive))
        sizes = self._shared.redis.mget([memory_key(name) for name in alive]) if alive else []
        memory = sum(int(size) for size in sizes if size)
        yield _gauge("grouparoo_worker_resident_memory_bytes", "Memory of all workers, each after its last job.", memory)

    def _notes(self) -> Iterator[Metric]:
        texts = {
            "grouparoo_dead_letters": (DeadLetter, "Dead letters; 10,000 at the most."),
            "grouparoo_repoints": (Repoint, "Identifiers whose events are still to be re-pointed; 10,000 at the most."),
        }
        with suppress(BackendUnavailable, TimeoutError):
            counts = begin(self._counter([model for model, _ in texts.values()])).result(WAIT_S)
            for (name, (_, text)), count in zip(texts.items(), counts, strict=True):
                yield _gauge(name, text, count)

    def _counter(self, models: Iterable[type]) -> Callable[[], list[int]]:
        """To be called in another thread: the database may hang."""

        def count() -> list[int]:
            with self._store.reading() as connection:
                return [connection.scalar(_count_of(model)) or 0 for model in models]

        return count


def _count_of(model: type) -> sa.Select[int]:
    some = sa.select(sa.literal(1)).select_from(model).limit(COUNTED_AT_MOST).subquery()
    return sa.select(sa.func.count()).select_from(some)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _age_s(moment: datetime) -> float:
    return time.time() - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
