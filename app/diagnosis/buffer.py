"""Redis: whether what it accepts is safe with it."""

import time
from collections.abc import Iterator
from typing import Any

from app.diagnosis.findings import Finding, fine, warn, wrong
from app.services import Services
from app.stream import MEMORY_SHARE, is_short

LEAST_VERSION = (7, 2)
"""For WAITAOF; XAUTOCLAIM as it is used came with 7.0."""

MOST_SKEW_S = 2.0


def check_redis(shared: Services) -> Iterator[Finding]:
    """Version, persistence, eviction, memory, clock."""
    info: dict[str, Any] = shared.redis.info()
    yield _version(info)
    yield from _persistence(shared, info)
    yield _eviction(info)
    yield _memory(info)
    seconds, microseconds = shared.redis.time()
    yield skew("redis clock", seconds + microseconds / 1e6)


def skew(subject: str, there: float) -> Finding:
    """How far a server's clock, in seconds since 1970, is from ours."""
    off_s = abs(time.time() - there)
    if off_s > MOST_SKEW_S:
        return warn(subject, f"{off_s:.1f} s off this machine's", "run NTP on both machines")
    return fine(subject, "as this machine's")


def _version(info: dict[str, Any]) -> Finding:
    text = str(info.get("valkey_version") or info["redis_version"])
    if tuple(int(part) for part in text.split(".")[:2]) < LEAST_VERSION:
        return wrong("redis version", text, "take Redis or Valkey 7.2 or newer")
    return fine("redis version", text)


def _persistence(shared: Services, info: dict[str, Any]) -> Iterator[Finding]:
    if not info.get("aof_enabled"):
        advice = "set appendonly yes: accepted events that wait are lost with Redis' process"
        yield wrong("redis persistence", "no append-only file", advice)
        return
    if info.get("aof_last_write_status") != "ok":
        yield wrong("redis persistence", "the append-only file can't be written", "see whether the disk is full")
    policy = shared.redis.config_get("appendfsync").get("appendfsync", "unknown")
    if policy == "no":
        advice = "set appendfsync everysec: a power cut may lose half a minute of accepted events"
        yield warn("redis persistence", "append-only file, written to disk when the system likes", advice)
    else:
        yield fine("redis persistence", f"append-only file, appendfsync {policy}")


def _eviction(info: dict[str, Any]) -> Finding:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return wrong("redis eviction", policy, "set maxmemory-policy noeviction: this one may forget accepted events")
    return fine("redis eviction", policy)


def _memory(info: dict[str, Any]) -> Finding:
    used, limit = info["used_memory_human"], info.get("maxmemory", 0)
    if not limit:
        return warn("redis memory", f"{used}, without a limit", "set maxmemory, so that a full Redis says so instead of dying")
    if is_short(info):
        advice = "start more workers, or give Redis more memory: events are refused now"
        return wrong("redis memory", f"{used}: over {MEMORY_SHARE:.0%} of its maxmemory", advice)
    return fine("redis memory", f"{used} of {info['maxmemory_human']}")
