"""The Python client at its end."""

import time

import pytest

from tests.clients.conftest import Make, Told, wait_for
from tests.clients.unreliable import Fault, Unreliable
from tests.servers import free_port, wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)


def test_after_a_shutdown_nothing_is_taken(make: Make, system: System, told: Told, person: str) -> None:
    client = make(flush_interval_s=30)
    client.track("click", user_id=person)

    assert client.shutdown()

    assert client.track("click", user_id=person) is None
    assert [problem.code for problem in told] == ["not_queued"]
    wait_for(system, person, 1)


def test_a_shutdown_in_an_outage_says_what_was_not_sent(make: Make, told: Told, person: str) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    sent = client.track("click", user_id=person)

    assert not client.shutdown(0.5)

    (problem,) = told.of("unconfirmed")
    assert [event["messageId"] for event in problem.events] == [sent]


def test_a_shutdown_that_comes_again_says_the_same(make: Make, told: Told, person: str) -> None:
    lost, idle = make(f"http://127.0.0.1:{free_port()}"), make(f"http://127.0.0.1:{free_port()}")
    lost.track("click", user_id=person)

    assert [lost.shutdown(0.5), lost.shutdown(), idle.shutdown(), idle.shutdown()] == [False, False, True, True]
    assert len(told.of("unconfirmed")) == 1


@pytest.mark.parametrize("is_told_before", [True, False])
def test_a_shutdown_does_not_wait_for_what_comes_too_late(
    make: Make, told: Told, unreliable: Unreliable, person: str, is_told_before: bool
) -> None:
    unreliable.faults.append(Fault(status=429, headers={"Retry-After": "3600"}))
    client = make(unreliable.url, flush_interval_s=0.05 if is_told_before else 30)
    sent = client.track("click", user_id=person)
    if is_told_before:
        wait_until(lambda: told, what="the first attempt")
    began = time.monotonic()

    assert not client.shutdown(20)

    assert time.monotonic() - began < 10
    (problem,) = told.of("unconfirmed")
    assert [event["messageId"] for event in problem.events] == [sent]
    assert len(unreliable.seen) == 1


def test_a_shutdown_waits_for_as_long_as_the_service_asks_if_there_is_time(
    make: Make, system: System, told: Told, unreliable: Unreliable, person: str
) -> None:
    unreliable.faults.append(Fault(status=429, headers={"Retry-After": "1"}))
    client = make(unreliable.url)
    client.track("click", user_id=person)
    wait_until(lambda: told, what="the first attempt")

    assert client.shutdown(20)

    wait_for(system, person, 1)
    first, second = unreliable.seen
    assert second.at - first.at >= 1
