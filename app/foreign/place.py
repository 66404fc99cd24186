"""Place: where an sql app's database is, and how to get in. Neither its text nor its errors ever show that."""

from dataclasses import dataclass, field

PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "sqlite": 0}
"""The schemes that there are, with their usual ports; `sqlite`, a file of this machine, only where a setting allows it."""

SSLMODES = ("disable", "prefer", "require", "verify-full")
"""PostgreSQL's words, of which `verify-full` alone knows whom it talks to; MySQL and MariaDB are treated in the same way."""


@dataclass(frozen=True)
class Place:
    """A database, named by its app wherever something is said of it."""

    app: str
    scheme: str
    host: str = field(repr=False)
    port: int = field(repr=False)
    database: str = field(repr=False)
    sslmode: str = "prefer"
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


class AppUnavailable(Exception):
    """Raised when an app's database can't be asked, or not for this; the message names the app, never where it is.

    `field` is what of the app, or of the source, has to be looked at.
    """

    def __init__(self, app: str, problem: str, field: str = "host") -> None:
        super().__init__(f"the app {app!r} {problem}")
        self.field = field
