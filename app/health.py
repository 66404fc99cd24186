"""GET /health/live and /health/ready: for load balancers, without a key."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import cast

import redis
from flask import Blueprint, Response, current_app

from app.answers import answer
from app.background import begin
from app.services import services
from app.stream import MEMORY_SHARE, is_short
from backends.errors import BackendError

log = logging.getLogger(__name__)

blueprint = Blueprint("health", __name__, url_prefix="/health")
blueprint.record_once(lambda state: state.app.extensions.update(probes={"database": Probe(), "backend": Probe()}))

WAIT_S = 0.8
"""For how long a database is waited for: a load balancer that got no answer would take a process for dead that is not."""


class Probe:
    """Asks one dependency in a thread of its own, and never twice at a time: what hangs holds one thread, not each request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Future[str] | None = None

    def ask(self, check: Callable[[], None]) -> Future[str]:
        """The state to come, of the question that is under way or else of a new one."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = begin(lambda: _state(check))
            return self._asked


@blueprint.get("/live")
def live() -> Response:
    """This process answers."""
    return answer({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """Events can be accepted: Redis takes them. The other dependencies are named, and may be away."""
    states = dependencies()
    is_ready = states["redis"] == "ok"
    _log_change(states)
    # A database's own words may name hosts and users: those are for `status`, which needs a key.
    shown = {name: state if state == "ok" or name == "redis" else "away" for name, state in states.items()}
    return answer({"status": "ok" if is_ready else "unavailable", "dependencies": shown}, 200 if is_ready else 503)


def _log_change(states: dict[str, str]) -> None:
    """One line when a dependency went away, or came back, since this process was last asked."""
    last: dict[str, str] = current_app.extensions.setdefault("last_states", {})
    for name, state in states.items():
        if (state == "ok") != (last.get(name, "ok") == "ok"):
            log.log(logging.INFO if state == "ok" else logging.WARNING, "%s: %s", name, state)
    last.update(states)


def dependencies() -> dict[str, str]:
    """The state of each dependency, within about a second: "ok", or what is wrong with it."""
    shared, ends_at = services(), time.monotonic() + WAIT_S
    probes = cast(dict[str, Probe], current_app.extensions["probes"])
    checks = {"database": shared.identity.ping, "backend": shared.backend.ping}
    asked = {name: probes[name].ask(check) for name, check in checks.items()}
    return {"redis": _state(_check_redis), **{name: _outcome(future, ends_at) for name, future in asked.items()}}


def _check_redis() -> None:
    shared = services()
    memory = shared.redis.info("memory")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise BackendError(f"its maxmemory-policy is {policy}, so it may forget accepted events: set it to noeviction")
    if shared.stream.depth().bytes >= shared.settings.buffer_max_bytes:
        raise BackendError("the buffer is full")
    if is_short(memory):
        raise BackendError(f"it has used {MEMORY_SHARE:.0%} of its maxmemory")


def _outcome(future: Future[str], ends_at: float) -> str:
    try:
        return future.result(max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        return f"away: no answer within {WAIT_S} s"


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except redis.RedisError as error:
        return f"away: {type(error).__name__}"
    except BackendError as error:
        return str(error).partition("\n")[0]
    return "ok"
