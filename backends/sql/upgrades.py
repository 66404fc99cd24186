"""The steps that bring the tables of any earlier version to today's, in place.

All in one transaction, but for MySQL and MariaDB, where each change commits by itself: there a step may have to be taken
again from its middle.
"""

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
    metadata.create_all(connection)
    version = connection.execute(sa.select(sa.func.max(event_backend_version.c.version))).scalar_one() or 0
    for number, step in list(enumerate(STEPS, start=1))[version:]:
        step(connection)
        connection.execute(sa.insert(event_backend_version).values(version=number))


def _add_column(connection: sa.Connection, table: sa.Table, column: sa.Column[object]) -> None:
    definition = str(CreateColumn(column).compile(dialect=connection.dialect)).strip()
    connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
