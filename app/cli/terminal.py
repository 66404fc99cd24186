"""What the commands write to the terminal: tables and records, with nothing in them that a terminal would obey."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_A_FILE = 1000
"""Columns where no terminal says how many it has: nothing is folded then."""


def printable(value: object) -> str:
    """The value as text in which control characters (and those that turn the direction) are escaped."""
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return "".join(_escaped(character) if unicodedata.category(character)[0] == "C" else character for character in text)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; long values are folded, never cut. A guid stays in one piece, to be copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "guid")
    for row in rows:
        table.add_row(*(Text(printable(value)) for value in row))
    _console().print(table)


def show_record(record: Mapping[str, Any]) -> None:
    """One record, a field a line."""
    show_table(["", ""], list(_lines(record)))


def show_json(record: Mapping[str, Any]) -> None:
    """One record as one line of JSON, for programs."""
    click.echo(printable_lines(orjson.dumps(record)))


def printable_lines(lines: bytes) -> str:
    """What `printable` escapes is escaped in these lines as JSON does it, so that those of JSON say the same as before."""
    text = lines.decode().replace("\r\n", "\n")
    return "".join(
        json.dumps(character)[1:-1] if unicodedata.category(character)[0] == "C" and character != "\n" else character
        for character in text
    )


def fail(message: str) -> NoReturn:
    """End the command with an error."""
    raise click.ClickException(printable(message))


def _lines(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for place, one in enumerate(value):
                yield from _lines(one, f"{prefix}{name}[{place}].")
        else:
            yield prefix + name, value


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
