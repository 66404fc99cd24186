"""MySQL and MariaDB commit each change of a table by itself: a migration that broke off must be able to run again."""

from typing import Any

import sqlalchemy as sa
from alembic.ddl.mysql import MySQLImpl

IS_DONE = {1050, 1060, 1061, 1051, 1091}
"""MySQL's errors when a table, column or index is there already; when what shall be dropped is not there any more."""


class RepeatableMySQL(MySQLImpl):
    """Alembic's way of changing MySQL, but it passes over what was done before."""

    __dialect__ = "mysql"

    def create_table(self, table: sa.Table, **options: Any) -> None:
        """Make the table, unless it is there with just these columns."""
        super().create_table(table, **options)
        columns = {column["name"] for column in sa.inspect(self.connection).get_columns(table.name)}
        if columns != {column.name for column in table.columns}:
            raise sa.exc.InvalidRequestError(f"there is another table {table.name}: choose a database of its own")

    def _exec(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._exec(*arguments, **options)
        except sa.exc.DBAPIError as error:
            if error.orig is None or error.orig.args[0] not in IS_DONE:
                raise
            return None
