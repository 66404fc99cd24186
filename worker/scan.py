"""Scan: associates the rows that others inserted into the backend (the seed, "Creating events outside of Grouparoo")."""

import logging
import time

import orjson
import redis

from app.identity.placeholders import is_placeholder
from app.stream import REPOINT, SCAN, EventStream
from backends.base import EventQuery
from backends.errors import BackendUnavailable
from backends.event import MAX_ID_LENGTH, Event
from worker.pipeline import Pipeline
from worker.stopping import Slice

log = logging.getLogger(__name__)

SLICE_S = 5
CHUNK = 1000
MIN_AGE_S = 2.0
"""Younger rows wait for the next scan: their writer may not have written their data yet."""

UNDER_WAY = "scan:under-way"
"""By batch: when it began, and the rows' guids. What is associated is not found again, should it break off then."""

BROKEN_OFF_AFTER_S = 60
"""No job takes so long."""


class Scan:
    """Works through rows that nobody has looked at, for about five seconds at a time."""

    def __init__(
        self, client: redis.Redis, name: str, stream: EventStream, pipeline: Pipeline, placeholders: frozenset[str]
    ) -> None:
        self.client = client
        self.name = name
        self.stream = stream
        self.pipeline = pipeline
        self.placeholders = placeholders

    def run(self) -> None:
        """Scan until no row is left, or the time is up; then what is left gets another scan."""
        time_left = Slice(SLICE_S)
        try:
            self._make_good()
            while time_left:
                found = self.pipeline.backend.unassociated(CHUNK, MIN_AGE_S)
                if found:
                    self._associate([self._with_ids_that_count(event) for event in found])
                if len(found) < CHUNK:
                    return
        except BackendUnavailable as error:
            log.warning("can't scan now: %s", str(error).partition("\n")[0])
            return  # the next minute's scan tries again
        self.stream.wake(SCAN)

    def _associate(self, rows: list[Event]) -> None:
        batch = f"{self.name} {rows[0].guid}"
        self.client.hset(UNDER_WAY, batch, orjson.dumps([time.time(), [event.guid for event in rows]]))
        if self.pipeline.settle(self.pipeline.associate_events(rows)):
            self.stream.wake(REPOINT)
        self.client.hdel(UNDER_WAY, batch)

    def _make_good(self) -> None:
        """Look once more at what had been associated when a batch broke off: at its places, and at what is known of its
        people."""
        for batch, told in self.client.hgetall(UNDER_WAY).items():
            began, guids = orjson.loads(told)
            if began < time.time() - BROKEN_OFF_AFTER_S:
                query = EventQuery(guids=guids, looked_at=True)
                self.pipeline.look_again(self.pipeline.backend.find(query, len(guids)))
                self.client.hdel(UNDER_WAY, batch)
                self.stream.wake(REPOINT)

    def _with_ids_that_count(self, event: Event) -> Event:
        return event._replace(user_id=self._id(event.user_id), anonymous_id=self._id(event.anonymous_id))

    def _id(self, value: str | None) -> str | None:
        if value is None or len(value) > MAX_ID_LENGTH or is_placeholder(value, self.placeholders):
            return None
        return value
