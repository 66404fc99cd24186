"""The app's tables: made by migrations as the models say, and shared between processes."""

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import check, upgrade

from app import create_app
from app.config import Settings
from app.importing.producer import import_producer
from app.models import ApiKey, db
from app.services import services
from backends.base import EventQuery
from backends.event import Event, new_guid, now
from tests.conftest import close


def made_event() -> Event:
    moment = now()
    return Event(new_guid("evt"), "visit", "ann", None, moment, moment, {})


def test_somebody_who_only_reads_lets_others_write(app: Flask) -> None:
    with app.app_context():
        db.session.scalars(sa.select(ApiKey)).all()

        services().backend.save([made_event()])

        assert services().backend.count(EventQuery()) == 1


def test_an_import_that_waits_lets_others_write(app: Flask) -> None:
    with app.app_context():
        for _ in range(2):
            import_producer(None)
            services().backend.save([made_event()])

        assert services().backend.count(EventQuery()) == 2


@pytest.fixture
def migrated(settings: Settings) -> Flask:
    app = create_app(settings)
    with app.app_context():
        upgrade()
    return app


def test_the_migrations_make_what_the_models_say(migrated: Flask) -> None:
    with migrated.app_context():
        services().backend.setup()

        upgrade()
        check()
    close(migrated)
