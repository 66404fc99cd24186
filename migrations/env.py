"""Alembic's environment: the app's engine, the app's tables, no others."""

from typing import Any

from alembic import context
from flask import current_app

from backends.sql.engine import upgrading
from backends.sql.tables import Id, LongText, Moment
from migrations import repeatable  # noqa: F401  # Alembic finds it by the name of its dialect

TYPES = (Id, LongText, Moment)


def render_item(kind: str, item: Any, _context: Any) -> str | bool:
    """Our own column types under their own names."""
    return f"{type(item).__name__}()" if kind == "type" and isinstance(item, TYPES) else False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Backend tables may lie in the same database: they are not ours to touch."""
    return kind != "table" or name in metadata.tables


extension = current_app.extensions["migrate"]
metadata = extension.db.metadata

with upgrading(extension.db.engine, "grouparoo migrations") as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        include_name=include_name,
        render_as_batch=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()
