"""Outbox: the events that wait to be sent, in order; bounded, and safe in threads."""

import threading
import time
from collections import deque
from itertools import islice

from grouparoo.event import Message

MAX_BYTES = 64 * 1024 * 1024
"""However few events that are."""

BATCH_EVENTS = 2500
BATCH_BYTES = 1024 * 1024 - 100
"""The service's limits for one body, by default; with room for what stands around the events."""

WORTH_SENDING = 100
"""So many events are not kept waiting for more."""


class Outbox:
    """An event leaves it only when it is known what became of it: until then it is first in the queue."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._is_closed = False
        self._ends_at: float | None = None
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked process does: what waits here is its parent's to send. Whoever held the lock is not here."""
        self.changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._bytes = self._added = self._done = self._wanted = self._left = 0

    def put(self, message: Message) -> bool:
        """Take it in; False if there is no room, or not any more."""
        with self.changed:
            if self._is_closed or len(self._waiting) >= self._max_events or self._bytes >= MAX_BYTES:
                return False
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._added += 1
            if len(self._waiting) in (1, WORTH_SENDING):
                self.changed.notify_all()
            return True

    def gather(self, interval_s: float) -> bool:
        """Wait until something is to be sent: for the first event, then up to `interval_s` for others. False: never more."""
        with self.changed:
            self.changed.wait_for(lambda: self._waiting or self._is_closed)
            self.changed.wait_for(lambda: self._is_urgent() or len(self._waiting) >= WORTH_SENDING, interval_s)
            return bool(self._waiting) and not self._is_over()

    def first(self, most: int) -> list[Message]:
        """The first events, `most` of them at the most, as many as fit in one body."""
        with self.changed:
            batch: list[Message] = []
            room = BATCH_BYTES
            for message in islice(self._waiting, min(most, BATCH_EVENTS)):
                room -= len(message.payload) + 1
                if batch and room < 0:
                    break
                batch.append(message)
            return batch

    def remove(self, count: int) -> None:
        """So many of the first are done with."""
        with self.changed:
            for _ in range(min(count, len(self._waiting))):
                self._bytes -= len(self._waiting.popleft().payload)
                self._done += 1
            self.changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Have all that waits now sent at once; False if that was not done in time."""
        with self.changed:
            target = self._wanted = self._added
            self.changed.notify_all()
            return self.changed.wait_for(lambda: self._done >= target, timeout_s)

    def pause(self, seconds: float, is_asked: bool) -> None:
        """Wait. A close ends it, and one more attempt is made; but not if the service wants it (`is_asked`), or if it began
        after the close: then it lasts, or, if it is longer than the time that the close leaves, all ends at once."""
        with self.changed:
            must_last = is_asked or self._is_closed
            until = time.monotonic() + seconds
            self.changed.wait_for(
                lambda: not self._waiting or (self._ends_by(until) if must_last else self._is_closed),
                seconds,
            )
            if must_last and self._ends_by(until):
                self._ends_at = time.monotonic()

    def close(self, timeout_s: float) -> None:
        """Take nothing in any more, and have what waits sent within `timeout_s`."""
        with self.changed:
            self._is_closed = True
            self._ends_at = time.monotonic() + timeout_s
            self.changed.notify_all()

    def empty(self) -> list[Message]:
        """Take out all that waits: it counts as done, and as left."""
        with self.changed:
            left = list(self._waiting)
            self._left += len(left)
            self.remove(len(left))
            return left

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken in any more."""
        return self._is_closed

    @property
    def has_left_some(self) -> bool:
        """Whether something was taken out before it was known what became of it."""
        return self._left > 0

    def _is_urgent(self) -> bool:
        return self._is_closed or self._wanted > self._done

    def _is_over(self) -> bool:
        return self._ends_by(time.monotonic())

    def _ends_by(self, moment: float) -> bool:
        return self._ends_at is not None and moment >= self._ends_at
