"""The Flask-SQLAlchemy instance that all models share."""

from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from backends.sql.engine import prepare_engine
from backends.sql.tables import Id, LongText, Moment, Seen

Row = TypeVar("Row")


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


def newest(model: type[Row], limit: int, after: Sequence[str] | None = None, *where: sa.ColumnElement[bool]) -> list[Row]:
    """Up to `limit` rows for which `where` holds, newest first by (created_at, guid), from behind `after` on."""
    table = sa.inspect(model).local_table
    order = (table.c.created_at, table.c.guid)
    statement = sa.select(model).where(*where).order_by(*(column.desc() for column in order)).limit(limit)
    if after:
        literals = [sa.bindparam(None, value, type_=column.type) for value, column in zip(after, order, strict=True)]
        statement = statement.where(sa.tuple_(*order) < sa.tuple_(*literals))
    return list(db.session.scalars(statement))


__all__ = ["Id", "LongText", "Moment", "Seen", "begin_writing", "db", "newest"]
