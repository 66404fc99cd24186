"""Installs the pinned SDKs beside the tests, once, and finds what only the machine has: Node and Chromium."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers import NotInstalled, program

HERE = Path(__file__).resolve().parent


def node() -> str:
    """Node, with the packages of package-lock.json beside it. Raises NotInstalled."""
    npm, found = program("npm", "npm"), program("node", "nodejs")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _once(HERE / "node_modules" / ".made-from", HERE / "package-lock.json", [command])
    return found


def python(name: str) -> str:
    """A Python with the packages of requirements/NAME.txt. Raises NotInstalled."""
    wanted = HERE / "requirements" / f"{name}.txt"
    folder = HERE / ".venv" / name
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _once(folder / ".made-from", wanted, [[sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, "-r", str(wanted)]])
    return str(folder / "bin/python")


def chromium() -> str:
    """Raises NotInstalled."""
    return program("chromium", "chromium")


def _once(stamp: Path, wanted: Path, commands: Sequence[Sequence[str]]) -> None:
    """Raises NotInstalled with what the first command that failed has to say."""
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    for command in commands:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalled(f"{' '.join(command)}: {done.stdout + done.stderr}")
    shutil.copyfile(wanted, stamp)
