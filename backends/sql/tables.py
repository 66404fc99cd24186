"""The seed's tables, `events` and `event_data`, and the types that make ids and times the same on every database."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles

from backends.event import MAX_ID_LENGTH

metadata = sa.MetaData()


class Id(sa.types.TypeDecorator[str]):
    """Text that is compared and sorted exactly, by code point."""

    impl = sa.String
    length = MAX_ID_LENGTH
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """PostgreSQL compares by the database's locale unless it is told not to; SQLite compares bytes."""
        return sa.String(self.length, collation="C" if dialect.name == "postgresql" else None)


class Seen(Id):
    """`Event.seen`: two Timestamps and a guid."""

    length = 2 * 25 + MAX_ID_LENGTH
    cache_ok = True


class Moment(sa.types.TypeDecorator[str]):
    """A `Timestamp`: text to Python, on PostgreSQL a timestamptz of milliseconds, on SQLite the same text."""

    impl = sa.String(24)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return postgresql.TIMESTAMP(timezone=True, precision=3)
        return sa.String(24)

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Read as canonical text whatever a person wrote; what is no moment (or infinity) reads as NULL."""
        return canonical_moment(column)


class sound_moment(sa.sql.functions.GenericFunction[str]):
    """A moment that a person may have written, as a Moment should be stored; NULL if a Timestamp can't say it."""

    type = Moment()
    inherit_cache = True


@compiles(sound_moment, "postgresql")
def _sound_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    argument = compiler.process(element.clauses, **options)
    return f"CASE WHEN {argument} BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999Z' THEN {argument} END"


@compiles(sound_moment, "sqlite")
def _sound_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {compiler.process(element.clauses, **options)})"


class canonical_moment(sa.sql.functions.GenericFunction[str]):
    """A stored moment as `Timestamp` text, or NULL."""

    type = sa.String()
    inherit_cache = True


@compiles(canonical_moment, "postgresql")
def _canonical_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    argument = _sound_on_postgresql(element, compiler, **options)
    return f"to_char(({argument}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"


@compiles(canonical_moment, "sqlite")
def _canonical_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return _sound_on_sqlite(element, compiler, **options)


class moment_now(sa.sql.functions.GenericFunction[str]):
    """The database's own clock, as it is stored in a Moment."""

    type = Moment()
    inherit_cache = True


@compiles(moment_now, "postgresql")
def _now_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return "clock_timestamp()"


@compiles(moment_now, "sqlite")
def _now_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


class random_guid(sa.sql.functions.GenericFunction[str]):
    """A prefix and a UUIDv4 made by the database, for people who write SQL."""

    type = sa.String()
    inherit_cache = True


@compiles(random_guid, "postgresql")
def _guid_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(element.clauses, literal_binds=True)} || gen_random_uuid()"


@compiles(random_guid, "sqlite")
def _guid_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    prefix = compiler.process(element.clauses, literal_binds=True)
    return (
        f"({prefix} || lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)"
        " || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
    )


class parenthesised_now(moment_now):
    """`moment_now` as a column's default: SQLite wants an expression in parentheses."""

    inherit_cache = True


@compiles(parenthesised_now, "sqlite")
def _default_now_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"({_now_on_sqlite(element, compiler)})"


@compiles(parenthesised_now, "postgresql")
def _default_now_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return "clock_timestamp()"


events = sa.Table(
    "events",
    metadata,
    sa.Column("guid", Id, primary_key=True, server_default=random_guid("evt_")),
    sa.Column("message_id", Id),
    sa.Column("producer_guid", Id),
    sa.Column("profile_guid", Id),
    sa.Column("ip_address", sa.String(45)),
    sa.Column("type", Id, nullable=False),
    sa.Column("user_id", Id),
    sa.Column("anonymous_id", Id),
    sa.Column("occurred_at", Moment, server_default=parenthesised_now()),
    sa.Column("profile_associated_at", Moment),
    sa.Column("created_at", Moment, nullable=False, server_default=parenthesised_now()),
    sa.Column("updated_at", Moment, nullable=False, server_default=parenthesised_now()),
)

event_data = sa.Table(
    "event_data",
    metadata,
    sa.Column("guid", Id, nullable=False, server_default=random_guid("edt_")),
    # Clustered by event: reading an event's data and refusing a repeated row need no index beside this one.
    sa.Column("event_guid", Id, primary_key=True),
    sa.Column("key", Id, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

event_backend_version = sa.Table(
    "event_backend_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reached_at", Moment, nullable=False, server_default=parenthesised_now()),
)

_not_looked_at = events.c.profile_associated_at.is_(None)

sa.Index("events_by_time", events.c.occurred_at)
sa.Index("events_by_type", events.c.type, events.c.occurred_at)
sa.Index("events_by_profile", events.c.profile_guid, events.c.occurred_at)
sa.Index("events_by_user", events.c.user_id, events.c.occurred_at)
sa.Index("events_by_device", events.c.anonymous_id, events.c.user_id, events.c.occurred_at)
sa.Index(
    "events_not_looked_at",
    events.c.created_at,
    postgresql_where=_not_looked_at,
    sqlite_where=_not_looked_at,
)
