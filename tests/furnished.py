"""Databases with all tables that go from test to test: emptied in between, and thrown away where a test changed the tables."""

import re
import shutil
import uuid
from pathlib import Path

import sqlalchemy as sa

from app import create_app
from app.config import Settings
from app.models import db
from app.services import services
from backends.sql.engine import make_engine
from backends.sql.tables import metadata
from tests.servers import Database

DEFINITION = re.compile(r"\s*(CREATE(?! TEMPORARY)|ALTER|DROP|RENAME|TRUNCATE)\b", re.IGNORECASE)

changed: set[str | None] = set()
"""Databases whose tables were defined anew from within this process."""


@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def note_change(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
    if DEFINITION.match(statement):
        changed.add(connection.engine.url.database)


class FurnishedFile:
    """A SQLite file, to be copied."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "furnished.sqlite3"
        furnish(f"sqlite:///{self.path}")

    def copy_to(self, path: str) -> None:
        shutil.copy(self.path, path)


class FurnishedDatabase:
    """A database on a server; it is made when it is first taken, and again when it was thrown away."""

    def __init__(self, server: Database) -> None:
        self.server = server
        self.engine: sa.Engine | None = None
        self.tables = [*metadata.sorted_tables, *db.metadata.sorted_tables]

    def take(self) -> str:
        """Its URL."""
        if self.engine is None:
            self.name = f"furnished_{uuid.uuid4().hex}"
            self.url = self.server.make_database(self.name)
            furnish(self.url)
            self.engine = make_engine(self.url)
            with self.engine.begin() as connection:
                found = [(table, [row._asdict() for row in connection.execute(sa.select(table))]) for table in self.tables]
            self.rows = [(table, rows) for table, rows in found if rows]
            changed.discard(self.name)
        return self.url

    def give_back(self) -> None:
        """As it was when it was made."""
        assert self.engine
        if self.name not in changed:
            try:
                return self._empty(self.engine)
            except sa.exc.DBAPIError:  # somebody left a lock behind
                pass
        self.drop()

    def drop(self) -> None:
        if self.engine:
            self.engine.dispose()
            self.engine = None
            self.server.drop_database(self.name)

    def _empty(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            for table in reversed(self.tables):
                connection.execute(sa.delete(table))
            for table, rows in self.rows:
                connection.execute(sa.insert(table), rows)


def furnish(url: str) -> None:
    """Make all tables, the app's and the backend's."""
    app = create_app(Settings(database_url=url, secret_key="for tests only"))
    with app.app_context():
        db.create_all()
        services().backend.setup()
        db.engine.dispose()
        services().backend.close()
