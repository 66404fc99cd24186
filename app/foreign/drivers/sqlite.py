"""SQLite: a file of this machine, where SQL_APPS_SQLITE allows it."""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.foreign.drivers.base import NO_DATABASE, TOO_SLOW, Driver, Kind, Problem, said_by
from app.foreign.place import Place


class Sqlite(Driver):
    """SQLite. Its columns have no types to go by: all are compared as text."""

    dialect = "sqlite://"
    error = sqlite3.Error
    has_address = False

    def connect(self, place: Place, address: str, timeout_s: float) -> Any:
        path = Path(place.database).absolute().as_uri()
        return sqlite3.connect(f"{path}?mode=ro", uri=True, timeout=timeout_s, check_same_thread=False)

    def begin(self, connection: sa.Connection, timeout_s: float) -> None:
        connection.execute(sa.text("PRAGMA query_only = ON"))

    def kind_of(self, type_code: Any) -> Kind:
        return Kind.OTHER

    def problem_of(self, error: BaseException) -> Problem:
        words = str(error)
        if "interrupted" in words or "locked" in words:
            return TOO_SLOW
        if "unable to open" in words or "not a database" in words:
            return NO_DATABASE
        return Problem(f"can't be asked so: {said_by(error)}", "userIdColumn" if "column" in words else "query")

    def interrupt(self, raw: Any) -> None:
        raw.interrupt()
