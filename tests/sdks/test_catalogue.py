"""Which SDKs are run is what is pinned, and what docs/sdks.md says."""

import json
import re

from tests.sdks.catalogue import SDKS, Sdk
from tests.sdks.faults import EACH, EVERY, LOST, LOST_OR_BUSY
from tests.sdks.installing import HERE
from tests.servers import ROOT

FAULTS = {EVERY: "all", LOST: "lost", LOST_OR_BUSY: "lost, 503", EACH: "all, less what it gives up"}
TOOLS = {"esbuild", "playwright-core"}
RUNS_IN = {"python": "Python", "python-old": "Python", "node": "Node", "browser": "Chromium"}


def of_npm() -> dict[str, tuple[str, str]]:
    """By the name that the stories import: the package's own name, and its version."""
    pins = json.loads((HERE / "package.json").read_text())["dependencies"]
    found = {}
    for name, version in pins.items():
        alias = re.fullmatch(r"npm:(.+)@(.+)", version)
        found[name] = (alias[1], alias[2]) if alias else (name, version)
    return found


def of_pypi() -> dict[str, tuple[str, str]]:
    """The same; with what the SDKs need."""
    lines = [line for path in (HERE / "requirements").glob("*.txt") for line in path.read_text().splitlines()]
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: (name, version) for name, version in pins}


def pin_of(sdk: Sdk) -> tuple[str, str]:
    return (of_pypi() if sdk.language.startswith("python") else of_npm())[sdk.package]


def test_the_page_has_each_sdk_in_its_pinned_version_with_its_faults_and_nothing_else() -> None:
    page = (ROOT / "docs/sdks.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (\S+) \| (\w+) \| [^|]* ?\| ([^|]+) \|", page, re.MULTILINE)

    there: dict[tuple[str, str, str], dict[str, None]] = {}
    for sdk in SDKS:
        there.setdefault((*pin_of(sdk), RUNS_IN[sdk.language]), {})[FAULTS[sdk.faults]] = None

    assert len(rows) == len(there)
    assert {tuple(row): faults for *row, faults in rows} == {row: "; ".join(faults) for row, faults in there.items()}


def test_every_package_that_is_installed_from_npm_is_used() -> None:
    used = {sdk.package for sdk in SDKS if sdk.language in ("node", "browser")}

    assert of_npm().keys() - used == TOOLS


def test_every_sdk_has_a_name_of_its_own() -> None:
    names = [sdk.name for sdk in SDKS]

    assert len(names) == len(set(names))


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())

    assert not any("resolved" in package for package in lock["packages"].values())
