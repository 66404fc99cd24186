"""The Python client in processes that fork, end, and are ended: what each queued is stored once."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import requests

from tests.clients.test_python_client import wait_for
from tests.servers import ROOT, Process, free_port, wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)

FORKS = """
import os, sys, grouparoo
person = sys.argv[1]
grouparoo.init(os.environ["KEY"], os.environ["URL"], flush_interval_s=1)
for number in range(10):
    grouparoo.track("parent", user_id=person)
children = []
for child in range(3):
    if not (pid := os.fork()):
        grouparoo.track("child", user_id=person)
        if not (grandchild := os.fork()):
            grouparoo.track("grandchild", user_id=person)
            sys.exit()
        os.waitpid(grandchild, 0)
        sys.exit()
    children.append(pid)
    grouparoo.track("parent", user_id=person)
for pid in children:
    os.waitpid(pid, 0)
"""

FORKS_IN_THE_MIDDLE = """
import os, sys, threading, grouparoo
person = sys.argv[1]
client = grouparoo.init(os.environ["KEY"], os.environ["URL"], flush_interval_s=0)

def track(name):
    for number in range(50):
        grouparoo.track(name, user_id=person)

threads = [threading.Thread(target=track, args=("parent",)) for _ in range(4)]
for thread in threads:
    thread.start()
children = []
for child in range(5):
    if not (pid := os.fork()):
        grouparoo.track("child", user_id=person)
        assert grouparoo.flush(30)
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 5
for thread in threads:
    thread.join()
"""

TRACKS_AND_ENDS = """
import os, sys, grouparoo
grouparoo.init(os.environ["KEY"], os.environ["URL"], flush_interval_s=60)
for number in range(10):
    grouparoo.track("click", user_id=sys.argv[1])
"""

ENDS_IN_AN_OUTAGE = """
import os, sys, logging, grouparoo
logging.basicConfig()
client = grouparoo.init(os.environ["KEY"], "http://127.0.0.1:9", flush_interval_s=0.1)
grouparoo.track("click", user_id=sys.argv[1])
grouparoo.shutdown(1)
"""

TRACKS_AT_EXIT = """
import atexit, os, sys, grouparoo
grouparoo.init(os.environ["KEY"], os.environ["URL"])
atexit.register(lambda: grouparoo.track("goodbye", user_id=sys.argv[1]))
"""

IMPORTS = """
import os, sys, grouparoo
before = set(sys.modules)
client = grouparoo.init(os.environ["KEY"], os.environ["URL"], gzip=True)
client.track("click", user_id=sys.argv[1])
assert client.flush(30)
print(sorted(set(sys.modules) - before))
"""

PRELOADED = """
import os, grouparoo
grouparoo.init(os.environ["KEY"], os.environ["URL"], flush_interval_s=0.2)
grouparoo.track("loaded", user_id=os.environ["PERSON"])

def app(environ, start_response):
    grouparoo.track("request", user_id=os.environ["PERSON"], data={"pid": os.getpid()})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def person() -> str:
    return f"user-{uuid.uuid4().hex}"


def environ_of(system: System) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "clients/python"), "URL": system.web.url, "KEY": system.key}


def run(system: System, script: str, person: str) -> str:
    """The script to its end; what it printed."""
    command = [sys.executable, "-c", script, person]
    environ = {**os.environ, **environ_of(system)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_a_process_tracked_before_its_end_is_stored(system: System, person: str) -> None:
    assert run(system, TRACKS_AND_ENDS, person) == ""

    wait_for(system, person, 10)


def test_what_is_tracked_at_the_very_end_is_stored(system: System, person: str) -> None:
    assert run(system, TRACKS_AT_EXIT, person) == ""

    wait_for(system, person, 1)


def test_a_process_that_ends_in_an_outage_says_what_it_lost_and_shows_nothing(system: System, person: str) -> None:
    printed = run(system, ENDS_IN_AN_OUTAGE, person)

    assert "Problem('unconfirmed', events=1, status=0)" in printed
    assert person not in printed and system.key not in printed and "Traceback" not in printed


def test_each_process_sends_what_it_tracked_itself(system: System, person: str) -> None:
    run(system, FORKS, person)

    types = [event["type"] for event in wait_for(system, person, 19)]
    assert {name: types.count(name) for name in set(types)} == {"parent": 13, "child": 3, "grandchild": 3}


def test_a_fork_while_other_threads_track_and_send_leaves_no_lock_held(system: System, person: str) -> None:
    run(system, FORKS_IN_THE_MIDDLE, person)

    wait_for(system, person, 205)


def test_its_thread_imports_nothing_whose_lock_a_fork_could_take_along(system: System, person: str) -> None:
    assert run(system, IMPORTS, person) == "[]\n"


def test_a_preloaded_app_sends_from_each_of_its_processes(system: System, person: str, tmp_path: Path) -> None:
    (tmp_path / "preloaded.py").write_text(PRELOADED)
    port = free_port()
    options = ["--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--chdir", str(tmp_path), "--no-control-socket"]
    command = [sys.executable, "-m", "gunicorn", *options, "preloaded:app"]
    server = Process(command, {**environ_of(system), "PERSON": person}, tmp_path / "log")
    server.start()
    answers: list[str] = []

    def has_answered_from_both() -> bool:
        try:
            answers.append(requests.get(f"http://127.0.0.1:{port}/", timeout=10).text)
        except requests.ConnectionError:
            assert server.is_alive(), (tmp_path / "log").read_text()
        return len(set(answers)) == 2

    wait_until(has_answered_from_both, what="answers of both workers")
    server.send(signal.SIGTERM)
    assert server.stop() == 0

    stored = wait_for(system, person, 1 + len(answers))
    assert sorted(event["data"]["pid"] for event in stored if event["type"] == "request") == sorted(answers)
