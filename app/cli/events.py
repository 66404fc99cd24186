"""`flask events`: import files, and look at one event."""

from pathlib import Path

import click
from flask.cli import AppGroup

from app.api.explaining import explain_event
from app.api.reading import find_event
from app.api.shapes import event_shape
from app.cli.importing import run_import
from app.cli.terminal import fail, show_record
from app.importing.mapping import ColumnMapping, InvalidMapping
from app.importing.producer import UnknownProducer, import_producer
from app.importing.source import Source

group = AppGroup("events", help="Import events, and look at them.")


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
    """Send the events of FILE (NDJSON or CSV, .gz too) through the pipeline. Again, or after a stop: each is stored once."""
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
    """Show the event GUID, and why it belongs to its profile."""
    found = find_event(guid)
    if found is None:
        fail(f"there is no event {guid!r}")
    show_record(event_shape(*found))
    if found.state == "stored":
        show_record({"explanation": explain_event(found.event)})


def _form_of(file: Path) -> str:
    suffixes = [suffix for suffix in file.suffixes if suffix != ".gz"]
    return "ndjson" if suffixes and suffixes[-1].lower() in (".ndjson", ".jsonl", ".json") else "csv"


commands = (group,)
