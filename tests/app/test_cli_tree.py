"""Every command explains itself, and none shows a traceback when what it needs is away."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from app.cli import COMMANDS
from app.config import Settings
from tests.conftest import close
from tests.servers import free_port

NEEDED = {
    "keys create": ["--name", "shop"],
    "events import": ["FILE"],
    "profiles merge": ["pro_1", "pro_2"],
    "profiles delete": ["pro_1", "--yes"],
    "profiles show": ["--user-id", "ann"],
    "profiles explain": ["pro_1"],
    "profiles export": ["pro_1"],
    "apps create": ["crm", "--host", "127.0.0.1", "--database", "crm", "--no-test"],
    "sources create": ["pageview"],
    "properties create": ["k", "--source", "src_1", "--type", "integer", "--column", "type", "--aggregation", "count"],
    "bench": ["http://127.0.0.1:9", "--key", "secret"],
    "dead-letters retry": ["--all"],
    "dead-letters drop": ["--all"],
    "suppressions add": ["user", "ann"],
    "suppressions remove": ["user", "ann"],
}
"""What each command must be told; GUIDs are filled in."""

ANSWER_WHATEVER_IS_AWAY = {"status"}
WAIT_FOR_IT = {"events tail"}


def leaves() -> dict[str, click.Command]:
    """All commands, by the words that call them."""
    found = {}
    for command in COMMANDS:
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in inner:
            found[f"{command.name} {one.name}" if one is not command else str(command.name)] = one
    return found


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Flask]:
    """An app of which neither Redis nor the database is there."""
    port = free_port()
    database = f"postgresql://nobody:secret@127.0.0.1:{port}/none"
    app = create_app(Settings(database_url=database, redis_url=f"redis://127.0.0.1:{port}", secret_key="for tests only"))
    yield app
    close(app)


def run(app: Flask, *arguments: str) -> Result:
    """`flask` with these arguments."""
    return app.test_cli_runner().invoke(args=list(arguments))


@pytest.mark.parametrize("name", sorted(leaves().keys() - WAIT_FOR_IT))
def test_a_command_whose_dependencies_are_away_says_so_in_one_line(lonely: Flask, name: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"type": "pageview", "userId": "ann"}\n')
    guids = ["gui_1" for one in leaves()[name].params if isinstance(one, click.Argument) and one.required]
    arguments = [str(file) if word == "FILE" else word for word in NEEDED.get(name, guids)]

    done = run(lonely, *name.split(), *arguments)

    assert done.exception is None or isinstance(done.exception, SystemExit), (done.exception, done.output)
    assert "Traceback" not in done.output and "secret" not in done.output
    if name in ANSWER_WHATEVER_IS_AWAY:
        assert done.exit_code == 0
    else:
        assert done.exit_code == 1, done.output
    if name not in {*ANSWER_WHATEVER_IS_AWAY, "doctor"}:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(said) == 1 and said[0].startswith("Error: "), done.stderr
        assert "a bug" not in said[0]


@pytest.mark.parametrize("name", leaves())
def test_every_command_explains_itself_with_an_example(lonely: Flask, name: str) -> None:
    done = run(lonely, *name.split(), "--help")

    assert done.exit_code == 0
    example = " ".join((leaves()[name].help or "").split()).partition("Example: flask --app app ")[2]
    assert example.startswith(name), "no example"


@pytest.mark.parametrize("name", leaves())
def test_an_option_that_is_not_there_ends_a_command_with_2(lonely: Flask, name: str) -> None:
    done = run(lonely, *name.split(), "--no-such-option")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "--no-such-option" in done.stderr
