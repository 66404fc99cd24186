"""What the documents say is what there is."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from app.cli import COMMANDS
from app.config import Settings
from backends.registry import SCHEMES

ROOT = Path(__file__).resolve().parent.parent
OF_THE_PROCESSES = {"PORT", "WEB_CONCURRENCY", "WORKERS", "MICRO_KEY", "ACCESS_LOG", "VAR_DIR", "PROMETHEUS_MULTIPROC_DIR"}
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

COMMAND = r"flask(?: --app app)? (?!--app)([a-z][a-z-]+)(?: ([a-z][a-z-]+))?"


def test_every_setting_stands_in_the_table_and_nothing_else() -> None:
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))

    assert table == {field.name.upper() for field in fields(Settings)} | OF_THE_PROCESSES


def test_the_table_says_the_defaults() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    defaults = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", text, re.MULTILINE))
    for field in fields(Settings):
        if field.name.upper() in defaults and field.name != "placeholders":
            said = defaults[field.name.upper()]
            assert said == str(int(field.default) if isinstance(field.default, bool) else field.default)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_and_script_is_there(document: str) -> None:
    path = ROOT / document
    text = path.read_text()

    for link in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (path.parent / link).exists(), link
    for script in re.findall(r"(?<![\w/])bin/\w+", text):
        assert (ROOT / script).exists(), script


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_is_there(document: str) -> None:
    known = {command.name: command for command in COMMANDS}

    for group, name in re.findall(COMMAND, (ROOT / document).read_text()):
        command = known[group]
        assert not isinstance(command, click.Group) or name in command.commands, f"bin/flask {group} {name}"


def test_the_page_of_commands_has_each_with_its_options_and_nothing_else() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    rows = re.findall(r"^\| `([a-z][a-z -]*[a-z])[^`]*` \| (.*?) \| (.+) \|$", page, re.MULTILINE)
    said = {name: (set(re.findall(r"--[a-z-]+", options)), told) for name, options, told in rows}

    there = {}
    for command in COMMANDS:
        for one in command.commands.values() if isinstance(command, click.Group) else [command]:
            options = {max(option.opts, key=len) for option in one.params if isinstance(option, click.Option)}
            name = str(one.name) if one is command else f"{command.name} {one.name}"
            there[name] = (options, " ".join((one.help or "").split("\n\n")[0].split()))
    assert said == there


def test_every_backend_is_named() -> None:
    said = (ROOT / "README.md").read_text() + (ROOT / "docs/settings.md").read_text()

    assert all(scheme in said for scheme in SCHEMES)
