"""The promises of 02-architecture, on real servers, with real SIGKILLs."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from app.models import db
from app.stream import STREAM
from backends.event import Event
from tests.servers import Database, wait_until
from tests.worker.system import System, event, profiles_by_owner

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

Started = Callable[..., System]


@pytest.fixture
def start(server_directory: Path, request: pytest.FixtureRequest) -> Iterator[Started]:
    systems: list[System] = []

    def start(**options: Any) -> System:
        directory = server_directory / f"system-{abs(hash(request.node.name)) % 10**8}-{len(systems)}"
        directory.mkdir(mode=0o755)
        system = System(directory, **options)
        systems.append(system)
        return system

    yield start
    for system in systems:
        system.__exit__()


def visits(count: int, people: int = 20) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Events of people with two devices each, a third of them signed in; and who is the owner of each, by its messageId."""
    chance = random.Random(count)
    sent, owners = [], {}
    for _ in range(count):
        person, device = chance.randrange(people), chance.randrange(2)
        one = event(f"user-{person}" if chance.random() < 0.3 else None, f"device-{person}-{device}")
        sent.append(one)
        owners[one["messageId"]] = f"user-{person}"
    for person in range(people):  # in the end everybody has signed in on both devices
        for device in range(2):
            sent.append(one := event(f"user-{person}", f"device-{person}-{device}"))
            owners[one["messageId"]] = f"user-{person}"
    return sent, owners


def check(stored: dict[str, Event], owners: dict[str, str]) -> None:
    """Every event once; one profile a person; nobody shares one."""
    assert sorted(one.message_id or "" for one in stored.values()) == sorted(owners)
    profiles = profiles_by_owner(stored.values(), owners)
    assert all(len(found) == 1 and None not in found for found in profiles.values())
    assert len({guid for found in profiles.values() for guid in found}) == len(profiles)


def send(system: System, sent: list[dict[str, Any]], size: int = 20) -> None:
    """Post in bodies of `size`; again until it is accepted, as a client does."""
    for start in range(0, len(sent), size):
        while True:
            try:
                if system.post(sent[start : start + size]).status_code == 202:
                    break
            except requests.RequestException:
                pass
            time.sleep(0.05)


def test_workers_killed_at_random_lose_nothing_and_double_nothing(start: Started, database: type[Database]) -> None:
    system = start(workers=3, database=database)
    system.start_workers()
    sent, owners = visits(3000)
    chance = random.Random(1)
    stop = threading.Event()

    def murder() -> None:
        while not stop.wait(chance.uniform(0.05, 0.6)):
            victim = chance.choice(system.workers)
            victim.kill()
            victim.start()

    murderer = threading.Thread(target=murder)
    murderer.start()
    send(system, sent)
    time.sleep(3)
    stop.set()
    murderer.join()
    system.nudge_until_drained()
    system.settle()

    check(system.stored(), owners)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_worker_killed_after_any_step_leaves_a_batch_that_is_made_good(
    start: Started, database: type[Database], step: int, tmp_path: Path
) -> None:
    system = start(worker_script="dying_worker.py", database=database)
    system.workers[0].environ |= {"DIE_AFTER_STEP": str(step), "DIED_MARK": str(tmp_path / "died")}
    sent, owners = visits(300)

    send(system, sent[:150])
    system.start_workers()
    wait_until(lambda: (tmp_path / "died").exists(), what="the worker's death")
    send(system, sent[150:])
    system.nudge_until_drained()
    system.settle()

    check(system.stored(), owners)


def test_a_killed_redis_comes_back_with_all_it_accepted(start: Started) -> None:
    system = start(workers=2)
    system.start_workers()
    sent, owners = visits(1000)
    sender = threading.Thread(target=send, args=(system, sent))
    sender.start()

    for _ in range(3):
        time.sleep(0.7)
        system.valkey.kill()
        time.sleep(0.5)
        system.valkey.start()
    sender.join()
    system.nudge_until_drained()
    system.settle()

    check(system.stored(), owners)


def test_a_worker_goes_on_as_soon_as_a_redis_that_was_killed_in_the_middle_of_its_job_is_back(start: Started) -> None:
    system = start()
    sent, _ = visits(20_000)
    send(system, sent, size=500)
    system.start_workers()
    wait_until(system.has_stored, what="the first batch")

    system.valkey.kill()
    system.valkey.start()
    assert system.redis.xlen(STREAM) > 0, "it should have been in the middle of its job"
    send(system, [event("late", "late")])

    wait_until(lambda: system.has_stored("late"), 30, "the storing of what came later")


