"""The jobs, run in this very process as a worker would."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.services import services
from backends.sql.backend import SqlBackend
from worker import jobs


@pytest.fixture
def at_work(app: Flask) -> Iterator[Flask]:
    """The app with a workbench, in its context."""
    jobs.set_up(app, "test")
    with app.app_context():
        yield app
    app.extensions["workbench"].client.close()


def sql(statement: str, **values: object) -> list[sa.Row[tuple[object, ...]]]:
    """What somebody does beside us in the events' database."""
    backend = services().backend
    assert isinstance(backend, SqlBackend)
    with backend.engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return list(result) if result.returns_rows else []


def age_rows() -> None:
    """Let the rows that others wrote be old enough for the scan."""
    sql("UPDATE events SET created_at = '2026-01-01 00:00:00' WHERE profile_associated_at IS NULL")
