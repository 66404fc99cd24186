"""`flask events export`: all events of a query into a file, or down a pipe."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

import click
from rich.console import Console
from rich.progress import Progress, TextColumn

from app.api.reading import place
from app.cli.terminal import fail
from app.exporting.events import event_lines
from app.services import services
from backends.base import Cursor, EventQuery
from backends.errors import BackendUnavailable


def export(query: EventQuery, form: str, after: str | None, output: Path | None) -> None:
    """Write the events, newest first. With `after`, the guid of the last one that is there, go on behind it."""
    with ExitStack() as opened:
        target = opened.enter_context(output.open("ab" if after else "wb")) if output else cast(BinaryIO, sys.stdout.buffer)
        console = Console(stderr=True)
        progress = opened.enter_context(
            Progress(TextColumn("{task.completed:,} events"), console=console, transient=True, disable=not console.is_terminal)
        )
        task = progress.add_task("", total=None)
        try:
            for piece in event_lines(query, form, _place(after)):
                target.write(piece)
                progress.advance(task, piece.count(b"\n"))
            target.flush()
        except BackendUnavailable:
            fail("the events' database went away: what is written is whole lines; go on with --after and the last guid")


def _place(after: str | None) -> Cursor | None:
    if after is None:
        return None
    event = services().backend.find_by_guid(after)
    if event is None:
        raise click.BadParameter(f"there is no event {after!r} to go on behind", param_hint="--after")
    return place(event)
