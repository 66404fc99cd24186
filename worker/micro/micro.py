"""Micro: the parts of the service that its routes and its end are about."""

import sqlite3
from dataclasses import dataclass

from flask import Flask

from app.models import ApiKey, db
from backends.memory import MemoryBackend
from worker.micro.journal import Journal
from worker.micro.stream import LocalStream
from worker.micro.worker import LocalWorker


@dataclass(frozen=True)
class Micro:
    """Everything that remembers something."""

    app: Flask
    journal: Journal
    worker: LocalWorker
    stream: LocalStream
    backend: MemoryBackend
    keeper: sqlite3.Connection
    """The database is there for as long as one connection is open."""

    def reset(self) -> None:
        """Forget all but the keys."""
        with self.worker.lock, self.app.app_context():
            others = [table for table in db.metadata.sorted_tables if table.name != ApiKey.__tablename__]
            db.metadata.drop_all(db.engine, others)
            db.metadata.create_all(db.engine, others)
            self.backend.events.clear()
            self.worker.clear()
            self.stream.clear()
            self.journal.clear()

    def close(self) -> None:
        """Nothing is left of it."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
        self.keeper.close()
