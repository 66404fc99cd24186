"""A worker that ends itself with SIGKILL where a test says, once: after DIE_AFTER, a step in computing properties."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.properties.rules import Rule
from app.properties.store import PropertyStore, Refreshing, Wait
from app.properties.values import Computed
from backends.event import Event
from worker import jobs
from worker.__main__ import main
from worker.pipeline import Pipeline

STEP = os.environ["DIE_AFTER"]
MARK = Path(os.environ["DIED_MARK"])


def perhaps_die(step: str) -> None:
    """At this step?"""
    if step == STEP and not MARK.exists():
        MARK.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class DyingPipeline(Pipeline):
    """The real steps, each followed by the question whether to die."""

    def learn(self, events: Sequence[Event]) -> None:
        super().learn(events)
        perhaps_die("learn")

    def mark(self, events: Sequence[Event]) -> None:
        super().mark(events)
        perhaps_die("mark")


class DyingStore(PropertyStore):
    """The same for what is done with the marks."""

    def take(self, limit: int) -> list[Refreshing]:
        taken = super().take(limit)
        if taken:
            perhaps_die("take")
        return taken

    def write(self, computed: Sequence[Computed]) -> None:
        super().write(computed)
        perhaps_die("write")

    def finish(self, taken: Sequence[Refreshing], waits: Mapping[str, Wait]) -> None:
        super().finish(taken, waits)
        perhaps_die("finish")

    def note_backfill(self, rule: Rule, behind: str, profiles: Sequence[str], is_done: bool) -> None:
        super().note_backfill(rule, behind, profiles, is_done)
        perhaps_die("note")


if __name__ == "__main__":
    composition: Any = jobs  # the composition root is the one place to change it
    composition.Pipeline, composition.PropertyStore = DyingPipeline, DyingStore
    main()
