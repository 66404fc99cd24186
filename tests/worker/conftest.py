"""The jobs, run in this very process as a worker would."""

from collections.abc import Iterator

import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from app.models import db
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


@pytest.fixture
def client(at_work: Flask) -> redis.Redis:
    return services().redis


@pytest.fixture
def picky(at_work: Flask) -> Flask:
    """A store that refuses events of type poison."""
    sql("DROP TABLE events")
    sql("DROP TABLE event_data")
    services().backend.setup()
    if db.engine.dialect.name == "sqlite":
        refusal = "SELECT RAISE(ABORT, 'no poison')"
        sql(f"CREATE TRIGGER picky BEFORE INSERT ON events WHEN NEW.type = 'poison' BEGIN {refusal}; END")
    else:
        sql("ALTER TABLE events ADD CONSTRAINT picky CHECK (type <> 'poison')")
    return at_work
