"""The databases of sql apps: opened for who asks, within what the operator allows; and asked whether a source makes sense."""

from typing import Any

from app.config import Settings
from app.foreign.database import ForeignDatabase, Limits
from app.foreign.place import AppUnavailable, Place
from app.foreign.vault import Unreadable, Vault
from app.models import App, Source, db
from app.properties.columns import selection_of
from app.properties.rules import Refused
from app.services import services

SHOWN = ("scheme", "host", "port", "database", "sslmode")
"""What may be shown of a place."""

_OF_SOURCES = ("userIdColumn", "query", "table")


def database_of(app: App) -> ForeignDatabase:
    """The app's database; nothing of our own is held while it is waited for. Raises AppUnavailable if its credentials can't
    be read."""
    settings = services().settings
    told: dict[str, Any] = {name: app.options[name] for name in SHOWN}
    try:
        told |= vault(settings).unlock(app.guid, app.credentials or "")
    except Unreadable:
        problem = "can't be used: its password can't be read, because SECRET_KEY is another one than it was encrypted with"
        raise AppUnavailable(app.name, f"{problem}; give that one in SECRET_KEY_FALLBACKS", "password") from None
    database = ForeignDatabase(Place(app.name, **told), limits(settings))
    db.session.rollback()
    return database


def database_of_source(source: Source) -> ForeignDatabase:
    """The database of the source's app. Raises AppUnavailable."""
    app = db.session.get(App, source.app_guid)
    assert app is not None, "an app with sources is not deleted"
    return database_of(app)


def vault(settings: Settings) -> Vault:
    """What credentials are encrypted with."""
    return Vault(settings.secret_key, settings.secret_key_fallbacks)


def limits(settings: Settings) -> Limits:
    """What sql apps may do."""
    return Limits(settings.sql_apps_timeout_s, settings.sql_apps_private_networks, settings.sql_apps_sqlite)


def columns_in(source: Source) -> list[str]:
    """The columns that the source's table, or query, has now. Raises AppUnavailable."""
    selection, database = selection_of(source), database_of_source(source)
    with database.reading() as connection:
        return list(selection.columns(database, connection))


def check_source(source: Source) -> None:
    """Ask whether the source's table or query, and the column with the userId, are there. Raises Refused."""
    try:
        columns_in(source)
    except AppUnavailable as error:
        field = "table" if error.field == "query" and source.options.get("table") else error.field
        raise Refused(field if field in _OF_SOURCES else "appGuid", str(error)) from None


def check_column(source_guid: str, column: str | None) -> None:
    """Ask whether the column is there, if the source is an sql app's. Raises Refused."""
    source = db.session.get(Source, source_guid)
    if source is None or source.event_type is not None or column is None:
        return
    try:
        found = columns_in(source)
    except AppUnavailable as error:
        raise Refused("sourceGuid", str(error)) from None
    if column not in found:
        raise Refused("column", f"there is no column {column!r} in the source; there are {', '.join(map(repr, found))}")
