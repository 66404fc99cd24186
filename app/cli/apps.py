"""`flask apps`: where data comes from, the events or databases of one's own."""

import sys
from typing import Any, TextIO

import click
from flask.cli import AppGroup

from app.api.app_bodies import AppChanges, NewApp
from app.api.shapes import app_shape
from app.cli.making import loaded, refusing, show
from app.cli.terminal import fail, show_table
from app.foreign.place import PORTS, SSLMODES
from app.models import App, db
from app.properties import apps, catalogue
from app.properties.failing import failing_sources
from app.services import services
from app.stream import LOAD

group = AppGroup("apps", help="The apps that data comes from: the events, and databases of one's own.")

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
_no_test = click.option("--no-test", is_flag=True, help="Don't ask the database whether it lets us in.")
_password_file = click.option(
    "--password-file", type=click.File(), help="A file with the password ('-': stdin). Without it a terminal is asked."
)


@group.command("list")
def list_all() -> None:
    """List all apps, and which sources of theirs can't be loaded.

    Example: flask --app app apps list
    """
    failing = failing_sources()
    rows = []
    for row in db.session.query(App).order_by(App.created_at, App.guid):
        theirs = "; ".join(f"{one.source}: {one.loading.failure}" for one in failing if one.app_guid == row.guid)
        place = f"{row.options['scheme']} {row.options['host']} {row.options['database']}" if row.kind == apps.SQL else ""
        rows.append((row.guid, row.name, row.kind, place, theirs))
    show_table(["guid", "name", "kind", "database", "what fails"], rows)


@group.command("create")
@click.argument("name")
@click.option("--scheme", type=click.Choice(list(PORTS)), default="postgresql", show_default=True)
@click.option("--host", default="", help="A name or an address.")
@click.option("--port", type=int, help="Without it, the scheme's usual one.")
@click.option("--database", required=True)
@click.option("--user", default="")
@click.option("--sslmode", type=click.Choice(SSLMODES), default="prefer", show_default=True)
@_password_file
@_no_test
@_json
def create(name: str, password_file: TextIO | None, no_test: bool, as_json: bool, **told: Any) -> None:
    """Make the sql app NAME: a database of one's own, which is only read.

    Example: flask --app app apps create crm --host db.example.com --database crm --user reader
    """
    body = {key: value for key, value in told.items() if value not in (None, "")}
    body |= {"name": name, "password": _password(password_file), "test": not no_test}
    row = refusing(lambda: apps.create_app(**loaded(NewApp(), body)))
    show(app_shape(row), as_json)


@group.command("change")
@click.argument("guid")
@click.option("--name")
@click.option("--host")
@click.option("--port", type=int)
@click.option("--database")
@click.option("--user")
@click.option("--sslmode", type=click.Choice(SSLMODES))
@click.option("--password", "has_password", is_flag=True, help="Give another password; a terminal is asked for it.")
@_password_file
@_no_test
@_json
def change(
    guid: str, has_password: bool, password_file: TextIO | None, no_test: bool, as_json: bool, **told: Any
) -> None:
    """Change the sql app GUID; where its password would go elsewhere it has to be given again.

    Example: flask --app app apps change GUID --password
    """
    body = {key: value for key, value in told.items() if value is not None}
    body |= {"password": _password(password_file)} if has_password or password_file else {}
    row = refusing(lambda: apps.change_app(guid, loaded(AppChanges(), body), not no_test))
    if row is None:
        fail(f"there is no app {guid!r}")
    services().wake(LOAD)
    show(app_shape(row, failing_sources([guid])), as_json)


@group.command("test")
@click.argument("guid")
def test(guid: str) -> None:
    """Ask the database of the sql app GUID whether it lets us in; its sources are loaded from at once then.

    Example: flask --app app apps test GUID
    """
    row = db.session.get(App, guid)
    if row is None or row.kind != apps.SQL:
        fail(f"there is no sql app {guid!r}")
    refusing(lambda: apps.check_app(row))
    services().wake(LOAD)
    click.echo("it lets us in")


@group.command("delete")
@click.argument("guid")
def delete(guid: str) -> None:
    """Delete the app GUID, of which no sources are made.

    Example: flask --app app apps delete GUID
    """
    if not refusing(lambda: catalogue.delete_app(guid)):
        fail(f"there is no app {guid!r}")
    click.echo("deleted")


@group.command("reencrypt")
def reencrypt() -> None:
    """Encrypt all passwords of apps with the present SECRET_KEY; those before it are in SECRET_KEY_FALLBACKS.

    Example: flask --app app apps reencrypt
    """
    click.echo(f"{refusing(apps.reencrypt)} apps are encrypted with the present SECRET_KEY")


def _password(file: TextIO | None) -> str:
    if file is not None:
        return file.read().rstrip("\r\n")
    if sys.stdin.isatty():
        told: str = click.prompt("Password", default="", hide_input=True, show_default=False)
        return told
    return ""
