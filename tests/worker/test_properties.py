"""Properties in the whole system: right soon after the event, and though workers are killed."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from app.models import Refresh, db
from app.stream import BACKFILL, DRAIN, REFRESH
from tests.servers import Database, wait_until
from tests.worker.system import System, event

Started = Callable[..., System]


@pytest.fixture
def start(server_directory: Path, request: pytest.FixtureRequest) -> Iterator[Started]:
    systems: list[System] = []

    def start(**options: Any) -> System:
        directory = server_directory / f"properties-{abs(hash(request.node.name)) % 10**8}"
        directory.mkdir(mode=0o755)
        systems.append(System(directory, **options))
        return systems[0]

    yield start
    for system in systems:
        system.__exit__()


def call(system: System, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {system.key}"}
    answer = requests.request(method, f"{system.web.url}/api/v1{path}", json=body, headers=headers, timeout=10)
    assert answer.status_code < 300, answer.text
    return answer.json()


def make_rule(system: System) -> str:
    """How often they bought; its guid."""
    source = call(system, "POST", "/sources", {"name": "purchases", "eventType": "purchase"})["source"]["guid"]
    body = {"key": "orders", "type": "integer", "sourceGuid": source, "column": "type", "aggregation": "count"}
    guid: str = call(system, "POST", "/property-rules", body)["propertyRule"]["guid"]
    return guid


def purchase(user: str | None = None, device: str | None = None) -> dict[str, Any]:
    return event(user, device, type="purchase")


def known(system: System, user: str, kind: str = "userId") -> dict[str, Any] | None:
    """What is known of them; None if nobody knows them."""
    headers = {"Authorization": f"Bearer {system.key}"}
    answer = requests.get(f"{system.web.url}/api/v1/profiles/by/{kind}/{user}", headers=headers, timeout=10)
    if answer.status_code == 404:
        return None
    return {key: one["value"] for key, one in answer.json()["profile"]["properties"].items()}


def wait_for(system: System, wanted: dict[str, dict[str, Any] | None], kind: str = "userId", tend: bool = False) -> None:
    """Poll until that is known of these people. With `tend`, workers are started again, and woken, as time would do it."""

    def is_known() -> bool:
        if tend:
            tended(system)
        return {user: known(system, user, kind) for user in wanted} == wanted

    wait_until(is_known, 60, f"that {wanted} is known")


def tended(system: System) -> None:
    for process in system.workers:
        if not process.is_alive():
            process.start()
            with system.app.app_context(), db.engine.begin() as connection:  # a lease ends by itself, too
                connection.execute(sa.update(Refresh).values(taken_until=None))
    system.nudge()
    for job in (DRAIN, REFRESH, BACKFILL):
        system.wake(job)
    time.sleep(0.3)


def test_what_is_known_of_people_follows_their_events(start: Started) -> None:
    """The worker alone, and nothing that wakes it but what happens."""
    system = start()
    system.start_workers()
    make_rule(system)

    system.post([purchase("ann"), purchase("ann"), purchase("bob"), purchase(device="phone")])
    wait_for(system, {"ann": {"orders": 2}, "bob": {"orders": 1}})
    wait_for(system, {"phone": {"orders": 1}}, kind="anonymousId")

    system.post([event("ann", "phone", type="identify", data={"plan": "pro"})])
    wait_for(system, {"ann": {"orders": 3, "plan": "pro"}})

    guids = {user: system.get(f"/profiles/by/userId/{user}")["profile"]["guid"] for user in ("ann", "bob")}
    merge = call(system, "POST", f"/profiles/{guids['ann']}/merge", {"from": guids["bob"]})["merge"]["guid"]
    wait_for(system, {"ann": {"orders": 4, "plan": "pro"}, "bob": {"orders": 4, "plan": "pro"}})

    call(system, "POST", f"/merges/{merge}/revert")
    wait_for(system, {"ann": {"orders": 3, "plan": "pro"}, "bob": {"orders": 1}})

    call(system, "DELETE", f"/profiles/{guids['ann']}")
    wait_until(lambda: not any(one.user_id == "ann" for one in system.stored().values()), what="the end of ann's events")
    system.post([purchase("ann")])
    wait_for(system, {"ann": {"orders": 1}, "bob": {"orders": 1}})


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", ["learn", "mark", "take", "write", "finish", "note"])
def test_a_worker_killed_after_any_step_leaves_properties_that_are_made_good(
    start: Started, database: type[Database], step: str, tmp_path: Path
) -> None:
    system = start(worker_script="dying_refresher.py", database=database)
    died = tmp_path / "died"
    system.workers[0].environ |= {"DIE_AFTER": step, "DIED_MARK": str(died)}
    make_rule(system)
    users = [f"user-{number}" for number in range(20)]
    told = [event(user, type="identify", data={"plan": "pro"}) for user in users]

    system.start_workers()
    system.post([one for user in users for one in (purchase(user), purchase(user))] + told)
    wait_until(died.exists, what="the worker's death")

    wait_for(system, {user: {"orders": 2, "plan": "pro"} for user in users}, tend=True)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_backfill_that_is_killed_goes_on_where_it_was(start: Started) -> None:
    """Given 5,000 people, when the worker is killed again and again, then each is computed, and counted, once."""
    system = start()
    system.start_workers()
    users = [f"user-{number}" for number in range(5000)]
    for place in range(0, len(users), 500):
        assert system.post([purchase(user) for user in users[place : place + 500]]).status_code == 202
    system.wait_until_drained()
    rule, chance, counts = make_rule(system), random.Random(1), [0]

    def is_done() -> bool:
        backfill = system.get(f"/property-rules/{rule}")["propertyRule"]["backfill"]
        counts.append(backfill["profiles"])
        if len(counts) < 15:
            time.sleep(chance.uniform(0, 0.1))
            system.workers[0].kill()
        tended(system)
        return bool(backfill["state"] == "done")

    wait_until(is_done, 200, "the end of the backfill")

    assert counts == sorted(counts) and counts[-1] == len(users)
    wait_for(system, {user: {"orders": 1} for user in chance.sample(users, 20)}, tend=True)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_workers_killed_at_random_leave_every_property_right(start: Started) -> None:
    system = start(workers=2)
    system.start_workers()
    make_rule(system)
    chance = random.Random(2)
    bought = dict.fromkeys([f"user-{number}" for number in range(40)], 0)
    for _ in range(60):
        some = [chance.choice(list(bought)) for _ in range(20)]
        assert system.post([purchase(user) for user in some]).status_code == 202
        for user in some:
            bought[user] += 1
        if chance.random() < 0.3:
            victim = chance.choice(system.workers)
            victim.kill()
            victim.start()
        time.sleep(0.05)

    wait_for(system, {user: {"orders": count} for user, count in bought.items()}, tend=True)
