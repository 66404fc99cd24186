"""The steps that bring the tables of any earlier version to today's, in place and in one transaction."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from backends.sql.tables import event_backend_version, metadata


def complete_layout(connection: sa.Connection) -> None:
    """Add the columns and indexes that the tables lack; what is there, or was added by somebody, stays."""
    present = sa.inspect(connection)
    for table in metadata.sorted_tables:
        columns = {column["name"] for column in present.get_columns(table.name)}
        indexes = {index["name"] for index in present.get_indexes(table.name)}
        for column in table.columns:
            if column.name not in columns:
                _add_column(connection, table, column)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name not in indexes:
                index.create(connection)


STEPS: Sequence[Callable[[sa.Connection], None]] = (complete_layout,)
"""Step N leads from version N-1 to version N. Append; never change one that was released. Each may meet a new store too."""


def upgrade(connection: sa.Connection) -> None:
    """Create the tables that are missing and take the steps not taken yet; a store newer than this code is left alone."""
    _wait_for_others(connection)
    metadata.create_all(connection)
    version = connection.execute(sa.select(sa.func.max(event_backend_version.c.version))).scalar_one() or 0
    for number, step in list(enumerate(STEPS, start=1))[version:]:
        step(connection)
        connection.execute(sa.insert(event_backend_version).values(version=number))


def _wait_for_others(connection: sa.Connection) -> None:
    # Two processes that set up at once: the second waits, then finds all done. SQLite's BEGIN IMMEDIATE does the same.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # an index on many events takes its time
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('grouparoo events setup'))"))


def _add_column(connection: sa.Connection, table: sa.Table, column: sa.Column[object]) -> None:
    definition = str(CreateColumn(column).compile(dialect=connection.dialect)).strip()
    connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
