"""Jobs that can wait give way to events that wait to be stored."""

import pytest

from app.services import services
from app.stream import DRAIN, REPOINT
from tests.worker.test_repoint import visit
from worker.turn import Turn


@pytest.mark.usefixtures("at_work")
def test_a_turn_is_short_while_events_wait() -> None:
    stream = services().stream
    assert Turn(stream, least_s=0)

    stream.append([visit(1, "ann", None)])

    assert Turn(stream)
    assert not Turn(stream, least_s=0)


@pytest.mark.usefixtures("at_work")
def test_who_gives_way_comes_again_behind_the_drain() -> None:
    stream = services().stream

    Turn(stream).give_to(DRAIN, REPOINT)

    assert [job.func_name for job in stream.queue.jobs] == ["worker.jobs.drain", "worker.jobs.repoint"]
