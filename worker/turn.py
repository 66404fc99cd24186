"""Turn: how long a job may go on that can wait, while others want the worker."""

from app.stream import EventStream
from worker.stopping import Slice

WHOLE_S = 5
LEAST_S = 0.5


class Turn:
    """Five seconds; but half a second while events wait to be stored, so that who has many holds up nobody else."""

    def __init__(self, stream: EventStream, least_s: float = LEAST_S) -> None:
        self._stream = stream
        self._whole, self._least = Slice(WHOLE_S), Slice(least_s)

    def __bool__(self) -> bool:
        return bool(self._whole) and (bool(self._least) or self._stream.is_empty())

    def give_to(self, *jobs: str) -> None:
        """End it: let these jobs come, in this order."""
        for job in jobs:
            self._stream.wake(job)
