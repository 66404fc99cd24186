"""Sql apps: made, changed and tested by people; their password goes to the place that it was given for, and nowhere else."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import sqlalchemy as sa

from app.foreign.addresses import HOST, problem_of
from app.foreign.place import PORTS, AppUnavailable
from app.foreign.vault import NoSecret, Unreadable
from app.models import EVENTS_APP, App, Loading, Source, begin_writing, db
from app.properties.catalogue import InUse, written
from app.properties.databases import SHOWN, database_of, vault
from app.properties.rules import Refused
from app.services import services
from backends.event import new_guid, now

SQL = "sql"

SECRET = ("user", "password")
LEADING = ("scheme", "host", "port", "sslmode", "user")
"""Who changes one of these has to know the password: else it could be sent to a server of their own, or in the clear."""


def create_app(name: str, test: bool = True, **told: Any) -> App:
    """An sql app; `told` are the fields of a Place. Unless `test` is false, its database is asked whether it lets us in.

    Raises Refused.
    """
    moment, guid = now(), new_guid("app")
    usual = {"port": PORTS[told["scheme"]], "user": "", "password": "", "sslmode": "prefer", "host": ""}
    row = App(guid=guid, name=name, kind=SQL, options={}, created_at=moment, updated_at=moment)
    _set(row, {**usual, **told}, {})
    _check(row, test)

    def write() -> App:
        db.session.add(row)
        return row

    return written(write, "name", name)


def change_app(guid: str, changes: Mapping[str, Any], test: bool = True) -> App | None:
    """Change an sql app, whose sources are loaded from at once then. None if there is none. Raises Refused, InUse."""
    row = db.session.get(App, guid)
    if row is None:
        return None
    if guid == EVENTS_APP:
        raise InUse("the events are built in: there is nothing to change of their app")
    known = _known_credentials(row)
    if known.get("password") and "password" not in changes and any(_is_another(row, known, changes, one) for one in LEADING):
        raise Refused("password", f"send it again: with another {', '.join(LEADING[:-1])} or user it would go elsewhere")
    twin = App(guid=guid, name=changes.get("name", row.name), kind=SQL, options=dict(row.options))
    _set(twin, changes, known)
    _check(twin, test)

    def write() -> App | None:
        found = db.session.get(App, guid, with_for_update=True)
        if found is not None:
            found.name, found.options, found.credentials = twin.name, twin.options, twin.credentials
            found.updated_at = now()
            _forget_failures(guid)
        return found

    return written(write, "name", twin.name)


def check_app(app: App) -> None:
    """Return if the app's database lets us in; its sources are loaded from at once then. Raises AppUnavailable."""
    guid = app.guid
    database_of(app).ping()
    begin_writing()
    _forget_failures(guid)
    db.session.commit()


def reencrypt() -> int:
    """Encrypt all credentials with the present SECRET_KEY; return how many. Raises AppUnavailable if some can't be read."""
    begin_writing()
    rows = list(db.session.scalars(sa.select(App).where(App.kind == SQL).with_for_update()))
    for row in rows:
        try:
            row.credentials = _locked(row.guid, vault(services().settings).unlock(row.guid, row.credentials or ""))
        except Unreadable:
            name = row.name
            db.session.rollback()
            problem = "has a password that can't be read: give the SECRET_KEY of that time in SECRET_KEY_FALLBACKS"
            raise AppUnavailable(name, problem, "password") from None
    db.session.commit()
    return len(rows)


def _set(row: App, told: Mapping[str, Any], known: Mapping[str, str]) -> None:
    row.options = {**row.options, **{name: told[name] for name in SHOWN if name in told}}
    row.credentials = _locked(row.guid, {**known, **{name: told[name] for name in SECRET if name in told}})


def _locked(guid: str, credentials: Mapping[str, str]) -> str:
    try:
        return vault(services().settings).lock(guid, credentials)
    except NoSecret:
        raise Refused("password", "it could not be encrypted: set SECRET_KEY to a long random text first") from None


def _known_credentials(row: App) -> dict[str, str]:
    try:
        return vault(services().settings).unlock(row.guid, row.credentials or "")
    except Unreadable:
        return {"user": "", "password": "can't be read"}  # so that it has to be sent again, with the user


def _is_another(row: App, known: Mapping[str, str], changes: Mapping[str, Any], name: str) -> bool:
    return name in changes and changes[name] != {**row.options, **known}.get(name)


def _check(row: App, test: bool) -> None:
    """Refuse what is no host, or one that is never connected to; and, with `test`, whatever else can't be asked."""
    host, allows_private = row.options["host"], services().settings.sql_apps_private_networks
    if row.options["scheme"] != "sqlite":
        if not HOST.match(host):
            raise Refused("host", f"{host!r} is no host: send one name, or one address")
        if _is_address(host) and (problem := problem_of(host, allows_private)):
            raise Refused("host", f"it {problem}")
    if test:
        try:
            database_of(row).ping()
        except AppUnavailable as error:
            raise Refused(error.field if error.field in (*SHOWN, *SECRET) else "database", str(error)) from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _forget_failures(app_guid: str) -> None:
    """Let the app's sources be asked again, however often they failed."""
    theirs = sa.select(Source.guid).where(Source.app_guid == app_guid)
    forgotten = sa.update(Loading).where(Loading.source_guid.in_(theirs)).values(failures=0, retry_at=None)
    db.session.execute(forgotten.execution_options(synchronize_session=False))
