"""Alembic's environment: the app's engine, the app's tables, no others."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from flask import current_app

from backends.sql.tables import Id, Moment

TYPES = (Id, Moment)
LOCK = 7_291_004


def render_item(kind: str, item: Any, _context: Any) -> str | bool:
    """Our own column types under their own names."""
    return f"{type(item).__name__}()" if kind == "type" and isinstance(item, TYPES) else False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Backend tables may lie in the same database: they are not ours to touch."""
    return kind != "table" or name in metadata.tables


extension = current_app.extensions["migrate"]
metadata = extension.db.metadata

with extension.db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        include_name=include_name,
        render_as_batch=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":  # several releases at once: one works, the others find all done
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()
