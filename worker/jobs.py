"""The functions that RQ runs. Each may run twice, and several times at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import redis
from flask import Flask, current_app

from app import dead_letters
from app.connections import job_client
from app.identity.deletions import delete_events
from app.identity.expiry import expire_events
from app.identity.rule import Policy
from app.identity.store import IdentityStore
from app.live import Announcer
from app.metrics.meter import Meter
from app.models import db
from app.properties.loads import LoadStore
from app.properties.store import PropertyStore
from app.services import services
from app.stream import BACKFILL, DELETE, DRAIN, EXPIRE, LOAD, REFRESH, REPOINT, SCAN, SWEEP, wanted
from app.tracing import span
from backends.event import timestamp
from worker.backfill import Backfiller
from worker.backfill import sweep as sweep_windows
from worker.consumer import Consumer
from worker.drain import Drain
from worker.load import Loader, Loading
from worker.pipeline import Pipeline
from worker.refresh import Refresher
from worker.scan import Scan
from worker.turn import Turn

REPOINT_CHUNK = 2000
EXPIRE_CHUNK = 1000


@dataclass(frozen=True)
class Workbench:
    """What the jobs of one worker process share."""

    client: redis.Redis
    pipeline: Pipeline
    drain: Drain
    scan: Scan
    refresher: Refresher
    backfiller: Backfiller
    loading: Loading
    consumer: Consumer
    meter: Meter


def set_up(app: Flask, name: str) -> None:
    """Make this process's workbench; jobs run in the context of `app` and find it there."""
    with app.app_context():
        shared = services()
        settings = shared.settings
        client = job_client(settings)
        store = IdentityStore(db.engine, Policy(settings.shared_device_policy))
        meter = Meter()
        pipeline = Pipeline(store, shared.backend, settings.placeholders, meter, Announcer(client))
        consumer = Consumer(client, name)
        refresher = Refresher(PropertyStore(store), shared.backend)
        loader = Loader(refresher.store, LoadStore(store, settings.sql_apps_refresh_interval_s))
        app.extensions["workbench"] = Workbench(
            client,
            pipeline,
            Drain(client, shared.stream, consumer, pipeline),
            Scan(client, name, shared.stream, pipeline, settings.placeholders),
            refresher,
            Backfiller(refresher.store, refresher),
            Loading(app, loader, shared.stream),
            consumer,
            meter,
        )


def drain() -> None:
    """Store what waits in the stream."""
    with _doing(DRAIN) as bench:
        bench.drain.run()
        _wake_others(bench)


def scan() -> None:
    """Associate the rows that others inserted."""
    with _doing(SCAN) as bench:
        bench.scan.run()
        _wake_others(bench)


def repoint() -> None:
    """Move events to where they belong now, in chunks."""
    with _doing(REPOINT) as bench:
        turn = Turn(services().stream)
        while turn:
            if not bench.pipeline.repoint(REPOINT_CHUNK):
                _wake_others(bench)
                services().stream.wake(LOAD)  # a merge, or its revert, gives people other userIds
                return
        turn.give_to(DRAIN, REPOINT)


def delete() -> None:
    """Delete the events of people who were deleted, in chunks."""
    with _doing(DELETE) as bench:
        stream = services().stream
        turn = Turn(stream)
        is_more = True
        while turn and is_more:
            # The stream's age is taken before the deletion looks: what is accepted meanwhile is younger.
            oldest_waiting = timestamp(datetime.now(UTC) - timedelta(seconds=stream.depth().oldest_s))
            is_more = delete_events(bench.pipeline.store, bench.pipeline.backend, REPOINT_CHUNK, oldest_waiting)
        stream.wake(REPOINT)
        stream.wake(REFRESH)
        if is_more:
            turn.give_to(DRAIN, DELETE)


def expire() -> None:
    """Delete the events that are kept no longer, in chunks."""
    with _doing(EXPIRE) as bench:
        shared = services()
        turn = Turn(shared.stream)
        while turn:
            moment, rules = datetime.now(UTC), shared.settings.retention_days
            expired = expire_events(bench.pipeline.store, shared.backend, rules, moment, EXPIRE_CHUNK)
            bench.meter.add("expired", expired)
            if expired < EXPIRE_CHUNK:
                dead_letters.expire(rules, moment)
                shared.stream.wake(REFRESH)
                return
        turn.give_to(DRAIN, EXPIRE)


def refresh() -> None:
    """Compute the properties of the profiles whose events changed."""
    with _doing(REFRESH) as bench:
        turn = Turn(services().stream)
        while turn:
            before = bench.refresher.refreshed
            is_more = bench.refresher.work_off(lambda: bool(turn))
            bench.meter.add("refreshed", bench.refresher.refreshed - before)
            if not is_more:
                return
        turn.give_to(DRAIN, REFRESH)


def backfill() -> None:
    """Compute rules that are new, or changed, for everybody, in chunks."""
    with _doing(BACKFILL) as bench:
        turn = Turn(services().stream)
        while turn:
            if not bench.backfiller.work_off():
                return
        turn.give_to(DRAIN, REFRESH, BACKFILL)


def sweep() -> None:
    """Mark whose events have left a moving window."""
    with _doing(SWEEP) as bench:
        turn = Turn(services().stream)
        is_done = sweep_windows(bench.refresher.store, bench.refresher.backend, lambda: bool(turn))
        turn.give_to(DRAIN, REFRESH, *([] if is_done else [SWEEP]))


def load() -> None:
    """Let this process look up what sql apps know; a thread does so, for their databases may take long."""
    with _doing(LOAD) as bench:
        bench.loading.begin()


def tend() -> None:
    """Look after what a crash may have left: wake every job that has something to do."""
    stream = services().stream
    bench = _workbench()
    bench.consumer.forget_dead_consumers()
    stream.wake(DRAIN)
    stream.wake(REPOINT)
    stream.wake(DELETE)
    stream.wake(REFRESH)
    stream.wake(BACKFILL)
    stream.wake(LOAD)


def wake_scan() -> None:
    """Let a scan come, unless one waits in the queue already."""
    services().stream.wake(SCAN)


def wake_expire() -> None:
    """The same for what retention deletes."""
    services().stream.wake(EXPIRE)


def wake_sweep() -> None:
    """The same for what leaves a moving window."""
    services().stream.wake(SWEEP)


def _wake_others(bench: Workbench) -> None:
    for job in sorted(bench.pipeline.follow_ups(), reverse=True):  # what waits for a refresh are people
        services().stream.wake(job)


@contextmanager
def _doing(job: str) -> Iterator[Workbench]:
    """Clear the job's flag before looking what there is to do: who comes later then wakes another one."""
    bench = _workbench()
    bench.client.delete(wanted(job))
    try:
        with span(f"job {job}"):
            yield bench
    except Exception:
        bench.meter.add("jobs_failed")
        raise
    finally:
        bench.meter.send(bench.client, bench.consumer.name)


def _workbench() -> Workbench:
    return cast(Workbench, current_app.extensions["workbench"])
