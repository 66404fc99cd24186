"""docs/writing-a-backend.md: its package is written out, installed beside the project, tested, and served with."""

import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from backends.registry import open_backend
from tests.backends.conformance import BackendConformance, an_event
from tests.servers import ROOT, Process, free_port, wait_until

BLOCK = re.compile(r"^ *```\w+\n *# (?P<name>[\w.]+)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(300)


class Installation:
    """A virtual environment that has what ours has, and the page's package."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "package"
        self.package.mkdir()
        for block in BLOCK.finditer((ROOT / "docs/writing-a-backend.md").read_text()):
            (self.package / block["name"]).write_text(textwrap.dedent(block["text"]))
        self.python = folder / "venv/bin/python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        (site,) = (folder / "venv/lib").glob("python*/site-packages")
        (site / "ours.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
        self.run("-m", "pip", "install", *options, str(self.package))

    def run(self, *arguments: str, **environ: str) -> str:
        """Python in that environment; what it printed."""
        done = subprocess.run(
            [self.python, *arguments], cwd=self.package, env=self.environ(environ), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("thirdparty"))


def test_the_backend_of_the_page_passes_the_suite_that_it_imports(installation: Installation) -> None:
    printed = installation.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_jsonlines_backend.py")

    assert re.search(r"\d\d passed", printed)


def test_its_promises_are_printed_as_a_table(installation: Installation, tmp_path: Path) -> None:
    url = f"jsonlines://{tmp_path}/empty.jsonl"

    printed = installation.run("-m", "backends.conformance", "memory://", url)

    assert "jsonlines" in printed and "a saved event comes back whole" in printed
    assert " NO " not in printed


def test_a_store_with_events_is_not_emptied(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.sqlite3"
    backend = open_backend(url)
    backend.setup()
    backend.save([an_event()])
    backend.close()

    done = subprocess.run([sys.executable, "-m", "backends.conformance", url], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1 and "give an empty store" in done.stderr


def test_the_service_stores_its_events_there(installation: Installation, tmp_path: Path, redis_url: str) -> None:
    """Given web and worker processes with the scheme in their settings, when an event is sent, then it is in the file."""
    port, file = free_port(), tmp_path / "events.jsonl"
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/app.sqlite3",
        "EVENT_BACKEND_URL": f"jsonlines://{file}",
        "REDIS_URL": redis_url,
        "PORT": str(port),
    }
    flask = ["-P", "-m", "flask", "--app", f"{ROOT}/app", "release"]
    installation.run(*flask, **environ)
    created = installation.run(*flask[:-1], "keys", "create", "--name", "owner", "--all", **environ)
    key = created.strip().rpartition(" ")[2]
    python = str(installation.python)
    web = Process([python, "-m", "gunicorn", "--config", "app/gunicorn.py", "app:create_app()"], environ)
    worker = Process([python, "-m", "worker"], environ)
    try:
        web.start()
        worker.start()
        wait_until(lambda: answers(port), what="the web process")
        sent = ask(port, key, "POST", "/track", {"type": "visit", "userId": "ann", "data": {"path": "/"}})
        wait_until(lambda: ask(port, key, "GET", f"/events/{sent['event']['guid']}")["event"]["state"] == "stored", what="it")
        stored = ask(port, key, "GET", "/events?userId=ann")["events"]
    finally:
        worker.stop()
        web.stop()

    assert stored[0]["data"] == {"path": "/"}
    assert stored[0]["profileGuid"].startswith("pro_")
    assert sent["event"]["guid"] in file.read_text()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=2).ok
    except requests.RequestException:
        return False


def ask(port: int, key: str, method: str, path: str, body: object = None) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1{path}"
    answer = requests.request(method, url, json=body, headers={"X-Api-Key": key}, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def test_the_table_of_promises_names_every_one() -> None:
    told = re.findall(r"^\| ([a-z][^|]*) \| yes", (ROOT / "docs/conformance.md").read_text(), re.MULTILINE)
    promises = {name.removeprefix("test_").replace("_", " ") for name in dir(BackendConformance) if name.startswith("test_")}

    assert set(told) == promises
