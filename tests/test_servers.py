"""The servers of the tests themselves: none outlives its test run."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers import ROOT, wait_until

START = """
import sys
from pathlib import Path
from tests.servers import Postgres

server = Postgres(Path(sys.argv[1]))
server.start()
print(server.processes()[0].pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory(server_directory: Path) -> Path:
    directory = server_directory / "guarded"
    directory.mkdir()
    return directory


def test_a_killed_test_run_leaves_no_postgresql_behind(directory: Path) -> None:
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT, "env": {"PYTHONPATH": str(ROOT)}}
    with subprocess.Popen([sys.executable, "-c", START, str(directory)], **options) as run:  # type: ignore[call-overload]
        server = psutil.Process(int(run.stdout.readline()))

        run.kill()

        wait_until(lambda: not server.is_running(), what="the end of PostgreSQL")
