"""gunicorn's settings for a service of small JSON requests. Named in the Procfile; reads PORT and WEB_CONCURRENCY."""

import ctypes
import os
import signal
import sys
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from gunicorn import glogging
from gunicorn.http import message
from pythonjsonlogger.json import JsonFormatter

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
# gthread keeps connections open between requests; sync closes each one.
worker_class = "gthread"
threads = 4
keepalive = 75
# Less than the 30 s that Heroku gives a process to end.
graceful_timeout = 25
max_requests = 100_000
max_requests_jitter = 10_000
# A heartbeat on a real disk can block for seconds (gunicorn FAQ, "excessively blocking in os.fchmod").
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
control_socket_disable = True
# mixpanel-node sends each event as a GET: one of MAX_EVENT_BYTES, in Base64, needs 44 KB. gunicorn takes no number above
# its own constant, but 0, for lines of any length at all: these would be kept in memory until there is no more of it.
message.MAX_REQUEST_LINE = limit_request_line = 64 * 1024
loglevel = "warning"
accesslog = "-" if os.environ.get("ACCESS_LOG") == "1" else None


_PR_SET_PDEATHSIG = 1


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn is not annotated
    """gunicorn's lines in our form. In the workers app/logs.py takes over; the master does not load the app."""

    def setup(self, cfg: Any) -> None:
        """Called in the master, before any worker is there."""
        super().setup(cfg)
        if os.environ.get("LOG_FORMAT") == "json":
            renamed = {"asctime": "time", "levelname": "level", "name": "logger"}
            for handler in (*self.error_log.handlers, *self.access_log.handlers):
                handler.setFormatter(JsonFormatter([*renamed, "message"], rename_fields=renamed))

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """One line a request, with its route: the path itself may name a person, and the query may hold keys and ids."""
        if self.access_log_enabled:
            fields = {
                "method": environ.get("REQUEST_METHOD"),
                "route": environ.get("grouparoo.route"),
                "status": resp.status_code,
                "bytes": resp.sent,
                "ms": request_time // timedelta(milliseconds=1),
                "address": environ.get("REMOTE_ADDR"),
                "request": environ.get("grouparoo.request_id"),
            }
            told = {name: value for name, value in fields.items() if value is not None}
            self.access_log.info("request", extra=told)


logger_class = Logger


def on_starting(server: Any) -> None:
    """Make the folder in which the workers keep their counts (app/metrics/web.py), or clean the one that is named."""
    if named := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        Path(named).mkdir(parents=True, exist_ok=True)
    else:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="grouparoo-metrics-", dir=worker_tmp_dir)
        server.made_metrics = True
    _clean()


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the lowest slot that none of the living has: it goes on with the counts of its predecessor."""
    taken = {other.metrics_slot for other in server.WORKERS.values()}
    worker.metrics_slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)


def post_fork(server: Any, worker: Any) -> None:
    """In the worker: end with the master, and note who it is."""
    _die_with(worker.ppid)
    os.environ["METRICS_SLOT"] = str(worker.metrics_slot)
    _pid_file(worker).write_text(str(os.getpid()))


def child_exit(server: Any, worker: Any) -> None:
    """The worker is dead; a successor may be there already, but not in its slot."""
    with suppress(OSError):
        _pid_file(worker).unlink()


def on_exit(server: Any) -> None:
    """Leave nothing behind."""
    if getattr(server, "made_metrics", False):
        _clean()
        with suppress(OSError):
            os.rmdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def _die_with(master: int) -> None:
    """Workers of a master that was killed would hold its port for as long as a client keeps a connection open.

    By SIGKILL: gunicorn's handler of SIGQUIT waits for ever if it interrupts the thread pool while that holds its lock. What
    is accepted is in Redis; who got no answer sends again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != master:  # it was killed before we could say so
            os._exit(0)


def _pid_file(worker: Any) -> Path:
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], f"{worker.metrics_slot}.pid")


def _clean() -> None:
    for path in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).iterdir():
        if path.suffix in (".db", ".pid"):
            path.unlink()
