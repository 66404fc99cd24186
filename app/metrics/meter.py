"""Meter: what a worker counts. It serves no HTTP, so it adds its counts to a hash in Redis, once a job."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from app.metrics.processes import resident_bytes

TALLY = "metrics:worker"
"""A Redis hash: name → whole number; microseconds where it is a time. It only grows."""

MEMORY_S = 900
STEP, CPU = "step:", "cpu"

COUNTS = {
    "batches": ("grouparoo_drain_batches", "Batches taken from the stream."),
    "stored": ("grouparoo_events_stored", "Events stored."),
    "known": ("grouparoo_events_known", "Events that came again: stored already."),
    "suppressed": ("grouparoo_events_suppressed", "Events of suppressed ids: not stored."),
    "refreshed": ("grouparoo_profiles_refreshed", "Profiles whose properties were computed, once for each source."),
    "expired": ("grouparoo_events_expired", "Events deleted by RETENTION_DAYS."),
    "repointed": ("grouparoo_events_repointed", "Events moved to another profile."),
    "scanned": ("grouparoo_scan_rows", "Rows from outside that were associated."),
    "parked": ("grouparoo_dead_letters_parked", "Events parked as dead letters."),
    "jobs_failed": ("grouparoo_jobs_failed", "Jobs that ended with an error."),
}
"""What may be added, with the metric that it becomes."""

STEPS = ("ping", "read", "identity", "save", "verify", "mark", "settle", "acknowledge")


def memory_key(worker: str) -> str:
    """Where a worker says how many bytes of memory it takes."""
    return f"metrics:memory:{worker}"


class Stopwatch:
    """Started when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """Since then, to the millisecond."""
        return round(time.perf_counter() - self._began, 3)


class Meter:
    """The counts of one worker process since it last sent them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._cpu_sent_us = 0

    def add(self, name: str, amount: int = 1) -> None:
        """Count; `name` is one of COUNTS."""
        self._counts[name] += amount

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time that this takes; `name` is one of STEPS."""
        began = time.perf_counter_ns()
        try:
            yield
        finally:
            self._counts[STEP + name] += (time.perf_counter_ns() - began) // 1000

    def send(self, client: redis.Redis, worker: str) -> None:
        """Add all to the tally, in one round trip; what can't be sent now goes with the next."""
        cpu_us = time.process_time_ns() // 1000
        with client.pipeline() as pipeline:
            for name, amount in {**self._counts, CPU: cpu_us - self._cpu_sent_us}.items():
                pipeline.hincrby(TALLY, name, amount)
            if (memory := resident_bytes("self")) is not None:
                pipeline.set(memory_key(worker), memory, ex=MEMORY_S)
            try:
                pipeline.execute()
            except redis.RedisError:
                return
        self._counts.clear()
        self._cpu_sent_us = cpu_us
