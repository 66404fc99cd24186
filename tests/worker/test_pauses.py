"""A worker that sleeps longer than any lease while another one takes over, and then goes on where it was (02-architecture)."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity.store import repoints
from app.models import db
from app.stream import DRAIN, GROUP, REPOINT, STREAM
from tests.servers import Process, wait_until
from tests.worker.system import System, event
from tests.worker.test_promises import check, send, visits

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

TAKE_OVER_S = 150
"""At the most: the lease of 30 s, and what the other worker then has to do, on a machine that may be busy."""


@pytest.fixture
def system(server_directory: Any, request: pytest.FixtureRequest) -> Iterator[System]:
    directory = server_directory / f"pauses-{abs(hash(request.node.name)) % 10**8}"
    directory.mkdir(mode=0o755)
    with System(directory, workers=2) as system:
        yield system


def pause_when(worker: Process, is_so: Callable[[], bool]) -> None:
    """SIGSTOP at a moment when something is so, and stays so."""

    def caught() -> bool:
        if not is_so():
            return False
        worker.send(signal.SIGSTOP)
        if not is_so():
            worker.send(signal.SIGCONT)
        return is_so()

    wait_until(caught, what="the moment to pause the worker")


def test_a_worker_paused_in_the_middle_of_a_batch_loses_and_doubles_nothing(system: System) -> None:
    sleeper, other = system.workers
    sent, owners = visits(10_000)
    send(system, sent, size=500)
    sleeper.start()
    pause_when(sleeper, lambda: system.has_stored() and system.redis.xpending(STREAM, GROUP)["pending"] > 0)

    other.start()
    wait_until(lambda: system.wake(DRAIN) or system.redis.xlen(STREAM) == 0, TAKE_OVER_S, "the end of the drain")
    sleeper.send(signal.SIGCONT)
    sleeper.stop()

    system.settle()
    check(system.stored(), owners)


def test_a_worker_paused_in_a_transaction_keeps_nobody_else_from_its_people(system: System) -> None:
    sleeper, other = system.workers
    sent, owners = visits(10_000)
    send(system, sent, size=500)
    with system.app.app_context(), db.engine.connect() as connection:
        connection.execute(sa.text("LOCK TABLE claims IN SHARE MODE"))  # so that its transaction is open until it's paused
        sleeper.start()
        pause_when(sleeper, lambda: waits_for_a_lock(system))
        connection.rollback()
    wait_until(lambda: has_open_writer(system), what="the end of the statement that waited")

    other.start()
    wait_until(lambda: system.wake(DRAIN) or system.redis.xlen(STREAM) == 0, TAKE_OVER_S, "the end of the drain")
    sleeper.send(signal.SIGCONT)
    sleeper.stop()

    system.settle()
    check(system.stored(), owners)


def test_a_worker_paused_while_it_re_points_a_device_gives_no_event_to_whom_it_was_before(system: System) -> None:
    """Given a long-used device that ann's worker falls asleep over, when bob turns out to have had it before her."""
    sleeper, other = system.workers
    send(system, [event(None, "phone", occurredAt=1_700_000_000 + n) for n in range(30_000)], size=2_000)
    send(system, [event("ann"), event("bob")])  # who have profiles: theirs won't be the phone's
    sleeper.start()
    system.wait_until_drained()
    send(system, [event("ann", "phone", occurredAt=1_700_100_000)])
    pause_when(sleeper, lambda: is_taken(system))

    send(system, [event("bob", "phone", occurredAt=1_600_000_000)])
    other.start()
    wait_until(lambda: system.wake(DRAIN) or system.wake(REPOINT) or is_settled(system), TAKE_OVER_S, "the end of re-pointing")
    sleeper.send(signal.SIGCONT)
    sleeper.stop()

    wait_until(lambda: system.wake(REPOINT) or is_settled(system), TAKE_OVER_S, "the end of re-pointing")
    stored = system.stored().values()
    of_bob = {one.profile_guid for one in stored if one.user_id == "bob"}
    assert len(stored) == 30_004
    assert {one.profile_guid for one in stored if one.user_id is None} == of_bob and len(of_bob) == 1


def waits_for_a_lock(system: System) -> bool:
    with system.app.app_context(), db.engine.connect() as connection:
        statement = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_xid IS NOT NULL"
        return connection.execute(sa.text(statement)).first() is not None


def has_open_writer(system: System) -> bool:
    """Whether a worker has written something that it has not committed, and does nothing."""
    statement = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL"
    with system.app.app_context(), db.engine.connect() as connection:
        return connection.execute(sa.text(statement)).first() is not None


def is_taken(system: System) -> bool:
    """Whether a worker holds a lease."""
    with system.app.app_context(), db.engine.connect() as connection:
        statement = sa.select(repoints.c.value).where(repoints.c.taken_until.is_not(None)).limit(1)
        return connection.execute(statement).first() is not None


def is_settled(system: System) -> bool:
    """Whether nothing waits, neither to be stored nor to be re-pointed."""
    with system.app.app_context(), db.engine.connect() as connection:
        has_notes = connection.execute(sa.select(repoints.c.value).limit(1)).first() is not None
    return not has_notes and system.redis.xlen(STREAM) == 0
