"""GET /health/live and /health/ready: for load balancers, without a key."""

from collections.abc import Callable

import redis
from flask import Blueprint, Response

from app.answers import answer
from app.services import services
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
    return answer({"status": "ok" if is_ready else "unavailable", "dependencies": states}, 200 if is_ready else 503)


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
    policy = shared.redis.info("memory").get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise BackendError(f"its maxmemory-policy is {policy}, so it may forget accepted events: set it to noeviction")
    if shared.stream.depth().bytes >= shared.settings.buffer_max_bytes:
        raise BackendError("the buffer is full")


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except redis.RedisError as error:
        return f"away: {type(error).__name__}"
    except BackendError as error:
        return str(error).partition("\n")[0]
    return "ok"
