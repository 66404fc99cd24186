"""The Python client as others get it: installed by pip, typed, and used by the example."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients.test_python_client import wait_for
from tests.servers import ROOT, Process, free_port, wait_until
from tests.worker.system import System

pytestmark = pytest.mark.timeout(180)

USES_IT_WRONGLY = """
import grouparoo
client: grouparoo.Client = grouparoo.init("key", "http://service", flush_interval_s=1)
sent: str | None = grouparoo.track("click", user_id="1", data={"a": 1})
grouparoo.track("click", userid="1")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the package was installed into."""
    site = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "python"
    subprocess.run(["cp", "-r", ROOT / "clients/python", source], check=True)  # pip leaves a build folder behind
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--target", site]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True, capture_output=True)
    return site


@pytest.fixture
def shop(system: System, site: Path, tmp_path: Path) -> Iterator[str]:
    """Where the example answers; it finds the package as it was installed."""
    port = free_port()
    environ = {"PYTHONPATH": str(site), "GROUPAROO_URL": system.web.url, "GROUPAROO_KEY": system.key}
    app = ROOT / "clients/python/example/shop.py"
    process = Process([sys.executable, "-m", "flask", "--app", app, "run", "--port", str(port)], environ, tmp_path / "log")
    process.start()
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url) or not process.is_alive(), what="the start of the shop")
    assert process.is_alive(), (tmp_path / "log").read_text()
    yield url
    process.kill()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/favicon.ico", timeout=5).status_code == 404
    except requests.RequestException:
        return False


def test_it_needs_nothing_but_python(site: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(site)!r}); import grouparoo"]

    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


def test_a_type_checker_knows_its_calls(site: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(USES_IT_WRONGLY)

    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}/cache", "program.py"]
    environ = {**os.environ, "MYPYPATH": str(site), "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)

    assert 'Unexpected keyword argument "userid"' in done.stdout and "Found 1 error" in done.stdout


def test_the_shop_knows_its_visitor_from_the_first_page_on(system: System, shop: str) -> None:
    person, order = f"user-{uuid.uuid4().hex}", uuid.uuid4().hex
    with requests.Session() as browser:
        browser.get(f"{shop}/?utm_source=google&q=private", timeout=10)
        browser.post(f"{shop}/sign-in", {"user": person}, timeout=10)
        for _ in range(2):
            browser.post(f"{shop}/buy", {"order": order, "total": "9.50"}, timeout=10)
        device = browser.cookies["device"]

    stored = {event["type"]: event for event in wait_for(system, person, 3)}
    assert stored["purchase"]["data"] == {"order": order, "total": "9.5"}
    views = system.get(f"/events?anonymousId={device}&type=pageview")["events"]
    assert {"path": "/", "utm_source": "google"} in [view["data"] for view in views]
    assert len({event["profileGuid"] for event in [*views, *stored.values()]}) == 1
