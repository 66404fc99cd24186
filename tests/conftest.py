"""Servers that live as long as the test run, and what each test finds fresh on them."""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.models import db
from app.services import services
from tests.furnished import FurnishedDatabase, FurnishedFile
from tests.servers import Database, MariaDb, NotInstalled, Postgres, Valkey

T = TypeVar("T")


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Short and open to the user that PostgreSQL runs as."""
    directory = Path(tempfile.mkdtemp(prefix="servers-"))
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_directory: Path) -> Iterator[Postgres]:
    (server_directory / "postgres").mkdir()
    server = Postgres(server_directory / "postgres")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def mariadb_server(server_directory: Path) -> Iterator[MariaDb]:
    need_mariadb()
    (server_directory / "mariadb").mkdir()
    server = MariaDb(server_directory / "mariadb")
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=[Postgres, MariaDb])
def database(request: pytest.FixtureRequest) -> type[Database]:
    """A kind of server, for a test that breaks one of its own."""
    if request.param is MariaDb:
        need_mariadb()
    found: type[Database] = request.param
    return found


@pytest.fixture(scope="session")
def valkey_server(server_directory: Path) -> Iterator[Valkey]:
    (server_directory / "valkey").mkdir()
    server = Valkey(server_directory / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    yield postgres_server.make_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def mariadb_url(mariadb_server: MariaDb) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    yield mariadb_server.make_database(name)
    mariadb_server.drop_database(name)


@pytest.fixture(scope="session")
def furnished_file(server_directory: Path) -> FurnishedFile:
    return FurnishedFile(server_directory)


@pytest.fixture(scope="session")
def furnished_postgres(postgres_server: Postgres) -> Iterator[FurnishedDatabase]:
    furnished = FurnishedDatabase(postgres_server)
    yield furnished
    furnished.drop()


@pytest.fixture(scope="session")
def furnished_mariadb(mariadb_server: MariaDb) -> Iterator[FurnishedDatabase]:
    furnished = FurnishedDatabase(mariadb_server)
    yield furnished
    furnished.drop()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database; one with empty tables for a test that takes `app`."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.sqlite3"
    elif "app" in request.fixturenames:
        furnished = request.getfixturevalue("furnished_postgres" if request.param == "postgresql" else "furnished_mariadb")
        yield furnished.take()
        furnished.give_back()
    else:
        yield request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url")


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, secret_key="for tests only")


@pytest.fixture
def app(settings: Settings, furnished_file: FurnishedFile) -> Iterator[Flask]:
    """The app on fresh tables."""
    app = create_app(settings)
    if settings.database_url.startswith("sqlite:///"):
        furnished_file.copy_to(settings.database_url.removeprefix("sqlite:///"))
    yield app
    close(app)


@pytest.fixture
def make_app(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """An app with other settings."""
    apps = []

    def make(**changes: Any) -> Flask:
        app = create_app(Settings(**{**vars(settings), **changes}))
        with app.app_context():
            db.create_all()
        apps.append(app)
        return app

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def close(app: Flask) -> None:
    """Give back what the app holds open."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        services().backend.close()
        services().redis.close()
    logging.captureWarnings(False)


def need_mariadb() -> None:
    """Skip the test where there is no MariaDB; in CI there has to be one."""
    need(MariaDb.check_installed)


def need(find: Callable[[], T]) -> T:
    """Skip the test where something is not installed; in CI it has to be."""
    try:
        return find()
    except NotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
