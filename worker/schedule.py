"""`python -m worker.schedule`: RQ's cron. May run many times over; each tick is enqueued once."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import redis
from redis.client import Pipeline
from rq import Queue
from rq.cron import CronJob, CronScheduler
from rq.exceptions import DuplicateJobError, StopRequested

from app import create_app
from app.connections import job_client
from app.logs import kind_of
from app.services import services
from app.stream import JOB_TIMEOUT_S, QUEUE, TEND_S
from worker import jobs

log = logging.getLogger("worker.schedule")

EXPIRE_S = 3600
SWEEP_S = 3600
RESTART_S = 1


class Scheduler(CronScheduler):
    """RQ's own has no lock, pickles, and dies with Redis: here the tick's number is in the job's id, which RQ keeps unique."""

    def enqueue_jobs(self) -> list[CronJob]:
        """Enqueue each job that is due, unless another scheduler did so for this tick."""
        due = [job for job in self._cron_jobs if job.should_run()]
        for job in due:
            assert job.interval is not None
            tick = int(time.time() // job.interval)
            queue = Queue(job.queue_name, connection=self.connection, serializer="json")
            try:
                queue.enqueue_call(
                    job.func_name,
                    job_id=f"{job.name}-{tick}",
                    unique=True,
                    description=job.name,
                    timeout=JOB_TIMEOUT_S,
                    result_ttl=2 * job.interval,
                    failure_ttl=86_400,
                )
                log.debug("enqueued %s", job.name, extra={"tick": tick})
            except DuplicateJobError:
                log.debug("%s was enqueued by another scheduler", job.name, extra={"tick": tick})
            job.set_enqueue_time(datetime.fromtimestamp(tick * job.interval, UTC))
        return due

    def register_death(self, pipeline: Pipeline | None = None) -> None:
        """Leave RQ's list of schedulers. With a Redis that is away this would be raised in place of StopRequested."""
        with suppress(redis.RedisError):
            super().register_death(pipeline)


def main() -> None:
    """Enqueue until asked to stop; a Redis that is away is waited for."""
    app = create_app()
    with app.app_context():
        settings = services().settings
    log.info("scheduler started")
    schedule: list[tuple[Callable[[], None], int]] = [
        (jobs.wake_scan, settings.scan_interval_s),
        (jobs.tend, TEND_S),
        (jobs.wake_sweep, SWEEP_S),
    ]
    if settings.retention_days:
        schedule.append((jobs.wake_expire, EXPIRE_S))
    with suppress(StopRequested):
        while not _ran_to_its_end(job_client(settings), schedule):
            time.sleep(RESTART_S)
    log.info("scheduler stopped")


def _ran_to_its_end(client: redis.Redis, schedule: Sequence[tuple[Callable[[], None], int]]) -> bool:
    """Enqueue until asked to stop; False if Redis went away."""
    scheduler = Scheduler(client, logging_level=logging.WARNING)
    for job, interval in schedule:
        scheduler.register(job, QUEUE, interval=interval, name=job.__name__)
    try:
        scheduler.start()  # type: ignore[no-untyped-call]  # RQ's own is not annotated
    except redis.RedisError as error:
        log.warning("Redis is away: %s", kind_of(error))
        return False
    return True


if __name__ == "__main__":
    main()
