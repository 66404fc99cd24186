"""Problem: what went wrong, as `on_error` is told; and the handler of those who give none."""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from grouparoo.event import Message

log = logging.getLogger("grouparoo")


@dataclass(frozen=True, repr=False)
class Problem:
    """Something that went wrong, or will: `code` is for programs, `message` for people and may quote what was sent.

    `code` is the service's own, like `invalid_event` or `unknown_key`, or one of these: `invalid_event` (this library refused
    it already), `not_queued` (too many wait, or the client is shut down), `unavailable` (it is tried again), `unconfirmed`
    (the client was shut down before the service said that it has them), `warning` (it was taken, but for a part).
    `events` will not be sent any more; empty where nothing is lost. `status` is of the service's answer, 0 without one.
    """

    code: str
    message: str
    events: tuple[dict[str, Any], ...] = ()
    status: int = 0

    def __repr__(self) -> str:
        """Without what was sent: this may be written to a log."""
        return f"Problem({self.code!r}, events={len(self.events)}, status={self.status})"


OnError = Callable[[Problem], object]


def events_of(messages: Iterable[Message]) -> tuple[dict[str, Any], ...]:
    """The events as they would have been sent."""
    return tuple(json.loads(message.payload) for message in messages)


class Log:
    """An OnError that writes to the logger "grouparoo": neither ids nor data, and of a full queue not a line an event."""

    def __init__(self) -> None:
        self._not_queued = 0

    def __call__(self, problem: Problem) -> None:
        if problem.code == "not_queued":
            self._not_queued += 1
            if self._not_queued & (self._not_queued - 1) == 0:  # the 1st, 2nd, 4th, 8th, …
                log.warning("%d events were not queued so far", self._not_queued)
        else:
            log.warning("%r", problem)
