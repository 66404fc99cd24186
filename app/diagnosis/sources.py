"""Sql apps: whether their passwords can be read, and which of their sources can't be loaded."""

from collections.abc import Iterator

import sqlalchemy as sa

from app.diagnosis.findings import Finding, fine, warn, wrong
from app.foreign.place import AppUnavailable
from app.models import App, db
from app.properties.apps import SQL
from app.properties.databases import database_of
from app.properties.failing import failing_sources


def check_sources() -> Iterator[Finding]:
    """Without asking any of their databases: the worker does, and says what came of it."""
    rows = list(db.session.scalars(sa.select(App).where(App.kind == SQL).order_by(App.name)))
    for row in rows:
        try:
            database_of(row)
        except AppUnavailable as error:
            yield wrong(f"sql app {row.name!r}", str(error), "then run `flask --app app apps reencrypt`")
    failing = failing_sources()
    for one in failing:
        advice = f"look at its database; then run `flask --app app apps test {one.app_guid}`"
        yield warn(f"sql source {one.source!r}", one.loading.failure or "", advice)
    if not failing:
        yield fine("sql apps", f"{len(rows)}; all of their sources can be loaded")
