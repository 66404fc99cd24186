"""The kinds of databases, each in a module of its own; the same things in the same order in each."""

from collections.abc import Mapping
from types import MappingProxyType

from backends.sql.dialects.base import STATEMENT_TIMEOUT_S, Dialect
from backends.sql.dialects.mysql import Mysql
from backends.sql.dialects.postgresql import Postgresql
from backends.sql.dialects.sqlite import Sqlite

DIALECTS: Mapping[str, Dialect] = MappingProxyType({"mysql": Mysql(), "postgresql": Postgresql(), "sqlite": Sqlite()})
"""By the name that SQLAlchemy has for them; MariaDB is a `mysql` to it."""

__all__ = ["DIALECTS", "STATEMENT_TIMEOUT_S", "Dialect"]
