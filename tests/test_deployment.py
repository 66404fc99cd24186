"""What platforms read of the project, and the Procfile as they run it."""

import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import psutil
import pytest
import requests
from honcho.environ import parse_procfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.config import Settings
from tests.servers import ROOT, Postgres, Valkey, Web, free_port, wait_until

MANIFEST = json.loads((ROOT / "app.json").read_text())
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes


def test_the_manifest_names_the_procfiles_processes() -> None:
    assert MANIFEST["formation"].keys() == PROCESSES.keys() - {"release"}


def test_the_manifest_names_only_settings_that_there_are() -> None:
    known = {field.name.upper() for field in fields(Settings)} | {"WEB_CONCURRENCY"}

    assert MANIFEST["env"].keys() <= known
    values = {name: entry["value"] for name, entry in MANIFEST["env"].items() if "value" in entry}
    assert Settings.from_environ(values).trusted_proxies == 1


def pinned() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in pairs}


def wanted_by(requirements: list[str] | None) -> Iterator[Requirement]:
    for text in requirements or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def test_the_pinned_packages_are_those_that_the_project_asks_for_with_all_that_they_need() -> None:
    versions = pinned()
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [line for line in setup["options"]["install_requires"].splitlines() if line and line[0] != "#"]
    waiting, seen = list(wanted_by(lines)), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in requirements.txt"
        assert requirement.specifier.contains(versions[name]), f"{requirement} is not met by {versions[name]}"
        if name not in seen:
            seen.add(name)
            try:
                waiting += wanted_by(distribution(name).requires)
            except PackageNotFoundError:
                pytest.fail(f"{name} is not installed")

    assert seen == versions.keys(), "requirements.txt has more than is needed"


class Honcho:
    """The Procfile's processes, started by honcho with nothing set but what an operator sets."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, **more: str) -> None:
        self.log = folder / "honcho.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        bin = Path(sys.executable).parent
        self.honcho = [str(bin / "honcho"), "--app-root", str(ROOT), "--procfile", str(ROOT / "Procfile")]
        self.environ = {
            "PATH": f"{bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "for tests only",
            "PORT": str(self.port),
            **more,
        }

    def run(self, *command: str) -> str:
        done = subprocess.run([*self.honcho, "run", *command], env=self.environ, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with self.log.open("ab") as output:
            command = [*self.honcho, "start", "web", "worker", "scheduler"]
            self.process = subprocess.Popen(command, env=self.environ, cwd=ROOT, stdout=output, stderr=output)
        wait_until(self._is_ready, 60, "the start of the processes")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def post(self, key: str, number: int) -> requests.Response:
        event = {"type": "visit", "userId": f"user {number % 7}", "messageId": str(number)}
        return requests.post(f"{self.url}/api/v1/track", json=event, headers={"X-Api-Key": key}, timeout=5)

    def get(self, key: str, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers={"X-Api-Key": key}, timeout=10)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=2).ok
        except requests.RequestException:
            return False


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def released(honcho: Honcho) -> str:
    """Do what the platform does at a release; a key that may do everything."""
    honcho.run(*PROCESSES["release"].split())
    printed = honcho.run("flask", "--app", "app", "keys", "create", "--name", "owner", "--all")
    found = re.search(r"key_\S+: (\S+)", printed)
    assert found
    return found.group(1)


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_the_procfile_serves_on_a_database_and_a_redis_of_ones_own(
    folder: Path, postgres_url: str, redis_url: str, postgres_server: Postgres, valkey_server: Valkey
) -> None:
    """Given events under way, when every process is told to end, then they end in time and nothing is lost."""
    honcho = Honcho(folder, postgres_url, redis_url)
    key = released(honcho)
    honcho.start()
    try:
        sent = [honcho.post(key, number) for number in range(200)]
    finally:
        honcho.stop()

    honcho.start()
    try:
        wait_until(lambda: len(honcho.get(key, "/api/v1/events?limit=1000").json()["events"]) == 200, 30, "the events")
        people = honcho.get(key, "/api/v1/profiles").json()["profiles"]
    finally:
        honcho.stop()

    assert {answer.status_code for answer in sent} == {202}
    assert len(people) == 7
    assert "Traceback" not in honcho.log.read_text()


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_web_processes_may_take_events_and_nothing_else(folder: Path, postgres_url: str, redis_url: str) -> None:
    honcho = Honcho(folder, postgres_url, redis_url, INGEST_ONLY="1", METRICS_PUBLIC="1")
    key = released(honcho)
    honcho.start()
    try:
        sent = honcho.post(key, 1)
        answers = {
            path: honcho.get(key, path).status_code
            for path in ("/api/v1/events", "/api/v1/profiles", "/api/v1/keys", "/health/live", "/health/ready", "/metrics")
        }
    finally:
        honcho.stop()

    assert sent.status_code == 202
    assert set(answers.values()) == {200, 404}
    assert [path for path, status in answers.items() if status == 200] == ["/health/live", "/health/ready", "/metrics"]


def ask_on(url: str) -> None:
    """Ask on one connection until nobody answers."""
    with requests.Session() as client, suppress(requests.RequestException):
        while client.get(url, timeout=5).ok:
            pass


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_a_killed_web_process_leaves_the_port_to_its_successor(folder: Path, redis_url: str) -> None:
    """Given a client that goes on asking, when gunicorn's master is killed, then its workers end with it."""
    environ = {"DATABASE_URL": f"sqlite:///{folder}/app.sqlite3", "REDIS_URL": redis_url, "WEB_CONCURRENCY": "2"}
    web = Web({**os.environ, **environ})
    web.start()
    workers = psutil.Process(web.pid).children(recursive=True)
    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask_on, f"{web.url}/health/live") for _ in range(4)]
        wait_until(lambda: all(client.running() for client in asking), what="the clients")
        web.kill()

        _, alive = psutil.wait_procs(workers, timeout=10)

    assert len(workers) >= 2
    assert alive == []
    web.start()
    web.stop()
