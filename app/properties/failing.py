"""Failing: the sources of sql apps that can't be loaded, for who looks how things go."""

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from app.models import App, Loading, Source, db


class Failing(NamedTuple):
    """A source, its app, and what is wrong."""

    app_guid: str
    app: str
    source: str
    loading: Loading


def failing_sources(app_guids: Collection[str] | None = None, limit: int = 100) -> list[Failing]:
    """The sources (of these apps) that can't be loaded, by name."""
    statement = sa.select(App.guid, App.name, Source.name, Loading).join(Source, Source.app_guid == App.guid)
    statement = statement.join(Loading, Loading.source_guid == Source.guid).where(Loading.failure.is_not(None))
    if app_guids is not None:
        statement = statement.where(App.guid.in_(app_guids))
    return [Failing(*row) for row in db.session.execute(statement.order_by(App.name, Source.name).limit(limit))]


def count_failing(connection: sa.Connection) -> int:
    """How many there are."""
    return connection.scalar(sa.select(sa.func.count()).where(sa.inspect(Loading).local_table.c.failure.is_not(None))) or 0


def loadings_of(source_guids: Collection[str]) -> dict[str, Loading]:
    """How the loading of each of these sources goes; those of events are not loaded."""
    found = db.session.scalars(sa.select(Loading).where(Loading.source_guid.in_(source_guids)))
    return {row.source_guid: row for row in found}
