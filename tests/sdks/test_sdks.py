"""Real SDKs tell the same visitor's story through a bad network; what they told is stored once, rightly, on one profile."""

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from app.keys import create_key
from tests.conftest import need
from tests.sdks import installing
from tests.sdks.catalogue import SDKS, Sdk
from tests.sdks.proxy import Proxy
from tests.sdks.telling import BOUGHT_AT, ORDER, TRAITS, Telling
from tests.servers import NotInstalled, scheduler, wait_until
from tests.worker.system import System

pytestmark = [pytest.mark.sdks, pytest.mark.timeout(600)]

AT_ONCE = 4
LINKS = {"sign-in", "alias"}
CLOCKS_DIFFER = timedelta(seconds=30)
"""By as much a time may be moved, where a request is sent again with the `sentAt` of its first attempt."""

COMMANDS = {
    "python": lambda: [installing.python("current")],
    "python-old": lambda: [installing.python("old")],
    "node": lambda: [installing.node()],
    "browser": lambda: [installing.node(), installing.chromium()],
}


@pytest.fixture(scope="module")
def system(server_directory: Path) -> Iterator[System]:
    """All processes of the Procfile."""
    directory = server_directory / "sdks"
    directory.mkdir(mode=0o755)
    with System(directory) as system:
        clock = scheduler(system.environ, system.log)
        system.start_workers()
        clock.start()
        yield system
        clock.kill()


@pytest.fixture(scope="module")
def tellings(request: pytest.FixtureRequest, system: System) -> Iterator[dict[str, Future[Telling]]]:
    """The stories of the SDKs that are asked for, a few at a time, for most of their time they wait."""
    asked_for = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [params["sdk"] for params in asked_for if isinstance(params.get("sdk"), Sdk)]
    commands: dict[str, list[str] | NotInstalled] = {}
    for language in dict.fromkeys(sdk.language for sdk in wanted):
        try:
            commands[language] = COMMANDS[language]()
        except NotInstalled as error:
            commands[language] = error
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {sdk.name: pool.submit(tell, sdk, system, commands[sdk.language]) for sdk in wanted}
        pool.shutdown(cancel_futures=True)


def tell(sdk: Sdk, system: System, command: list[str] | NotInstalled) -> Telling:
    """The story, told. Raises NotInstalled."""
    if isinstance(command, NotInstalled):
        raise command
    with system.app.app_context():
        row, key = create_key(sdk.name, ["events:write"])
        producer_guid = row.guid
    wait_until(lambda: is_known(system, key), what="the look-up of the key")
    seed = zlib.crc32(sdk.name.encode())
    proxy = Proxy(system.web.port, sdk.faults, seed)
    telling = Telling(sdk, proxy, key, producer_guid, command, f"zoë+{seed}@shop.example", f"device-{seed}")
    telling.run()
    return telling


def is_known(system: System, key: str) -> bool:
    """Whether the service has looked the key up: while it can't it says 503, and SDKs ask for their settings only once."""
    answer = requests.get(f"{system.web.url}/api/v1/events", headers={"X-Api-Key": key}, timeout=10)
    return answer.status_code == 403


def stored(system: System, producer_guid: str) -> list[dict[str, Any]]:
    """All events of this key."""
    found, path = [], "/events?limit=1000"
    while path:
        page = system.get(path)
        found += [event for event in page["events"] if event["producerGuid"] == producer_guid]
        path = f"/events?limit=1000&after={page['next']}" if page["next"] else ""
    return found


def step_of(event: dict[str, Any]) -> str:
    """What the event tells of the story, or of its SDK's own doings."""
    data = event["data"]
    if any(key.startswith("context.$set_once.") for key in data) and "step" not in data:
        return "set_once"
    return str(data.get("step") or (data.get("title") if event["type"] == "page_view" else None) or event["type"])


def ids_of(telling: Telling, event: dict[str, Any]) -> tuple[str | None, str | None]:
    """In the catalogue's words."""
    words = {telling.user_id: "user", telling.anonymous_id: "device", None: None}
    return words.get(event["userId"], event["userId"]), words.get(event["anonymousId"], event["anonymousId"])


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_what_it_told_is_stored_once_and_rightly_on_one_profile(
    sdk: Sdk, system: System, tellings: dict[str, Future[Telling]]
) -> None:
    telling = need(tellings[sdk.name].result)
    system.wait_until_drained()
    events = stored(system, telling.producer_guid)

    check_each_is_there_once(telling, events)
    for event in events:
        check_it_is_as_it_was_told(telling, event)
    check_the_faults_happened(telling)
    check_it_is_one_person(system, telling)


def test_no_process_of_the_service_met_anything_unforeseen(system: System, tellings: dict[str, Future[Telling]]) -> None:
    wait(tellings.values())

    assert "Traceback" not in system.log.read_text()


def check_each_is_there_once(telling: Telling, events: list[dict[str, Any]]) -> None:
    counts = Counter(step_of(event) for event in events)
    given_up = set(telling.given_up) if telling.sdk.gives_up else set()
    assert counts.keys() <= telling.sdk.told.keys(), f"{counts}\n{telling.report()}"
    assert telling.sdk.told.keys() - given_up <= counts.keys(), f"{counts}\n{telling.report()}"
    several = {step for step, count in counts.items() if count > 1}
    assert several <= telling.sdk.nameless, f"{counts}\n{telling.report()}"


def check_it_is_as_it_was_told(telling: Telling, event: dict[str, Any]) -> None:
    step, data = step_of(event), event["data"]
    assert (event["type"], *ids_of(telling, event)) == telling.sdk.told[step], f"{event}\n{telling.report()}"
    if step in ("sign-in", "people"):
        assert TRAITS.items() <= data.items(), event
    if step == "purchase":
        assert expected_data(ORDER).items() <= data.items(), event
    occurred_at = datetime.fromisoformat(event["occurredAt"])
    if step == "purchase" and telling.sdk.tells_times:
        assert abs(occurred_at - BOUGHT_AT) < CLOCKS_DIFFER, event
    else:
        assert telling.ended_at
        assert telling.began_at - CLOCKS_DIFFER < occurred_at < telling.ended_at + CLOCKS_DIFFER, event


def expected_data(told: dict[str, Any]) -> dict[str, str]:
    """Values as they are stored (04-http, "Values")."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for name, value in told.items()
    }


def check_the_faults_happened(telling: Telling) -> None:
    """Else the story would show nothing."""
    assert telling.proxy.faults_done() == set(telling.sdk.faults), telling.report()
    if telling.sdk.gives_up:
        assert len(telling.given_up) <= len(telling.sdk.faults), telling.report()
    elif telling.sdk.repeats:
        assert telling.proxy.sent_again(), f"nothing was sent twice\n{telling.report()}"
        assert not telling.given_up, telling.report()


def check_it_is_one_person(system: System, telling: Telling) -> None:
    """If the SDK gave up what says so, nobody can know."""
    if telling.sdk.gives_up and LINKS & set(telling.given_up):
        return

    def is_one() -> bool:
        return len({event["profileGuid"] for event in stored(system, telling.producer_guid)}) == 1

    wait_until(is_one, 30, f"one profile of all events of {telling.report()}")
    [guid] = {event["profileGuid"] for event in stored(system, telling.producer_guid)}
    for kind, value in (("userId", telling.user_id), ("anonymousId", telling.anonymous_id)):
        assert system.get(f"/profiles/by/{kind}/{quote(value, safe='')}")["profile"]["guid"] == guid
