"""`flask sources`: the selections in apps that properties are made of."""

from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from app.api.property_bodies import NewSource
from app.api.shapes import source_shape
from app.cli.making import loaded, refusing, show
from app.cli.terminal import fail, show_table
from app.models import EVENTS_APP, Loading, Source, db
from app.properties import catalogue
from app.properties.failing import loadings_of
from app.properties.previewing import columns_of_source, rows_of_source

sources = AppGroup("sources", help="The sources that properties are made of: events of one type, or what an sql app has.")

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")


@sources.command("list")
def list_sources() -> None:
    """List all sources, and what keeps those of sql apps from being loaded.

    Example: flask --app app sources list
    """
    rows = list(db.session.query(Source).order_by(Source.created_at, Source.guid))
    loadings = loadings_of([row.guid for row in rows])
    show_table(["guid", "name", "made of", "app", "since", "what fails"], [_source_row(row, loadings) for row in rows])


@sources.command("create")
@click.argument("event_type", required=False)
@click.option("--name", help="What it is called; without it, as the type, or the table.")
@click.option("--app", "app_guid", default=EVENTS_APP, help="The guid of an sql app; without it, the events.")
@click.option("--table", help="Of an sql app: a table or view.")
@click.option("--schema", help="Where that is, if not where the user looks first.")
@click.option("--query-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="In place of a table.")
@click.option("--user-id-column", "userIdColumn", help="Of an sql app: the column with the userId.")
@click.option("--refresh-seconds", "refreshSeconds", type=int, help="Of an sql app: how often everybody is looked up anew.")
@_json
def create_source(
    event_type: str | None, name: str | None, app_guid: str, query_file: Path | None, as_json: bool, **told: Any
) -> None:
    """Make a source of the events of type EVENT_TYPE, or of an sql app's table or query.

    Example: flask --app app sources create pageview
    """
    body = {key: value for key, value in told.items() if value is not None}
    body |= {"appGuid": app_guid, "name": name or event_type or told["table"] or ""}
    body |= {"eventType": event_type} if event_type is not None else {}
    body |= {"query": query_file.read_text()} if query_file else {}
    row = refusing(lambda: catalogue.create_source(**loaded(NewSource(), body)))
    show(source_shape(row, loadings_of([row.guid]).get(row.guid)), as_json)


@sources.command("show")
@click.argument("guid")
def show_source(guid: str) -> None:
    """Show the columns of the source GUID, and what can be asked of each.

    Example: flask --app app sources show GUID
    """
    row = db.session.get(Source, guid)
    if row is None:
        fail(f"there is no source {guid!r}")
    columns = refusing(lambda: columns_of_source(row))
    rows = [(one.key, one.type.value, ", ".join(one.operators), ", ".join(one.aggregations)) for one in columns]
    show_table(["column", "looks like", "operators", "aggregations"], rows)


@sources.command("preview")
@click.argument("guid")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
def preview_source(guid: str, limit: int) -> None:
    """Show some rows of the source GUID, which is an sql app's.

    Example: flask --app app sources preview GUID
    """
    row = db.session.get(Source, guid)
    if row is None or row.event_type is not None:
        fail(f"there is no source {guid!r} of an sql app; `flask --app app events tail --type TYPE` shows events")
    rows = refusing(lambda: rows_of_source(row, limit))
    show_table(list(rows[0]) if rows else [], [list(one.values()) for one in rows])


@sources.command("delete")
@click.argument("guid")
def delete_source(guid: str) -> None:
    """Delete the source GUID, of which no rules are made.

    Example: flask --app app sources delete GUID
    """
    if not refusing(lambda: catalogue.delete_source(guid)):
        fail(f"there is no source {guid!r}")
    click.echo("deleted")


def _source_row(row: Source, loadings: dict[str, Loading]) -> tuple[object, ...]:
    made_of = row.event_type or row.options.get("table") or "a query"
    failure = loadings[row.guid].failure if row.guid in loadings else None
    return row.guid, row.name, made_of, row.app_guid, row.created_at, failure
