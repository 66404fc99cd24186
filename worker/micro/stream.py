"""LocalStream: the seam between app and worker where both are one process. What is appended is stored before it returns."""

import time
from collections.abc import Sequence

from app.stream import Depth, EventStream, RateLimit, RateLimited
from backends.event import Event
from worker.micro.journal import Journal
from worker.micro.worker import LocalWorker

WINDOW_S = 60


class LocalStream(EventStream):
    """An EventStream without Redis: nothing ever waits in it, so that it is never full."""

    def __init__(self, worker: LocalWorker, journal: Journal) -> None:
        self._worker = worker
        self._journal = journal
        self._windows: dict[str, tuple[float, int]] = {}

    def append(self, events: Sequence[Event], limit: RateLimit | None = None) -> None:
        """Accept the events. Raises RateLimited; then none is accepted."""
        with self._worker.lock:
            if limit:
                self._count(limit, len(events))
            self._worker.store(events)
            self._journal.accept(events)

    def spend(self, limit: RateLimit) -> None:
        """Count a request that sends no events. Raises RateLimited."""
        with self._worker.lock:
            self._count(limit, 1)

    def wake(self, job: str) -> None:
        """It is done when the request that wants it is."""
        self._worker.want(job)

    def depth(self) -> Depth:
        """Nothing."""
        return Depth(0, 0, 0.0)

    def is_empty(self) -> bool:
        """Always."""
        return True

    def waiting_events(self, entries: int = 0) -> int:
        """None."""
        return 0

    def find(self, guid: str) -> Event | None:
        """None is here."""
        return None

    def clear(self) -> None:
        """Forget what rate limits have counted."""
        self._windows.clear()

    def _count(self, limit: RateLimit, cost: int) -> None:
        """As the Redis one does: a window begins with its first use, and a body may go over the limit."""
        moment = time.monotonic()
        ends_at, spent = self._windows.get(limit.name, (0.0, 0))
        if moment >= ends_at:
            ends_at, spent = moment + WINDOW_S, 0
        if spent >= limit.per_minute:
            raise RateLimited(max(1, round(ends_at - moment)))
        self._windows[limit.name] = ends_at, spent + cost
