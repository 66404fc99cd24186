"""The JavaScript client: its own tests, and those in Chromium against the running service."""

import os
import shutil
import subprocess
from collections.abc import Mapping

import pytest

from app.keys import create_key
from tests.servers import ROOT
from tests.worker.system import System

CLIENT = ROOT / "clients/js"

pytestmark = pytest.mark.timeout(600)


def need(*programs: str) -> None:
    """Skip the test where a program is missing, or what npm installs for it; in CI they have to be there."""
    missing = [f"{name} is not installed" for name in programs if shutil.which(name) is None]
    if not (CLIENT / "node_modules").is_dir():
        missing.append("the client's tools are not installed: npm --prefix clients/js ci")
    if missing and os.environ.get("CI"):
        raise AssertionError("; ".join(missing))
    if missing:
        pytest.skip("; ".join(missing))


def run_npm(script: str, environ: Mapping[str, str] | None = None) -> None:
    command = ["npm", "--prefix", str(CLIENT), "run", script]
    done = subprocess.run(command, env={**os.environ, **(environ or {})}, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_client_does_what_it_promises() -> None:
    need("npm")
    run_npm("test")


def test_the_client_does_so_in_chromium_with_the_running_service(system: System) -> None:
    need("npm", "chromium")
    with system.app.app_context():
        _, write_key = create_key("pages", ["events:write"])
    keys = {"API_KEY": system.key, "WRITE_KEY": write_key}
    run_npm("test:browser", {"SERVICE_URL": system.web.url, "CHROMIUM": str(shutil.which("chromium")), **keys})
