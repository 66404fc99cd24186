"""Drivers: one for each kind of foreign database."""

from app.foreign.drivers.base import Driver, Kind, Problem
from app.foreign.drivers.mysql import Mysql
from app.foreign.drivers.postgresql import Postgresql
from app.foreign.drivers.sqlite import Sqlite

DRIVERS: dict[str, Driver] = {"postgresql": Postgresql(), "mysql": Mysql(), "mariadb": Mysql(), "sqlite": Sqlite()}
"""By scheme."""

__all__ = ["DRIVERS", "Driver", "Kind", "Problem"]
