"""A company's own database, as sql apps find it: a second PostgreSQL or MariaDB with a table of customers."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pymysql

from tests.servers import MariaDb, Postgres

PASSWORD = "c4n4ry-of-the-company"
USER = "reader"

CUSTOMERS = """
CREATE TABLE customers (
  id integer PRIMARY KEY,
  email varchar(100),
  plan varchar(20),
  spent decimal(12, 2),
  visits bigint,
  score double precision,
  is_member boolean,
  born date,
  seen timestamp NULL
)
"""
ROWS = (
    (1, "ann@shop.example", "gold", "1234.50", 3, "0.25", True, "1965-05-01", "2026-01-01 10:00:00"),
    (2, "bob@shop.example", "silver", "0.00", 0, "1e3", False, "2001-02-03", "2026-01-02 10:00:00"),
    (3, None, None, None, None, None, None, None, None),
)
INSERT = f"INSERT INTO customers VALUES ({', '.join(['%s'] * 9)})"


class Company:
    """Its database, with a user who has a password and may only read."""

    def __init__(self, url: str, scheme: str) -> None:
        parts = urlsplit(url)
        self.scheme = scheme
        self.port = parts.port or 0
        self.database = parts.path[1:]
        # MariaDB has an anonymous user on localhost, who would come before one of any host.
        self._user = USER if scheme == "postgresql" else f"{USER}@localhost"

    @property
    def app(self) -> dict[str, Any]:
        """The body of the app that leads here."""
        place = {"scheme": self.scheme, "host": "127.0.0.1", "port": self.port, "database": self.database}
        return {"name": "crm", **place, "user": USER, "password": PASSWORD}

    def execute(self, statement: str, rows: object = None) -> list[Any]:
        """What the company does."""
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                if isinstance(rows, list | tuple):
                    cursor.executemany(statement, rows)
                else:
                    cursor.execute(statement)
                found = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return found
        finally:
            connection.close()

    def fill(self) -> "Company":
        """Make the customers, whom the user may read."""
        self.execute(CUSTOMERS)
        self.execute(INSERT, ROWS)
        self.let_read("customers")
        return self

    def let_read(self, table: str) -> None:
        """Give the user the right."""
        self.execute(f"GRANT SELECT ON {table} TO {self._user}")

    def _connect(self) -> Any:
        if self.scheme == "postgresql":
            return psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=self.database)
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", database=self.database, charset="utf8mb4")


def on_postgres(server: Postgres, url: str) -> Company:
    """On this server, whose other users need no password."""
    rule = f"host all {USER} 127.0.0.1/32 scram-sha-256\n"
    file = Path(server.directory) / "data/pg_hba.conf"
    company = Company(url, "postgresql")
    if rule not in file.read_text():
        file.write_text(rule + file.read_text())
        company.execute(f"CREATE USER {USER} PASSWORD '{PASSWORD}'")
        company.execute("SELECT pg_reload_conf()")
    return company.fill()


def on_mariadb(_: MariaDb, url: str) -> Company:
    """On this server."""
    company = Company(url, "mariadb")
    company.execute(f"CREATE USER IF NOT EXISTS {USER}@localhost IDENTIFIED BY '{PASSWORD}'")
    return company.fill()
