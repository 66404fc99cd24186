"""`flask sources` and `flask properties`: what is known of people, and what it is made of."""

import re
from typing import Any

import click
from flask.cli import AppGroup

from app.answers import ApiError
from app.api.bodies import load_body
from app.api.property_bodies import NewRule, NewSource, RulePreview
from app.api.shapes import Json, rule_shape, source_shape
from app.cli.terminal import fail, show_json, show_record, show_table
from app.models import PropertyRule, Source, db
from app.properties import catalogue
from app.properties.preview import columns_of, values_of
from app.properties.reading import left_out_of
from app.properties.types import PropertyType
from app.services import services
from app.stream import BACKFILL
from backends.aggregation import Aggregation, Operator

sources = AppGroup("sources", help="The sources that properties are made of: events of one type each.")
properties = AppGroup("properties", help="Property rules: what is known of people, made of the events of a source.")

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
_FILTER = re.compile(rf"(\S+) ({'|'.join(one.value for one in Operator)})(?: (.*))?", re.DOTALL)


@sources.command("list")
def list_sources() -> None:
    """List all sources.

    Example: flask --app app sources list
    """
    rows = db.session.query(Source).order_by(Source.created_at, Source.guid)
    show_table(["guid", "name", "event type", "app", "since"], [_source_row(row) for row in rows])


@sources.command("create")
@click.argument("event_type")
@click.option("--name", help="What it is called; without it, as the type.")
@_json
def create_source(event_type: str, name: str | None, as_json: bool) -> None:
    """Make a source of the events of type EVENT_TYPE.

    Example: flask --app app sources create pageview
    """
    body = _loaded(NewSource(), {"name": name or event_type, "eventType": event_type})
    row = _refusing(lambda: catalogue.create_source(**body))
    _show(source_shape(row), as_json)


@sources.command("show")
@click.argument("guid")
def show_source(guid: str) -> None:
    """Show the columns of the source GUID, and what can be asked of each.

    Example: flask --app app sources show GUID
    """
    row = db.session.get(Source, guid)
    if row is None:
        fail(f"there is no source {guid!r}")
    columns = columns_of(services().backend, row.event_type or "")
    rows = [(one.key, one.type.value, ", ".join(one.operators), ", ".join(one.aggregations)) for one in columns]
    show_table(["column", "looks like", "operators", "aggregations"], rows)


@sources.command("delete")
@click.argument("guid")
def delete_source(guid: str) -> None:
    """Delete the source GUID, of which no rules are made.

    Example: flask --app app sources delete GUID
    """
    try:
        if not catalogue.delete_source(guid):
            fail(f"there is no source {guid!r}")
    except catalogue.InUse as error:
        fail(str(error))
    click.echo("deleted")


@properties.command("list")
def list_rules() -> None:
    """List all property rules, and how far each is computed.

    Example: flask --app app properties list
    """
    rows = db.session.query(PropertyRule).order_by(PropertyRule.key)
    show_table(["guid", "key", "type", "made of", "computed for"], [_rule_row(row) for row in rows])


@properties.command("create")
@click.argument("key")
@click.option("--source", required=True, help="The guid of a source.")
@click.option("--type", "kind", type=click.Choice([one.value for one in PropertyType]), default="string", show_default=True)
@click.option("--column", required=True, help="occurredAt, ipAddress, type, userId or data.KEY.")
@click.option("--aggregation", required=True, type=click.Choice([one.value for one in Aggregation]))
@click.option("--filter", "filters", multiple=True, metavar="'COLUMN OPERATOR MATCH'", help="Only such events; repeatable.")
@click.option("--window-days", type=int, help="Only the events of the last so many days.")
@click.option("--unique", is_flag=True, help="No two profiles have the same value; profiles can be found by it.")
@click.option("--dry-run", is_flag=True, help="Only show what it would make of a few profiles.")
@_json
def create_rule(key: str, source: str, kind: str, dry_run: bool, as_json: bool, **told: Any) -> None:
    """Make the property KEY, and compute it for everybody.

    Example: flask --app app properties create visits --source GUID --column type --aggregation count --type integer
    """
    body = {"key": key, "type": kind, "sourceGuid": source, "column": told["column"], "aggregation": told["aggregation"]}
    body |= {"unique": told["unique"], "filters": [_filter(text) for text in told["filters"]]}
    body |= {"isArray": told["aggregation"] in (Aggregation.ALL.value, Aggregation.DISTINCT.value)}
    body |= {"windowDays": told["window_days"]} if told["window_days"] is not None else {}
    if dry_run:
        return _preview(_loaded(RulePreview(), body))
    row = _refusing(lambda: catalogue.create_rule(_loaded(NewRule(), body)))
    services().wake(BACKFILL)
    _show(rule_shape(row), as_json)


@properties.command("show")
@click.argument("guid")
@_json
def show_rule(guid: str, as_json: bool) -> None:
    """Show the rule GUID, how far it is computed, and how many strings it could not read.

    Example: flask --app app properties show GUID
    """
    row = db.session.get(PropertyRule, guid)
    if row is None:
        fail(f"there is no property rule {guid!r}")
    _show({**rule_shape(row), "leftOut": left_out_of(services().identity, guid)}, as_json)


@properties.command("delete")
@click.argument("guid")
def delete_rule(guid: str) -> None:
    """Delete the rule GUID, and its property of every profile.

    Example: flask --app app properties delete GUID
    """
    if not catalogue.delete_rule(guid):
        fail(f"there is no property rule {guid!r}")
    services().wake(BACKFILL)
    click.echo("deleted")


def _preview(body: Json) -> None:
    rule = _refusing(lambda: catalogue.draft_rule(body))
    found = values_of(services().backend, rule, None)
    show_table(["profile", "value", "left out"], [(guid, value, left_out) for guid, (value, left_out) in found.items()])


def _filter(text: str) -> Json:
    found = _FILTER.fullmatch(text)
    if found is None:
        fail(f"--filter {text!r} can't be read: write it as in 'data.path equals /'; operators are {', '.join(Operator)}")
    key, operator, match = found.groups()
    return {"key": key, "op": operator, **({"match": match} if match is not None else {})}


def _loaded(schema: Any, body: Json) -> Json:
    try:
        return load_body(schema, body)
    except ApiError as error:
        fail(str(error))


def _refusing(make: Any) -> Any:
    try:
        return make()
    except catalogue.Refused as error:
        fail(f"{error.field}: {error}")


def _source_row(row: Source) -> tuple[object, ...]:
    return row.guid, row.name, row.event_type, row.app_guid, row.created_at


def _rule_row(row: PropertyRule) -> tuple[object, ...]:
    made = f"{row.options.get('aggregation')} of {row.options.get('column')}"
    return row.guid, row.key, row.type, made, "everybody" if row.backfilled_at else f"{row.backfilled_profiles} profiles"


def _show(record: Json, as_json: bool) -> None:
    if as_json:
        show_json(record)
    else:
        show_record(record)
