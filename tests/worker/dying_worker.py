"""A worker that ends itself with SIGKILL where a test says: after the pipeline's step number DIE_AFTER_STEP, once.

With DIE_ON_TYPE it dies whenever it meets an event of that type.
"""

import os
import signal
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from app.identity.store import Assigned
from app.identity.view import Pair
from backends.event import Event
from worker import jobs
from worker.__main__ import main
from worker.pipeline import Pipeline

STEP = int(os.environ.get("DIE_AFTER_STEP", "0"))
TYPE = os.environ.get("DIE_ON_TYPE")
MARK = Path(os.environ.get("DIED_MARK", "/nonexistent"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingPipeline(Pipeline):
    """The real steps, each followed by the question whether to die."""

    def identify(self, events: Sequence[Event]) -> Assigned:
        if any(event.type == TYPE for event in events):
            die()
        return self._after(1, super().identify(events))  # type: ignore[no-any-return]

    def save(self, events: Sequence[Event]) -> set[str]:
        return self._after(2, super().save(events))  # type: ignore[no-any-return]

    def verify(self, assigned: Assigned, stored: set[str]) -> list[Pair]:
        return self._after(3, super().verify(assigned, stored))  # type: ignore[no-any-return]

    def settle(self, noted: Collection[Pair]) -> bool:
        return self._after(4, super().settle(noted))  # type: ignore[no-any-return]

    @staticmethod
    def _after(step: int, result: Any) -> Any:
        if step == STEP and not MARK.exists():
            MARK.touch()
            die()
        return result


if __name__ == "__main__":
    jobs.Pipeline = DyingPipeline  # type: ignore[misc]  # the composition root is the one place to change it
    main()
