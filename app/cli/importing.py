"""The import's progress bar, its rejected lines and its summary."""

import time

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from app.cli.terminal import printable
from app.importing.check import checker
from app.importing.mapping import ColumnMapping
from app.importing.run import Import, Tally
from app.importing.source import Source
from app.services import services

REFUSED_SHOWN = 20


class Report:
    """Shows how an import goes, on stderr; the summary is for stdout."""

    def __init__(self, progress: Progress, size: int) -> None:
        self.progress = progress
        self.task: TaskID = progress.add_task("importing", total=size, note="")
        self.refused = 0

    def refuse(self, line: int, reason: str) -> None:
        """Tell of a rejected line: of the first twenty."""
        self.refused += 1
        if self.refused <= REFUSED_SHOWN:
            self.progress.console.print(f"line {line}: {printable(reason)}", markup=False, soft_wrap=True)

    def tell(self, tally: Tally) -> None:
        """Move the bar."""
        note = "waiting for room" if tally.is_waiting else f"{tally.accepted:,} accepted, {tally.rejected:,} rejected"
        self.progress.update(self.task, completed=tally.place.byte, note=note)

    def tell_waiting(self, entries: int) -> None:
        """All is accepted, and not all is stored."""
        self.progress.update(self.task, note=f"{entries:,} batches wait to be stored")


def run_import(source: Source, mapping: ColumnMapping, producer_guid: str, wait: bool) -> None:
    """Import, and say how fast it was."""
    columns: list[ProgressColumn] = [BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn()]
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        report = Report(progress, source.path.stat().st_size)
        check = checker(services().settings, producer_guid)
        work = Import(services().stream, source, mapping, producer_guid, check, report.refuse, report.tell)
        tally = work.run()
        accepted_s = time.monotonic() - began
        if wait:
            work.wait(report.tell_waiting)
    summarize(tally, accepted_s, time.monotonic() - began if wait else None)


def summarize(tally: Tally, accepted_s: float, stored_s: float | None) -> None:
    """The last word: how many, and how many a second."""
    if tally.resumed_at:
        click.echo(f"went on after line {tally.resumed_at}")
    click.echo(f"accepted {tally.accepted} events in {accepted_s:.1f} s ({tally.accepted / accepted_s:.0f}/s)")
    if stored_s is not None:
        click.echo(f"all are stored after {stored_s:.1f} s ({tally.accepted / stored_s:.0f}/s)")
    if tally.rejected:
        more = f"; the first {REFUSED_SHOWN} are above" if tally.rejected > REFUSED_SHOWN else ""
        click.echo(f"rejected {tally.rejected} lines{more}", err=True)
