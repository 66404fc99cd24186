"""Scan: associates the rows that others inserted into the backend (the seed, "Creating events outside of Grouparoo")."""

import logging

from app.identity.placeholders import is_placeholder
from app.stream import REPOINT, SCAN, EventStream
from backends.errors import BackendUnavailable
from backends.event import MAX_ID_LENGTH, Event
from worker.pipeline import Pipeline
from worker.stopping import Slice

log = logging.getLogger(__name__)

SLICE_S = 5
CHUNK = 1000
MIN_AGE_S = 2.0
"""Younger rows wait for the next scan: their writer may not have written their data yet."""


class Scan:
    """Works through rows that nobody has looked at, for about five seconds at a time."""

    def __init__(self, stream: EventStream, pipeline: Pipeline, placeholders: frozenset[str]) -> None:
        self.stream = stream
        self.pipeline = pipeline
        self.placeholders = placeholders

    def run(self) -> None:
        """Scan until no row is left, or the time is up; then what is left gets another scan."""
        time_left = Slice(SLICE_S)
        while time_left:
            try:
                found = self.pipeline.backend.unassociated(CHUNK, MIN_AGE_S)
                if found:
                    noted = self.pipeline.associate_events([self._with_ids_that_count(event) for event in found])
                    if self.pipeline.settle(noted):
                        self.stream.wake(REPOINT)
            except BackendUnavailable as error:
                log.warning("can't scan now: %s", str(error).partition("\n")[0])
                return  # the next minute's scan tries again
            if len(found) < CHUNK:
                return
        self.stream.wake(SCAN)

    def _with_ids_that_count(self, event: Event) -> Event:
        return event._replace(user_id=self._id(event.user_id), anonymous_id=self._id(event.anonymous_id))

    def _id(self, value: str | None) -> str | None:
        if value is None or len(value) > MAX_ID_LENGTH or is_placeholder(value, self.placeholders):
            return None
        return value
