"""docs/writing-a-backend.md: its package, class and test are written out, installed and run."""

import configparser
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```\w+\n *# (?P<name>[\w.]+)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)


def test_the_backend_of_the_page_passes_the_suite(tmp_path: Path) -> None:
    for block in BLOCK.finditer((ROOT / "docs" / "writing-a-backend.md").read_text()):
        (tmp_path / block["name"]).write_text(textwrap.dedent(block["text"]))
    _install(tmp_path)

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."]
    tested = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"\d\d passed", tested.stdout)


def _install(folder: Path) -> None:
    """What pip makes of the package's metadata and entry points."""
    package = configparser.ConfigParser()
    package.read(folder / "setup.cfg")
    name, version = package["metadata"]["name"], package["metadata"]["version"]
    installed = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = package["options.entry_points"].items()
    (installed / "entry_points.txt").write_text("".join(f"[{group}]\n{lines.strip()}\n" for group, lines in groups))
