"""Workers and schedule: whether somebody works, and what was left lying."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from rq import Worker

from app.diagnosis.findings import Finding, fine, warn, wrong
from app.diagnosis.sources import check_sources
from app.models import DeadLetter, Repoint
from app.services import Services
from app.stream import TEND_S

ALIVE_S = 60
OLD_S = 60
COUNTED_AT_MOST = 10_000


def check_workers(shared: Services) -> Iterator[Finding]:
    """Is there a worker, does the schedule tick, does the stream move?"""
    found = Worker.all(connection=shared.redis, serializer="json")
    alive = [worker for worker in found if worker.last_heartbeat and _age_s(worker.last_heartbeat) < ALIVE_S]
    if alive:
        yield fine("workers", f"{len(alive)} alive")
    else:
        yield wrong("workers", "none was heard of for a minute", "start `python -m worker`: events wait in Redis until then")
    tick = int(time.time() // TEND_S)
    if any(shared.redis.exists(f"rq:job:tend-{one}") for one in (tick, tick - 1, tick - 2)):
        yield fine("scheduler", "ticks")
    else:
        yield wrong("scheduler", "no tick within half a minute", "start `python -m worker.schedule`")
    depth = shared.stream.depth()
    if depth.oldest_s > OLD_S:
        advice = "start more workers, or see in their log why they can't store events"
        yield warn("stream", f"the oldest event waits for {depth.oldest_s:.0f} s, {depth.bytes} bytes wait", advice)
    else:
        yield fine("stream", f"{depth.entries} entries wait")


def check_leftovers(shared: Services) -> Iterator[Finding]:
    """Dead letters, repoints, sql sources that can't be loaded, rows that nobody looked at."""
    with shared.identity.reading() as connection:
        dead, repoints = (connection.scalar(_count_of(model)) or 0 for model in (DeadLetter, Repoint))
    if dead:
        advice = "see `flask --app app dead-letters list`, then retry or drop them"
        yield warn("dead letters", f"{dead} events could not be stored", advice)
    else:
        yield fine("dead letters", "none")
    yield fine("repoints", f"{repoints} identifiers to go through")
    yield from check_sources()
    patience_s = 3 * shared.settings.scan_interval_s
    if shared.backend.unassociated(1, patience_s):
        yield warn("outside rows", f"some wait for more than {patience_s} s", "see whether a worker and the scheduler run")
    else:
        yield fine("outside rows", "none waits for long")


def _count_of(model: type) -> sa.Select[int]:
    some = sa.select(sa.literal(1)).select_from(model).limit(COUNTED_AT_MOST).subquery()
    return sa.select(sa.func.count()).select_from(some)


def _age_s(moment: datetime) -> float:
    return time.time() - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
