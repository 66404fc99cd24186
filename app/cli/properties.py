"""`flask properties`: what is known of people."""

import re
from typing import Any

import click
from flask.cli import AppGroup

from app.api.property_bodies import NewRule, RulePreview
from app.api.shapes import Json, rule_shape
from app.cli.making import loaded, refusing, show
from app.cli.terminal import fail, show_table
from app.models import PropertyRule, db
from app.properties import catalogue
from app.properties.previewing import previewed
from app.properties.reading import left_out_of
from app.properties.types import PropertyType
from app.services import services
from app.stream import BACKFILL, LOAD
from backends.aggregation import Aggregation, Operator

properties = AppGroup("properties", help="Property rules: what is known of people, made of the events of a source.")

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
_FILTER = re.compile(rf"(\S+) ({'|'.join(one.value for one in Operator)})(?: (.*))?", re.DOTALL)


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
@click.option("--column", required=True, help="occurredAt, ipAddress, type, userId or data.KEY; of an sql app, its column.")
@click.option("--aggregation", type=click.Choice([one.value for one in Aggregation]), help="Of events, how values become one.")
@click.option("--filter", "filters", multiple=True, metavar="'COLUMN OPERATOR MATCH'", help="Only such events; repeatable.")
@click.option("--window-days", type=int, help="Only the events of the last so many days.")
@click.option("--unique", is_flag=True, help="No two profiles have the same value; profiles can be found by it.")
@click.option("--dry-run", is_flag=True, help="Only show what it would make of a few profiles.")
@_json
def create_rule(key: str, source: str, kind: str, dry_run: bool, as_json: bool, **told: Any) -> None:
    """Make the property KEY, and compute it for everybody.

    Example: flask --app app properties create visits --source GUID --column type --aggregation count --type integer
    """
    body: Json = {"key": key, "type": kind, "sourceGuid": source, "column": told["column"]}
    body |= {"aggregation": told["aggregation"]} if told["aggregation"] else {}
    body |= {"unique": told["unique"], "filters": [_filter(text) for text in told["filters"]]}
    body |= {"isArray": told["aggregation"] in (Aggregation.ALL.value, Aggregation.DISTINCT.value)}
    body |= {"windowDays": told["window_days"]} if told["window_days"] is not None else {}
    if dry_run:
        return _preview(loaded(RulePreview(), body))
    row = refusing(lambda: catalogue.create_rule(loaded(NewRule(), body)))
    _wake()
    show(rule_shape(row), as_json)


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
    show({**rule_shape(row), "leftOut": left_out_of(services().identity, guid)}, as_json)


@properties.command("delete")
@click.argument("guid")
def delete_rule(guid: str) -> None:
    """Delete the rule GUID, and its property of every profile.

    Example: flask --app app properties delete GUID
    """
    if not catalogue.delete_rule(guid):
        fail(f"there is no property rule {guid!r}")
    _wake()
    click.echo("deleted")


def _preview(body: Json) -> None:
    rule = refusing(lambda: catalogue.draft_rule(body))
    found = refusing(lambda: previewed(rule, None))
    show_table(["profile", "value", "left out"], [(guid, value, left_out) for guid, (value, left_out) in found.items()])


def _filter(text: str) -> Json:
    found = _FILTER.fullmatch(text)
    if found is None:
        fail(f"--filter {text!r} can't be read: write it as in 'data.path equals /'; operators are {', '.join(Operator)}")
    key, operator, match = found.groups()
    return {"key": key, "op": operator, **({"match": match} if match is not None else {})}


def _rule_row(row: PropertyRule) -> tuple[object, ...]:
    aggregation = row.options.get("aggregation")
    made = f"{aggregation} of {row.options['column']}" if aggregation else row.options["column"]
    return row.guid, row.key, row.type, made, "everybody" if row.backfilled_at else f"{row.backfilled_profiles} profiles"


def _wake() -> None:
    """Whichever job computes it."""
    services().wake(BACKFILL)
    services().wake(LOAD)
