"""Exports: all events of a query, or all that is held on a person, into a file or down a pipe."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

import click
from rich.console import Console
from rich.progress import Progress, TextColumn

from app.api.reading import place
from app.cli.terminal import fail, printable_lines
from app.exporting.events import event_lines
from app.services import services
from backends.base import Cursor, EventQuery
from backends.errors import BackendUnavailable


def export(query: EventQuery, form: str, after: str | None, output: Path | None) -> None:
    """Write the events, newest first. With `after`, the guid of the last one that is there, go on behind it."""
    write(event_lines(query, form, place_of(after)), output, after is not None, "events")


def write(pieces: Iterator[bytes], output: Path | None, is_rest: bool, what: str) -> None:
    """Write whole lines into the file (behind what is there, if they are its rest) or down a pipe; or show them."""
    is_shown = output is None and sys.stdout.isatty()
    if is_shown:
        pieces = (printable_lines(piece).encode() for piece in pieces)
    with ExitStack() as opened:
        target = opened.enter_context(output.open("ab" if is_rest else "wb")) if output else cast(BinaryIO, sys.stdout.buffer)
        console, count = Console(stderr=True), TextColumn("{task.completed:,} " + what)
        bar = Progress(count, console=console, transient=True, disable=is_shown or not console.is_terminal)
        progress = opened.enter_context(bar)
        task = progress.add_task("", total=None)
        try:
            for piece in pieces:
                target.write(piece)
                progress.advance(task, piece.count(b"\n"))
            target.flush()
        except BackendUnavailable:
            fail("the events' database went away: what is written is whole lines; go on with --after and the last guid")


def place_of(after: str | None) -> Cursor | None:
    """The place of the event `after`. Raises click.BadParameter if there is no such event."""
    if after is None:
        return None
    event = services().backend.find_by_guid(after)
    if event is None:
        raise click.BadParameter(f"there is no event {after!r} to go on behind", param_hint="--after")
    return place(event)
