"""The app's database and the event backend: whether they answer, and have the tables of this version."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.config import ROOT
from app.diagnosis.buffer import skew
from app.diagnosis.findings import Finding, fine, wrong
from app.models import db
from app.services import Services
from backends.base import EventQuery

_RELEASE = "run `flask --app app release`"


def check_database(_shared: Services) -> Iterator[Finding]:
    """The app's own tables: at the newest migration?"""
    with db.engine.connect() as connection:
        there = MigrationContext.configure(connection).get_current_revision()
        if connection.dialect.name != "sqlite":
            now = connection.scalar(sa.select(sa.extract("epoch", sa.func.now())) if _is_postgresql() else _UNIX_TIME)
            yield skew("database clock", float(now or 0))
    newest = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
    if there != newest:
        yield wrong("database tables", f"at revision {there or 'none'}, this version has {newest}", _RELEASE)
    else:
        yield fine("database tables", f"{db.engine.dialect.name}, at revision {there}")


def check_backend(shared: Services) -> Iterator[Finding]:
    """The events: can they be read?"""
    shared.backend.ping()
    shared.backend.find(EventQuery(), 1)
    yield fine("event backend", type(shared.backend).__name__)


_UNIX_TIME = sa.text("SELECT UNIX_TIMESTAMP(UTC_TIMESTAMP(3))")


def _is_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"
