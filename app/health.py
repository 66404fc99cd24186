"""GET /health/live and /health/ready: for load balancers, without a key."""

from collections.abc import Callable

import redis
from flask import Blueprint, Response

from app.answers import answer
from app.services import services
from app.stream import MEMORY_SHARE, is_short
from backends.errors import BackendError

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/live")
def live() -> Response:
    """This process answers."""
    return answer({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """Events can be accepted: Redis takes them. The other dependencies are named, and may be away."""
    states = dependencies()
    is_ready = states["redis"] == "ok"
    # A database's own words may name hosts and users: those are for `status`, which needs a key.
    shown = {name: state if state == "ok" or name == "redis" else "away" for name, state in states.items()}
    return answer({"status": "ok" if is_ready else "unavailable", "dependencies": shown}, 200 if is_ready else 503)


def dependencies() -> dict[str, str]:
    """The state of each dependency: "ok", or what is wrong with it."""
    shared = services()
    return {
        "redis": _state(_check_redis),
        "database": _state(shared.identity.ping),
        "backend": _state(shared.backend.ping),
    }


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


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except redis.RedisError as error:
        return f"away: {type(error).__name__}"
    except BackendError as error:
        return str(error).partition("\n")[0]
    return "ok"
