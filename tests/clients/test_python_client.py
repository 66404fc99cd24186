"""The Python client (clients/python) on the real service, which goes away, refuses, and loses its answers."""

import gzip
import json
import logging
import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

import grouparoo
import pytest
from grouparoo import Client, Problem
from grouparoo.transport import Transport

from tests.clients.conftest import Make, Told, wait_for
from tests.clients.unreliable import ANSWER_LOST, Unreliable
from tests.servers import Web, free_port
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)


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
