"""Engines and transactions as this project wants them, for the backend and for the app's own database alike."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from backends.sql.dialects import DIALECTS, Dialect
from backends.sql.dialects.base import transaction

SYNONYMS = {"postgres": "postgresql", "mariadb": "mysql", "mariadb+pymysql": "mysql"}
"""Heroku's word for PostgreSQL; a MariaDB server is found out by asking it."""

KNOWN = ("postgresql", "mariadb", "mysql", "sqlite")


def database_url(text: str) -> URL:
    """The URL with the driver that this project ships with; Heroku's `postgres://` is understood.

    Raises ValueError, without the password, when it can't be read.
    """
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        raise ValueError("not a database URL; it should look like postgresql://user@host/database or sqlite:///file") from None
    if "@" in (url.host or ""):
        raise ValueError("a URL with an '@' in its user or password: write it as %40")
    name = SYNONYMS.get(url.drivername, url.drivername)
    if name.partition("+")[0] not in DIALECTS:
        raise ValueError(f"a URL of a database that this does not know: take one of {', '.join(KNOWN)}")
    return url.set(drivername=DIALECTS[name].driver if name in DIALECTS else name)


def dialect_of(bind: sa.Engine | sa.Connection) -> Dialect:
    """How this database does things."""
    return DIALECTS[bind.dialect.name]


def engine_options(url: URL, settings: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What `create_engine` is given for this kind of database; `settings` are PostgreSQL's, for each of its sessions."""
    return {"hide_parameters": True, **DIALECTS[url.get_backend_name()].engine_options(url, settings)}


def make_engine(text: str, settings: Mapping[str, str] = MappingProxyType({})) -> sa.Engine:
    """An engine for the URL; connects when it is first used."""
    url = database_url(text)
    engine = sa.create_engine(url, **engine_options(url, settings))
    prepare_engine(engine)
    return engine


def prepare_engine(engine: sa.Engine) -> None:
    """What an engine of this kind of database needs beyond its options."""
    dialect_of(engine).prepare(engine)


@contextmanager
def reading(engine: sa.Engine, at_one_moment: bool = False) -> Iterator[sa.Connection]:
    """A transaction that only reads: on SQLite it waits for no writer. All its questions can be answered as of one moment."""
    level = dialect_of(engine).snapshot if at_one_moment else None
    with (engine.execution_options(isolation_level=level) if level else engine).begin() as connection:
        yield connection


def writing(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """A transaction that writes, whatever it reads before: on SQLite it waits its turn at the start."""
    return transaction(engine)


def upgrading(engine: sa.Engine, what: str) -> AbstractContextManager[sa.Connection]:
    """A connection that changes tables, for as long as it takes; who else upgrades `what` waits, then finds all done."""
    return dialect_of(engine).upgrading(engine, what)


def is_outage(error: sa.exc.DBAPIError) -> bool:
    """Whether the database was away, full, too busy or not made ready, rather than displeased with what it was given."""
    return _speaker(error).is_outage(error)


def outage_text(error: sa.exc.DBAPIError) -> str:
    """What is wrong with the database, in its own words where these can't quote what it was given; for logs."""
    return _speaker(error).outage_text(error)


def is_refusal(error: sa.exc.DBAPIError) -> bool:
    """Whether the database will never take what it was given."""
    return _speaker(error).is_refusal(error)


def is_deadlock(error: sa.exc.DBAPIError) -> bool:
    """Whether the database chose our transaction to end a deadlock: it may be done again at once."""
    return _speaker(error).is_deadlock(error)


def _speaker(error: sa.exc.DBAPIError) -> Dialect:
    """The database whose driver says so."""
    driver = type(error.orig).__module__.partition(".")[0]
    return next((one for one in DIALECTS.values() if one.module == driver), DIALECTS["postgresql"])
