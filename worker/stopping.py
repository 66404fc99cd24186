"""Whether this process was asked to stop: long jobs look at it between two batches."""

import threading
import time

stop_requested = threading.Event()


class Slice:
    """The time that a job may take before it queues itself behind the others."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def __bool__(self) -> bool:
        return not stop_requested.is_set() and time.monotonic() < self._ends_at

    def pause(self, seconds: float) -> None:
        """Wait, unless the process is asked to stop."""
        stop_requested.wait(seconds)