def test_a_database_that_is_away_for_ten_seconds_delays_and_loses_nothing(start: Started, database: type[Database]) -> None:
    system = start(database=database)
    system.start_workers()
    sent, owners = visits(400)
    send(system, sent[:100])
    system.wait_until_drained()

    system.database.stop()
    began = time.monotonic()
    send(system, sent[100:])
    assert time.monotonic() - began < 8, "accepting does not wait for the database"
    time.sleep(max(0.0, 10 - (time.monotonic() - began)))
    system.database.start()
    system.wait_until_drained(30)

    system.settle()
    check(system.stored(), owners)


def test_what_the_database_refuses_is_parked_and_its_neighbours_are_stored(
    start: Started, database: type[Database]
) -> None:
    system = start(database=database)
    with system.app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (type <> 'poison')"))
    good, owners = visits(100)
    poison = event("user-1", "device-1-0", type="poison")

    system.post([*good[:50], poison, *good[50:]])
    system.start_workers()
    system.wait_until_drained()
    system.settle()

    check(system.stored(), owners)
    letters = system.get("/dead-letters")["deadLetters"]
    assert len(letters) == 1 and "no_poison" in letters[0]["reason"]


def test_what_kills_the_process_is_parked_and_its_neighbours_are_stored(start: Started) -> None:
    system = start(worker_script="dying_worker.py")
    system.workers[0].environ |= {"DIE_ON_TYPE": "poison"}
    good, owners = visits(50)
    system.post([*good[:20], event("user-1", type="poison"), *good[20:]])

    system.nudge_until_drained(120)
    system.settle()

    check(system.stored(), owners)
    assert len(system.get("/dead-letters")["deadLetters"]) == 1


def test_the_same_batch_sent_again_with_another_time_is_stored_once(start: Started) -> None:
    system = start(workers=2)
    system.start_workers()
    sent, owners = visits(200)
    for shift in (0, 3600, -7200):
        for one in sent:
            one["occurredAt"] = 1_700_000_000 + shift
        assert system.post(sent, sentAt=1_700_000_000 + shift).status_code == 202

    system.wait_until_drained()
    system.settle()

    check(system.stored(), owners)


def test_thirty_people_on_three_new_devices_each_at_once_are_thirty_profiles(
    start: Started, database: type[Database]
) -> None:
    system = start(workers=3, database=database)
    system.start_workers()
    owners: dict[str, str] = {}
    posts = []
    for person in range(30):
        for device in range(3):
            posts.append([event(None, f"d-{person}-{device}"), event(f"user-{person}", f"d-{person}-{device}")])
            owners |= {one["messageId"]: f"user-{person}" for one in posts[-1]}
    random.Random(3).shuffle(posts)

    with ThreadPoolExecutor(90) as pool:
        answers = list(pool.map(system.post, posts))
    system.wait_until_drained()
    system.settle()

    assert {answer.status_code for answer in answers} == {202}
    check(system.stored(), owners)
    assert system.get("/status")["unassociated"] == 0
    assert len(system.get("/profiles?limit=1000")["profiles"]) == 30


def test_sigterm_ends_a_worker_within_its_time_and_loses_nothing(start: Started) -> None:
    system = start()
    sent, owners = visits(20_000)
    send(system, sent, size=500)
    system.start_workers()
    wait_until(system.has_stored, what="the first batch")

    began = time.monotonic()
    code = system.workers[0].stop()

    assert code == 0 and time.monotonic() - began < 15
    assert system.redis.xlen(STREAM) > 0, "it should have been stopped in the middle"
    system.start_workers()
    system.nudge_until_drained()
    system.settle()
    check(system.stored(), owners)


def test_a_paused_redis_is_answered_with_503_within_a_second_or_so(start: Started) -> None:
    system = start()
    system.post([event("user-1")])
    system.valkey.send(signal.SIGSTOP)

    began = time.monotonic()
    answer = system.post([event("user-1")])
    took = time.monotonic() - began
    system.valkey.send(signal.SIGCONT)

    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert took < 1.5


@pytest.mark.parametrize("delay_s", [0.4, 0.7, 1.0, 1.3])
def test_a_worker_that_is_told_to_stop_while_it_starts_does_stop(start: Started, delay_s: float) -> None:
    system = start()
    system.start_workers()

    time.sleep(delay_s)
    code = system.workers[0].stop(timeout_s=20)

    assert code in (0, -signal.SIGTERM)
