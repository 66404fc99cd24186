"""bin/serve, as somebody who has just cloned the project would use it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from app import BOOT_ERROR
from tests.servers import ROOT, free_port, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

PARTS = ["app", "backends", "worker", "migrations", "bin", "Procfile", "setup.cfg", "pyproject.toml", "README.md"]


class Served:
    """A copy of the project with bin/serve running in it, in an environment with nothing set but what is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        for part in PARTS:
            source = ROOT / part
            shutil.copytree(source, folder / part) if source.is_dir() else shutil.copy(source, folder / part)
        self._borrow_environment()

    def run(self, **environ: str) -> subprocess.CompletedProcess[str]:
        """bin/serve, where it should refuse to start."""
        return subprocess.run(
            [self.folder / "bin/serve"], env=self._environ(environ), cwd="/", capture_output=True, text=True, timeout=60
        )

    def start(self, **environ: str) -> str:
        """bin/serve, until it accepts events; what it printed."""
        log = self.folder / "serve.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [self.folder / "bin/serve"], env=self._environ(environ), cwd="/", stdout=output, stderr=output
            )
        wait_until(self.is_ready, 60, "the start of bin/serve")
        return log.read_text()

    def start_micro(self, key: str, **environ: str) -> None:
        """bin/serve --micro, until it accepts events."""
        command = [self.folder / "bin/serve", "--micro", "--key", key]
        self.process = subprocess.Popen(command, env=self._environ(environ), cwd=self.folder, stdout=subprocess.DEVNULL)
        wait_until(self.is_ready, 60, "the start of bin/serve --micro")

    def stop(self) -> None:
        """Ctrl-C; nothing may be left."""
        if self.process and self.process.poll() is None:
            running = [psutil.Process(self.process.pid), *self.children()]
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(30) == 0
            _, alive = psutil.wait_procs(running, timeout=5)
            assert alive == []

    def children(self) -> list[psutil.Process]:
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        """The process of the Procfile (or the embedded server) in whose command line `name` stands."""
        return next(one for one in self.children() if any(name in part for part in one.cmdline()))

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=2).ok
        except requests.RequestException:
            return False

    def get(self, path: str, key: str) -> Any:
        return requests.get(f"{self.url}/api/v1{path}", headers={"Authorization": f"Bearer {key}"}, timeout=10).json()

    def flask(self, *arguments: str, **environ: str) -> str:
        command = [self.folder / "bin/flask", *arguments]
        return subprocess.run(command, env=self._environ(environ), cwd="/", check=True, capture_output=True, text=True).stdout

    def _environ(self, given: dict[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PORT": str(self.port), **given}

    def _borrow_environment(self) -> None:
        """The environment of this test run in place of a new one, which would take minutes: with this copy's modules first."""
        venv = self.folder / ".venv"
        (venv / "bin").mkdir(parents=True)
        wanted = (self.folder / "setup.cfg").read_text() + (self.folder / "pyproject.toml").read_text()
        (venv / "made-from").write_text(wanted)
        scripts = Path(sys.executable).parent
        for name in ("flask", "gunicorn", "supervisord"):
            self._wrap(venv / "bin" / name, f"{sys.executable} {scripts / name}")
        self._wrap(venv / "bin" / "python", sys.executable)

    def _wrap(self, path: Path, command: str) -> None:
        path.write_text(f'#!/bin/sh\nexport PYTHONPATH={self.folder}\nexport PATH={path.parent}:$PATH\nexec {command} "$@"\n')
        path.chmod(0o755)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    if served.process and served.process.poll() is None:
        for one in [*served.children(), psutil.Process(served.process.pid)]:
            one.kill()
        served.process.wait()


def key_in(printed: str, name: str) -> str:
    return re.findall(rf"^{name}: ([A-Za-z0-9_-]+)$", printed, re.MULTILINE)[0]


def curl_in(printed: str) -> str:
    return re.findall(r"^curl .*$", printed, re.MULTILINE)[0]


def test_what_it_prints_works_when_pasted(served: Served) -> None:
    printed = served.start()

    answer = subprocess.run(["bash", "-c", curl_in(printed)], check=True, capture_output=True, text=True).stdout

    assert '"guid"' in answer
    key = key_in(printed, "API key")
    wait_until(lambda: served.get("/events", key)["events"], what="the event")
    assert served.get("/profiles/by/anonymousId/person_1", key)["profile"]["guid"].startswith("pro_")
    assert key_in(printed, "Write key") not in (key, "")
    assert (served.folder / "var/grouparoo.sqlite3").exists()
    assert (served.folder / "var/secret_key").stat().st_mode & 0o777 == 0o600
    served.stop()


def test_a_later_start_prints_no_key_and_says_how_to_make_one(served: Served) -> None:
    first = served.start()
    served.stop()

    again = served.start()

    assert not re.search("^(API|Write) key", again, re.MULTILINE)
    assert "bin/flask keys create" in again
    made = served.flask("keys", "create", "--name", "new", "--all").split()[-1]
    for key in (made, key_in(first, "API key")):
        assert "events" in served.get("/events", key)
    served.stop()


@pytest.mark.parametrize("name", ["gunicorn", "worker", "worker.schedule", "valkey"])
def test_a_process_that_dies_is_started_again_and_nothing_is_lost(served: Served, name: str) -> None:
    printed = served.start(WORKERS="2")
    subprocess.run(["bash", "-c", curl_in(printed)], check=True, capture_output=True)

    victim = served.child(name)
    victim.kill()
    wait_until(lambda: any(name in part for one in served.children() for part in safely(one)), 30, "the new process")
    wait_until(served.is_ready, 30, "readiness")
    wait_until(lambda: not subprocess.run(["bash", "-c", curl_in(printed)], capture_output=True).returncode, 30, "acceptance")

    key = key_in(printed, "API key")
    wait_until(lambda: len(served.get("/events", key)["events"]) >= 2, 60, "both events")
    served.stop()


def safely(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_each_worker_asked_for_is_there(served: Served) -> None:
    printed = served.start(WORKERS="2")

    key = key_in(printed, "API key")
    wait_until(lambda: len(served.get("/status", key)["workers"]) == 2, what="two workers")
    served.stop()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"EVENT_BACKEND_URL": "memory://"}, "EVENT_BACKEND_URL"),
        ({"WORKERS": "x"}, "WORKERS is 'x'"),
        ({"WORKERS": "0"}, "WORKERS is '0'"),
        ({"PORT": "x"}, "PORT is 'x'"),
        ({"PORT": "70000"}, "PORT is '70000'"),
        ({"SCAN_INTERVAL_S": "soon"}, "SCAN_INTERVAL_S is 'soon'"),
        ({"REDIS_URL": "127.0.0.1"}, "Redis URL"),
        ({"DATABASE_URL": "oracle://host/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL names a SQLite database in memory"),
        ({"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:1/x"}, "DATABASE_URL can't be used: connection to server"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(served: Served, environ: dict[str, str], said: str) -> None:
    ended = served.run(**environ)

    assert ended.returncode == BOOT_ERROR
    assert said in ended.stderr and "Traceback" not in ended.stderr
    assert "hidden" not in ended.stderr


def test_a_port_in_use_is_refused_with_a_sentence(served: Served) -> None:
    served.start()

    ended = served.run(VAR_DIR=f"{served.folder}/other")

    assert ended.returncode == BOOT_ERROR and f"port {served.port} is in use" in ended.stderr
    served.stop()


def test_another_one_on_the_same_data_is_refused(served: Served) -> None:
    served.start()

    ended = served.run(PORT=str(free_port()))

    assert ended.returncode == BOOT_ERROR and "another one is running" in ended.stderr
    served.stop()


def test_data_may_lie_elsewhere_and_the_command_line_finds_them(served: Served, tmp_path: Path) -> None:
    printed = served.start(VAR_DIR=f"{tmp_path}/else where", DATABASE_URL=f"sqlite:///{tmp_path}/of my own.sqlite3")

    listed = served.flask("keys", "list", VAR_DIR=f"{tmp_path}/else where")

    assert "owner" in listed and "clients" in listed and key_in(printed, "API key") not in listed
    assert (tmp_path / "else where/redis").exists() and not (served.folder / "var").exists()
    served.stop()


def test_nothing_outlives_a_supervisor_that_is_killed(served: Served) -> None:
    served.start()
    running = served.children()
    assert served.process

    served.process.kill()

    served.process.wait()
    _, alive = psutil.wait_procs(running, timeout=30)
    assert alive == []
    served.start()
    served.stop()


def test_micro_is_one_process_that_leaves_nothing_behind(served: Served) -> None:
    before = {path for path in served.folder.rglob("*") if "__pycache__" not in path.parts}
    served.start_micro("key-of-a-test", TMPDIR=str(served.folder))

    sent = {"type": "click", "anonymousId": "person_1", "messageId": "m1"}
    requests.post(f"{served.url}/api/v1/track", json=sent, headers={"X-Api-Key": "key-of-a-test"}, timeout=10)

    assert requests.get(f"{served.url}/micro/events/m1", timeout=10).json()["state"] == "stored"
    assert served.children() == []
    served.stop()
    assert {path for path in served.folder.rglob("*") if "__pycache__" not in path.parts} == before


def test_an_option_that_is_none_is_refused(served: Served) -> None:
    ended = subprocess.run([served.folder / "bin/serve", "--help"], env=served._environ({}), capture_output=True, text=True)

    assert ended.returncode == 2 and "give --micro, or nothing" in ended.stderr
