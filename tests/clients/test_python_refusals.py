"""The Python client and what it is refused, by the service and by somebody else."""

import pytest
import requests

from tests.clients.conftest import Make, Told, wait_for
from tests.clients.unreliable import DROPPED, UNAVAILABLE, Fault, Unreliable
from tests.servers import wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)

REFUSED_BY_A_PROXY = Fault(status=403, body=b"<html>Forbidden</html>")


def test_somebody_elses_answer_is_not_the_services(make: Make, system: System, unreliable: Unreliable, person: str) -> None:
    page = b"<html>Welcome to our wireless network!</html>"
    unreliable.faults.extend([Fault(status=200, body=page), Fault(status=404, body=page), Fault(status=302, body=page)])
    client = make(unreliable.url)

    client.track("click", user_id=person)
    assert client.flush(30)

    wait_for(system, person, 1)
    assert len(unreliable.seen) == 4


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
