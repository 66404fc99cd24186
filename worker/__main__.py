"""`python -m worker`: one RQ worker. Start as many as you like."""

import gc
import logging
import os
import signal
import socket
import uuid
from types import FrameType

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested

from app import create_app
from app.services import services
from app.stream import QUEUE
from worker import jobs
from worker.stopping import stop_requested

log = logging.getLogger(__name__)

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
        log_to_stderr(settings.log_level)
        while not stop_requested.is_set():
            work(settings.redis_url, name)
            stop_requested.wait(RESTART_S)


def work(redis_url: str, name: str) -> None:
    """One life of an RQ worker."""
    connection = redis.Redis.from_url(redis_url)
    try:
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
        log.warning("Redis is away: %s", error)
    except ValueError as error:
        # The name is still registered by our former life, whose end Redis did not hear of.
        log.warning("%s", error)
    finally:
        connection.close()


def log_to_stderr(level: str) -> None:
    """One line an event of note."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


if __name__ == "__main__":
    main()
