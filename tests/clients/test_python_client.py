"""The Python client (clients/python) on the real service, which goes away, refuses, and loses its answers."""

import gzip
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import grouparoo
import pytest
import requests
from grouparoo import Client, Problem
from grouparoo.transport import Transport

from tests.clients.unreliable import ANSWER_LOST, DROPPED, UNAVAILABLE, Fault, Unreliable
from tests.servers import Web, free_port, wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)


class Told(list[Problem]):
    """An `on_error` that remembers."""

    def __call__(self, problem: Problem) -> None:
        self.append(problem)

    def of(self, code: str) -> list[Problem]:
        return [problem for problem in self if problem.code == code]


Make = Callable[..., Client]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make(system: System, told: Told) -> Iterator[Make]:
    """Makes clients that are shut down when the test ends."""
    made: list[Client] = []

    def make(endpoint: str = system.web.url, key: str = system.key, **options: Any) -> Client:
        client = Client(key, endpoint, **{"on_error": told, "flush_interval_s": 0.05, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        client.shutdown(0)


@pytest.fixture
def person() -> str:
    """A userId that nobody else has."""
    return f"user-{uuid.uuid4().hex}"


def events_of(system: System, person: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.get(f"/events?userId={person}&limit=1000")["events"]
    return found


def wait_for(system: System, person: str, count: int) -> list[dict[str, Any]]:
    """That person's events, when so many are stored; then no more may come."""
    wait_until(lambda: len(events_of(system, person)) >= count, 60, f"the arrival of {count} events")
    system.wait_until_drained()
    found = events_of(system, person)
    assert len(found) == count
    return found


def test_a_story_is_told_and_is_one_profile(system: System, make: Make, person: str) -> None:
    client, device = make(), f"device-of-{person}"

    client.page({"path": "/"}, anonymous_id=device)
    client.identify(person, {"plan": "pro"}, anonymous_id=device)
    moment = datetime(2026, 11, 1, 10, 0, 0, 123_000, UTC)
    bought = client.track("purchase", user_id=person, data={"total": 9.5, "items": ["tea"]}, occurred_at=moment)
    assert client.flush()

    stored = {event["type"]: event for event in wait_for(system, person, 2)}
    assert stored["purchase"]["messageId"] == bought
    assert stored["purchase"]["data"] == {"total": "9.5", "items": '["tea"]'}
    assert abs(datetime.fromisoformat(stored["purchase"]["occurredAt"]) - moment).total_seconds() < 1  # but for the way
    assert stored["identify"]["data"] == {"plan": "pro"}
    profile = system.get(f"/profiles/by/userId/{person}")["profile"]["guid"]
    (viewed,) = system.get(f"/events?anonymousId={device}&type=pageview")["events"]
    assert {event["profileGuid"] for event in [viewed, *stored.values()]} == {profile}


def test_an_event_that_is_tracked_twice_is_stored_once(system: System, make: Make, person: str) -> None:
    client = make()

    for _ in range(2):
        assert client.track("order", user_id=person, message_id=f"order-of-{person}") == f"order-of-{person}"
        assert client.flush()

    wait_for(system, person, 1)


def test_an_event_with_an_empty_message_id_gets_one_by_which_it_is_stored_once(
    make: Make, system: System, unreliable: Unreliable, person: str
) -> None:
    unreliable.faults.append(ANSWER_LOST)
    client = make(unreliable.url)

    sent = client.track("click", user_id=person, message_id="")
    assert client.flush(30)

    (stored,) = wait_for(system, person, 1)
    assert sent and stored["messageId"] == sent


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


def test_somebody_elses_answer_is_not_the_services(make: Make, system: System, unreliable: Unreliable, person: str) -> None:
    page = b"<html>Welcome to our wireless network!</html>"
    unreliable.faults.extend([Fault(status=200, body=page), Fault(status=404, body=page), Fault(status=302, body=page)])
    client = make(unreliable.url)

    client.track("click", user_id=person)
    assert client.flush(30)

    wait_for(system, person, 1)
    assert len(unreliable.seen) == 4


REFUSED_BY_A_PROXY = Fault(status=403, body=b"<html>Forbidden</html>")


@pytest.mark.parametrize("between", [UNAVAILABLE, DROPPED, Fault(status=429), Fault(status=404)])
def test_refusals_of_somebody_between_count_only_in_a_row(
    make: Make, told: Told, unreliable: Unreliable, person: str, between: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grouparoo.sender.FIRST_PAUSE_S", 0)
    unreliable.faults.extend([REFUSED_BY_A_PROXY] * 5 + [between] * 10 + [REFUSED_BY_A_PROXY] * 10)
    client = make(unreliable.url)

    client.track("click", user_id=person)
    assert client.flush(30)

    assert not unreliable.faults and not any(problem.events for problem in told)


def test_what_somebody_between_refuses_again_and_again_is_believed_at_last(
    make: Make, told: Told, unreliable: Unreliable, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grouparoo.sender.FIRST_PAUSE_S", 0)
    unreliable.faults.extend([REFUSED_BY_A_PROXY] * 11)
    client = make(unreliable.url)

    sent = client.track("click", user_id=person)
    assert client.flush(30)

    assert [event["messageId"] for problem in told for event in problem.events] == [sent]
    assert not unreliable.faults


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, b'{"code": 404, "message": "no route"}'),
        (400, b'{"code": 400, "message": "bad request"}'),
        (404, b'{"code": "NOT_FOUND"}'),
        (410, b'{"code": "GONE"}'),
    ],
)
def test_an_error_that_is_not_of_the_services_form_loses_nothing(
    make: Make, system: System, told: Told, unreliable: Unreliable, person: str, status: int, error: bytes
) -> None:
    unreliable.faults.append(Fault(status=status, body=b'{"error": %b}' % error))
    client = make(unreliable.url)

    client.track("click", user_id=person)
    assert client.flush(30)

    wait_for(system, person, 1)
    assert [(problem.code, problem.status, problem.events) for problem in told] == [("unavailable", status, ())]


def test_a_redirect_is_not_followed_with_the_key(make: Make, told: Told, unreliable: Unreliable, person: str) -> None:
    with Unreliable("http://127.0.0.1:9") as elsewhere:
        unreliable.faults.append(Fault(status=307, headers={"Location": f"{elsewhere.url}/api/v1/batch"}))
        client = make(unreliable.url)

        client.track("click", user_id=person)
        assert client.flush(30)

        assert not elsewhere.seen and told[0].status == 307


def test_a_bad_event_is_told_and_its_neighbours_are_stored(make: Make, system: System, told: Told, person: str) -> None:
    client = make(flush_interval_s=5)

    client.track("good", user_id=person)
    client.track("bad", user_id=person, data={f"key-{number}": 1 for number in range(300)})
    client.track("good", user_id=person)
    assert client.flush()

    wait_for(system, person, 2)
    (problem,) = told
    assert problem.code == "invalid_event" and "300 keys" in problem.message
    assert [event["type"] for event in problem.events] == ["bad"]


def test_what_was_taken_but_for_a_part_is_told(make: Make, system: System, told: Told, person: str) -> None:
    client = make()

    client.track("click", user_id=person, anonymous_id="undefined")
    assert client.flush()

    wait_for(system, person, 1)
    assert [(problem.code, problem.events) for problem in told] == [("warning", ())]
    assert "anonymousId" in told[0].message


def test_an_unknown_key_is_told_with_what_is_lost(make: Make, told: Told, person: str) -> None:
    client = make(key="nobody-knows-it")

    sent = client.track("click", user_id=person)
    assert client.flush()

    (problem,) = told
    assert (problem.code, problem.status) == ("unknown_key", 401)
    assert [event["messageId"] for event in problem.events] == [sent]


def test_a_key_that_may_name_nobody_loses_only_what_names_somebody(
    make: Make, system: System, told: Told, person: str
) -> None:
    body = {"name": "pages", "permissions": ["events:write:anonymous"]}
    headers = {"Authorization": f"Bearer {system.key}"}
    answer = requests.post(f"{system.web.url}/api/v1/keys", json=body, headers=headers, timeout=10)
    client = make(key=answer.json()["apiKey"])

    client.track("click", user_id=person)
    client.track("click", anonymous_id=f"device-of-{person}")
    assert client.flush()

    wait_until(lambda: system.get(f"/events?anonymousId=device-of-{person}")["events"], what="the event of nobody")
    assert [len(problem.events) for problem in told] == [1]


@pytest.mark.faults
def test_a_full_queue_says_what_it_does_not_take(make: Make, system: System, told: Told, person: str) -> None:
    web = Web(system.environ, system.log)
    client = make(web.url, max_queue=3)

    taken = [client.track("click", user_id=person, data={"number": number}) for number in range(5)]

    assert taken[3:] == [None, None] and None not in taken[:3]
    assert [problem.events[0]["data"]["number"] for problem in told.of("not_queued")] == [3, 4]
    web.start()
    wait_for(system, person, 3)
    web.stop()


def test_bodies_keep_within_the_services_limits(make: Make, system: System, unreliable: Unreliable, person: str) -> None:
    client = make(unreliable.url, flush_interval_s=30)

    for _ in range(6000):
        client.track("small", user_id=f"many-{person}")
    for _ in range(90):
        client.track("large", user_id=person, data={"text": "ä" * 15_000})
    assert client.flush(60)

    wait_for(system, person, 90)
    sizes = [(len(seen.body), len(json.loads(seen.body)["events"])) for seen in unreliable.seen]
    assert all(size <= 1024 * 1024 and count <= 2500 for size, count in sizes)
    assert sum(count for _, count in sizes) == 6090


@pytest.mark.faults
def test_a_service_with_smaller_limits_gets_smaller_bodies(make: Make, system: System, told: Told, person: str) -> None:
    limits = {"MAX_EVENTS_PER_BODY": "10", "MAX_BODY_BYTES": "20000", "MAX_EVENT_BYTES": "4000"}
    web = Web({**system.environ, **limits}, system.log)
    web.start()
    client = make(web.url, flush_interval_s=5)

    for number in range(50):
        client.track("click", user_id=person, data={"text": "x" * (5000 if number == 25 else 10)})
    assert client.flush(60)

    wait_for(system, person, 49)
    web.stop()
    assert [(problem.code, len(problem.events)) for problem in told if problem.events] == [("invalid_event", 1)]


def test_it_can_send_compressed(make: Make, system: System, unreliable: Unreliable, person: str) -> None:
    client = make(unreliable.url, gzip=True)

    client.track("click", user_id=person)
    assert client.flush()

    wait_for(system, person, 1)
    (seen,) = unreliable.seen
    assert json.loads(gzip.decompress(seen.body))["events"][0]["userId"] == person
    assert seen.headers["User-Agent"] == f"grouparoo-python/{grouparoo.__version__}"


def test_many_threads_lose_and_double_nothing(make: Make, system: System, person: str) -> None:
    client, sent = make(), []

    def work() -> None:
        for number in range(100):
            sent.append(client.track("click", user_id=person, data={"number": number}))
            if number % 40 == 0:
                client.flush()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(60)

    stored = wait_for(system, person, 800)
    assert {event["messageId"] for event in stored} == set(sent)


class Plan(Enum):
    PRO = "pro"


def test_values_that_json_has_no_word_for_are_told_apart(make: Make, system: System, told: Told, person: str) -> None:
    client, order = make(), uuid.uuid4()

    values = {"on": date(2026, 1, 2), "price": Decimal("1.10"), "order": order, "plan": Plan.PRO, "half": "\ud83d", "no": None}
    client.track("good", user_id=person, data={**values, "at": datetime(2026, 1, 2, 3, tzinfo=UTC)})
    for bad in ({"x": float("nan")}, {"x": object()}, {"x": b"bytes"}, {"x": "y" * 40_000}):
        assert client.track("bad", user_id=person, data=bad) is None
    assert client.track("bad") is None and client.track("", user_id=person) is None
    assert client.flush()

    (stored,) = wait_for(system, person, 1)
    expected = {"on": "2026-01-02", "price": "1.10", "order": str(order), "plan": "pro", "half": "?"}
    assert stored["data"] == {**expected, "at": "2026-01-02T03:00:00.000Z"}
    assert [problem.code for problem in told] == ["invalid_event"] * 6


def test_what_the_data_become_later_does_not_count(make: Make, system: System, person: str) -> None:
    client, data = make(), {"state": "open"}

    client.track("order", user_id=person, data=data)
    data["state"] = "closed"
    assert client.flush()

    (stored,) = wait_for(system, person, 1)
    assert stored["data"] == {"state": "open"}


def test_a_handler_that_fails_or_tracks_harms_nothing(make: Make, system: System, person: str) -> None:
    def fail(problem: Problem) -> None:
        client.track("bad")
        raise RuntimeError("in the handler")

    client = make(on_error=fail)
    client.track("bad")
    client.track("good", user_id=person)

    assert client.flush()
    wait_for(system, person, 1)


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


def test_a_flush_in_an_outage_ends_in_time(make: Make, person: str) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    client.track("click", user_id=person)

    assert not client.flush(0.2)


def test_neither_log_nor_text_shows_keys_ids_or_data(
    make: Make, system: System, caplog: pytest.LogCaptureFixture, person: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make(on_error=None, max_queue=2)
    client.track("bad", user_id=person, data={"secret-key": {f"k{number}": "secret" for number in range(9000)}})
    client.track("bad", user_id=person, data={f"secret-{number}": 1 for number in range(300)})
    assert client.flush()
    away = make(f"http://127.0.0.1:{free_port()}", on_error=None, max_queue=1)
    for _ in range(9):
        away.track("secret", user_id=person, data={"secret": 1})
    away.shutdown(0.3)

    told = Told()
    refused = make(on_error=told)
    refused.track("secret", user_id=person, data={"secret": object()})
    shown = caplog.text + repr(client) + repr(told) + str(told[0]) + repr(Transport("http://a", system.key, 1, False))
    assert "invalid_event" in shown and "8 events were not queued" in shown and "unconfirmed" in shown
    assert "secret" not in shown and person not in shown and system.key not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("a key", "http://service"),
        ("", "http://service"),
        ("secret\r\nX-Evil: 1", "http://service"),
        ("secret", "service"),
        ("secret", "ftp://service"),
        ("secret", "http://me:secret@service"),
        ("secret", "http://service:port"),
    ],
)
def test_what_cannot_work_is_refused_at_once(arguments: tuple[str, str]) -> None:
    with pytest.raises(ValueError) as refused:
        Client(*arguments)

    assert "secret" not in str(refused.value)


def test_one_client_serves_the_whole_program(system: System, caplog: pytest.LogCaptureFixture, person: str) -> None:
    assert grouparoo.track("early", user_id=person) is None and "before init" in caplog.text

    grouparoo.init(system.key, f"{system.web.url}/")
    assert grouparoo.page({"path": "/"}, user_id=person)
    assert grouparoo.identify(person, {"plan": "pro"})
    assert grouparoo.track("purchase", user_id=person)
    assert grouparoo.flush()
    assert grouparoo.shutdown()

    assert {event["type"] for event in wait_for(system, person, 3)} == {"pageview", "identify", "purchase"}
