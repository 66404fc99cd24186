"""The Python client while the service is away, or the network is bad."""

import time
from datetime import UTC, datetime

import pytest

from tests.clients.conftest import Make, Told, wait_for
from tests.clients.unreliable import ANSWER_LOST, DROPPED, UNAVAILABLE, Fault, Unreliable
from tests.servers import Web, free_port, wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)


@pytest.mark.faults
def test_what_the_service_misses_while_it_is_away_arrives_once(make: Make, system: System, told: Told, person: str) -> None:
    web = Web(system.environ, system.log)
    client = make(web.url)
    sent = [client.track("click", user_id=person) for _ in range(5)]
    wait_until(lambda: told.of("unavailable"), what="the first attempt")

    web.start()

    stored = wait_for(system, person, 5)
    web.stop()
    assert {event["messageId"] for event in stored} == set(sent)
    assert told.of("unavailable")[0].status == 0 and not any(problem.events for problem in told)


@pytest.mark.faults
def test_a_buffer_that_is_away_is_waited_for(make: Make, system: System, told: Told, person: str) -> None:
    system.valkey.stop()
    client = make()
    client.track("click", user_id=person)
    wait_until(lambda: told, what="the first attempt")

    system.valkey.start()

    wait_for(system, person, 1)
    assert told[0].code == "unavailable" and told[0].status == 503 and not told[0].events


def test_dropped_requests_and_lost_answers_neither_lose_nor_double(
    make: Make, system: System, unreliable: Unreliable, person: str
) -> None:
    unreliable.faults.extend([DROPPED, ANSWER_LOST, UNAVAILABLE, ANSWER_LOST])
    client = make(unreliable.url)

    sent = []
    for _ in range(4):
        sent += [client.track("click", user_id=person) for _ in range(10)]
        time.sleep(0.1)
    assert client.flush(60)

    stored = wait_for(system, person, 40)
    assert {event["messageId"] for event in stored} == set(sent)
    assert not unreliable.faults


def test_the_service_says_when_to_come_back(make: Make, unreliable: Unreliable, person: str) -> None:
    unreliable.faults.append(Fault(status=429, headers={"Retry-After": "2"}))
    client = make(unreliable.url)

    client.track("click", user_id=person)
    assert client.flush(30)

    first, second = unreliable.seen
    assert second.at - first.at >= 2


@pytest.mark.parametrize(
    ("moment", "is_read"),
    [
        ("Fri, 31 Dec 9999 23:59:59 -0100", True),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", False),
        ("Mon, 01 Jan 0001 00:00:00 +0100", False),
        ("tomorrow", False),
    ],
)
def test_a_moment_to_come_back_that_no_calendar_has_ends_nothing(
    make: Make, told: Told, unreliable: Unreliable, person: str, moment: str, is_read: bool
) -> None:
    unreliable.faults.append(Fault(status=503, headers={"Retry-After": moment}))
    client = make(unreliable.url)

    client.track("click", user_id=person)

    wait_until(lambda: told, what="the first attempt")
    assert told[0].status == 503
    assert is_read or client.flush(30)


def test_each_attempt_says_when_it_was_made_so_that_an_outage_moves_no_time(
    make: Make, system: System, unreliable: Unreliable, person: str
) -> None:
    unreliable.faults.append(Fault(status=503, headers={"Retry-After": "2"}))
    client = make(unreliable.url)

    before = datetime.now(UTC)
    client.track("click", user_id=person)
    after = datetime.now(UTC)
    assert client.flush(30)

    (stored,) = wait_for(system, person, 1)
    assert -1 < (datetime.fromisoformat(stored["occurredAt"]) - before).total_seconds() < 1 + (after - before).total_seconds()
    assert datetime.fromisoformat(stored["createdAt"]) > datetime.fromisoformat(stored["occurredAt"])


def test_a_flush_in_an_outage_ends_in_time(make: Make, person: str) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    client.track("click", user_id=person)

    assert not client.flush(0.2)
