"""`python -m worker`: one RQ worker. Start as many as you like."""

import gc
import logging
import os
import signal
import socket
import sys
import uuid
from types import FrameType
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry

from app import create_app
from app.config import Settings
from app.connections import job_client
from app.logs import bound, kind_of, traceback_of
from app.services import services
from app.stream import QUEUE
from worker import jobs
from worker.stopping import stop_requested

log = logging.getLogger("worker")

WORKER_TTL_S = 20
MAINTENANCE_S = 5
RESTART_S = 1
GC_THRESHOLD = 50_000
"""A batch is some 50,000 objects and no cycles: Python's default of 700 would look through them all, again and again."""


class Worker(SimpleWorker):
    """An RQ worker that runs jobs in its own process, for a fork costs more than a batch; and says when it shall stop."""

    def check_for_suspension(self, burst: bool) -> None:
        """Asked at the start of each turn: a SIGTERM that came before RQ installed its handlers is not lost."""
        if stop_requested.is_set():
            raise StopRequested
        super().check_for_suspension(burst)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """One job; each line that is logged meanwhile has its id."""
        with bound(job=job.id):
            return super().perform_job(job, queue, execution)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """A job failed. RQ would log the error's words, which may quote what it failed on."""
        log.error("a job failed: %s", job.description, exc_info=exc_info[1])

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Keep the failure in Redis, without words too."""
        error = sys.exception()
        kept = traceback_of(error) if error else exc_string
        super().handle_job_failure(job, queue, started_job_registry, kept, execution)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: a running job ends after its batch."""
        stop_requested.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ's own is not annotated


def main() -> None:
    """Work until asked to stop. RQ gives up when Redis goes away in the middle of a job; this starts over."""
    app = create_app()
    signal.signal(signal.SIGTERM, lambda *_: stop_requested.set())
    signal.signal(signal.SIGINT, lambda *_: stop_requested.set())
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    jobs.set_up(app, name)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    with app.app_context():
        settings = services().settings
        with bound(worker=name):
            log.info("worker started")
            while not stop_requested.is_set():
                work(settings, name)
                stop_requested.wait(RESTART_S)
            log.info("worker stopped")


def work(settings: Settings, name: str) -> None:
    """One life of an RQ worker."""
    connection = job_client(settings)
    try:
        # Redis may not have heard of the end of our former life: RQ would refuse its name for a minute and more.
        connection.delete(f"{Worker.redis_worker_namespace_prefix}{name}")
        queue = Queue(QUEUE, connection=connection, serializer="json")
        worker = Worker(
            [queue],
            name=name,
            connection=connection,
            serializer="json",
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_S,
        )
        worker.work(logging_level="WARNING")
    except redis.RedisError as error:
        log.warning("Redis is away: %s", kind_of(error))
    finally:
        connection.close()


if __name__ == "__main__":
    main()
