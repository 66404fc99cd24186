"""`flask events`: import and export them, look at one, or at all as they are stored."""

from dataclasses import replace
from pathlib import Path

import click
from flask.cli import AppGroup

from app.api.explaining import explain_event
from app.api.reading import find_event
from app.api.shapes import event_shape
from app.cli.exporting import export
from app.cli.filtering import Moment, selecting
from app.cli.importing import run_import
from app.cli.tailing import tail
from app.cli.terminal import fail, show_record
from app.exporting.lines import FORMS
from app.importing.mapping import ColumnMapping, InvalidMapping
from app.importing.producer import UnknownProducer, import_producer
from app.importing.source import Source
from backends.base import EventQuery

group = AppGroup("events", help="Import events, export them, and look at them.")


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), help="By default by the file's name.")
@click.option("--map", "pairs", metavar="FIELD=COLUMN", multiple=True, help="Other columns become event data.")
@click.option("--type", metavar="TYPE", help="The type of every event.")
@click.option("--delimiter", default=",", show_default=True, help="Of a CSV file; a blank stands for any run of blanks.")
@click.option("--time-format", metavar="FORMAT", help="How occurredAt is written, as strptime has it: %Y%m%d")
@click.option("--key", metavar="GUID", help="The API key under whose guid the events stand.")
@click.option("--wait", is_flag=True, help="Return when all events are stored.")
def import_file(
    file: Path,
    form: str | None,
    pairs: tuple[str, ...],
    type: str | None,
    delimiter: str,
    time_format: str | None,
    key: str | None,
    wait: bool,
) -> None:
    """Send the events of FILE (NDJSON or CSV, .gz too) through the pipeline. Again, or after a stop: each is stored once.

    Example: flask --app app events import orders.csv --type purchase --map userId=customer --wait
    """
    source = Source(file, form or _form_of(file), "\t" if delimiter == "\\t" else delimiter)
    try:
        mapping = ColumnMapping.parse(pairs, type, time_format)
        if source.form == "csv":
            mapping.check(source.columns())
        run_import(source, mapping, import_producer(key), wait)
    except (InvalidMapping, UnknownProducer, EOFError, OSError) as error:
        fail(str(error))


@group.command("show")
@click.argument("guid")
def show(guid: str) -> None:
    """Show the event GUID, and why it belongs to its profile.

    Example: flask --app app events show evt_3d2932e7-599a-479c-beca-561ac3c66880
    """
    found = find_event(guid)
    if found is None:
        fail(f"there is no event {guid!r}")
    show_record(event_shape(*found))
    if found.state == "stored":
        show_record({"explanation": explain_event(found.event)})


@group.command("export")
@selecting
@click.option("--from", "since", type=Moment(), help="Only events that occurred then or later.")
@click.option("--to", "until", type=Moment(), help="Only events that occurred before.")
@click.option("--format", "form", type=click.Choice(FORMS), default="ndjson", show_default=True)
@click.option("--after", metavar="GUID", help="Go on behind this event: the last that a broken export wrote.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; added to with --after.")
def export_events(
    query: EventQuery, since: str | None, until: str | None, form: str, after: str | None, output: Path | None
) -> None:
    """Write events, newest first.

    Example: flask --app app events export --type purchase --format csv --output purchases.csv
    """
    export(replace(query, since=since, until=until), form, after, output)


@group.command("tail")
@selecting
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.option("--limit", type=click.IntRange(1), help="End after so many.")
def tail_events(query: EventQuery, as_json: bool, limit: int | None) -> None:
    """Show events as they are stored, until Ctrl-C.

    Example: flask --app app events tail --type purchase
    """
    try:
        tail(query, as_json, limit)
    except KeyboardInterrupt:
        click.echo(err=True)


def _form_of(file: Path) -> str:
    suffixes = [suffix for suffix in file.suffixes if suffix != ".gz"]
    return "ndjson" if suffixes and suffixes[-1].lower() in (".ndjson", ".jsonl", ".json") else "csv"


commands = (group,)
