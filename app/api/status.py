"""Status: how much waits, what is left open, and who is there to work; it answers whatever is away."""

from collections.abc import Callable

import redis
import sqlalchemy as sa
from flask import Blueprint
from rq import Worker

from app.api.parameters import check_parameters
from app.api.shapes import Json
from app.auth import requires
from app.health import dependencies
from app.models import DeadLetter, Refresh, Repoint
from app.properties.failing import count_failing
from app.properties.reading import count_conflicts
from app.services import services
from backends.base import EventQuery
from backends.errors import BackendUnavailable
from backends.event import timestamp

routes = Blueprint("status", __name__)

NUMBERS = (
    *("waitingEvents", "oldestWaitingSeconds", "unassociated", "unassociable", "deadLetters"),
    *("repoints", "refreshes", "conflicts", "failingSources"),
)
COUNTED_AT_MOST = 100_000
ENTRIES_COUNTED = 100
"""Beyond these the number of waiting events is estimated."""


@routes.get("/status")
@requires("status:read")
def show() -> Json:
    """All of it."""
    check_parameters([])
    return read_status()


def read_status() -> Json:
    """What can't be known, because its dependency is away, is null."""
    nothing: Json = {**dict.fromkeys(NUMBERS), "workers": []}
    return {**nothing, **_known(_stream), **_known(_notes), **_known(_rows), "dependencies": dependencies()}


def _known(part: Callable[[], Json]) -> Json:
    try:
        return part()
    except (redis.RedisError, BackendUnavailable):
        return {}


def _stream() -> Json:
    stream = services().stream
    return {
        "waitingEvents": stream.waiting_events(ENTRIES_COUNTED),
        "oldestWaitingSeconds": round(stream.depth().oldest_s, 3),
        "workers": _workers(),
    }


def _rows() -> Json:
    """Rows that the scan has yet to look at, and rows about which it found nobody; each counted up to 100,000."""
    count = services().backend.count
    return {
        "unassociated": count(EventQuery(looked_at=False), COUNTED_AT_MOST),
        "unassociable": count(EventQuery(looked_at=True, associated=False), COUNTED_AT_MOST),
    }


def _notes() -> Json:
    counts = {"deadLetters": DeadLetter, "repoints": Repoint, "refreshes": Refresh}
    with services().identity.reading() as connection:
        found = {name: connection.scalar(sa.select(sa.func.count()).select_from(model)) for name, model in counts.items()}
        return {**found, "conflicts": count_conflicts(connection), "failingSources": count_failing(connection)}


def _workers() -> list[Json]:
    """RQ's workers; one that died is listed until RQ gives it up, its `lastSeen` says so."""
    found = Worker.all(connection=services().redis, serializer="json")
    return [
        {
            "name": worker.name,
            "state": worker.get_state(),
            "lastSeen": timestamp(worker.last_heartbeat) if worker.last_heartbeat else None,
        }
        for worker in sorted(found, key=lambda worker: worker.name)
    ]
