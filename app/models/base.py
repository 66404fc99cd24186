"""The Flask-SQLAlchemy instance that all models share."""

from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from backends.sql.engine import prepare_engine
from backends.sql.tables import Id, Moment, Seen


class Base(DeclarativeBase):
    """What every model is."""


class _Database(SQLAlchemy):
    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Any) -> sa.Engine:
        engine = super()._make_engine(bind_key, options, app)
        prepare_engine(engine)
        return engine


db = _Database(model_class=Base)
db.Model.registry.update_type_annotation_map({str: Id})  # type: ignore[attr-defined]  # Model is made at run time


def begin_writing() -> None:
    """Begin the session's transaction as one that writes. Without it, what writes after reading may find SQLite locked."""
    db.session.rollback()
    db.session.connection(execution_options={"will_write": True})


__all__ = ["Id", "Moment", "Seen", "begin_writing", "db"]
