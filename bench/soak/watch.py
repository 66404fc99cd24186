"""Watch: the memory of each process while it lives, and what lies in Redis."""

import statistics
import time
from collections import Counter, defaultdict
from typing import NamedTuple

import psutil
import redis

from app.stream import GROUP, QUEUE, STREAM
from bench.soak.system import SoakSystem
from worker.attempts import COUNTS, REASONS

SAMPLE_S = 2.0
WARM_S = 20.0
MIB = 1024 * 1024
OF_ONE = (
    *("rq:job:", "rq:worker:", "rq:cron_scheduler:", "rq:execution:", "rq:executions:", "rq:results:", "metrics:memory:"),
    *(COUNTS, REASONS),
)
"""What the keys of a single job, worker, scheduler or entry begin with."""


class Growth(NamedTuple):
    """One process's memory: MB in the first quarter of its life once it was warm, and in the last."""

    role: str
    pid: int
    age_s: float
    first_mb: float
    last_mb: float


class MemoryWatch:
    """`tick` takes a sample of every process now and then."""

    def __init__(self, system: SoakSystem) -> None:
        self.system = system
        self._samples: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
        self._next_at = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + SAMPLE_S
        for role, processes in self.system.roles().items():
            for process in processes:
                try:
                    self._samples[role, process.pid].append((now, process.memory_info().rss))
                except psutil.NoSuchProcess:
                    pass

    def growths(self) -> list[Growth]:
        """Of each role the process that lived longest, if it lived for long enough to tell."""
        found: dict[str, Growth] = {}
        for (role, pid), samples in self._samples.items():
            began, ended = samples[0][0], samples[-1][0]
            peak = max(size for _, size in samples)
            # One that was paused while it started is no larger than Python for a while.
            warm = [size / MIB for at, size in samples if at >= began + WARM_S and size > peak / 2]
            quarter = len(warm) // 4
            if quarter and ended - began > (found[role].age_s if role in found else 0):
                first, last = statistics.mean(warm[:quarter]), statistics.mean(warm[-quarter:])
                found[role] = Growth(role, pid, ended - began, first, last)
        return sorted(found.values())


class Kept(NamedTuple):
    """What lies in Redis: keys by kind, members of the consumer group, bytes; and what nobody will ever delete."""

    keys: Counter[str]
    consumers: int
    used_bytes: int
    forgotten: list[str]


def look_at(client: redis.Redis) -> Kept:
    """As it is now."""
    keys = sorted(key.decode() for key in client.scan_iter(count=1000))
    kinds = Counter(":".join(key.split(":")[:2]) for key in keys)
    consumers = len(client.xinfo_consumers(STREAM, GROUP)) if client.exists(STREAM) and client.xinfo_groups(STREAM) else 0
    used: int = client.info("memory")["used_memory_dataset"]
    return Kept(kinds, consumers, used, _forgotten(client, keys))


def _forgotten(client: redis.Redis, keys: list[str]) -> list[str]:
    """Keys of a job, a worker, a scheduler or an entry that don't expire, and that no queue and no registry knows: now that
    nothing waits, no entry is left."""
    known = {one.decode() for one in client.lrange(f"rq:queue:{QUEUE}", 0, -1)}
    for key in keys:
        if client.type(key) == b"zset":
            known |= {part for one in client.zrange(key, 0, -1) for part in one.decode().split(":")}
    single = [key for key in keys if key.startswith(OF_ONE) and client.ttl(key) == -1]
    return [key for key in single if key.split(":")[2] not in known]
