"""The seed's tables, `events` and `event_data`, and the types that make ids and times the same on every database."""

from typing import Any

import sqlalchemy as sa

from backends.event import MAX_ID_LENGTH
from backends.sql.dialects import DIALECTS
from backends.sql.expressions import canonical_moment, default_now, random_guid

metadata = sa.MetaData()


class Id(sa.types.TypeDecorator[str]):
    """Text that is compared and sorted exactly, by code point."""

    impl = sa.String
    length = MAX_ID_LENGTH
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return DIALECTS[dialect.name].exact_text(self.length, dialect)


class Seen(Id):
    """`Event.seen`: two Timestamps and a guid."""

    length = 2 * 25 + MAX_ID_LENGTH
    cache_ok = True


class Address(Id):
    """An IP address."""

    length = 45
    cache_ok = True


class LongText(sa.types.TypeDecorator[str]):
    """Text of any length, compared exactly."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return DIALECTS[dialect.name].exact_text(None, dialect)


class Moment(sa.types.TypeDecorator[str]):
    """A `Timestamp`: text to Python, in the database whatever it has for moments, to the millisecond."""

    impl = sa.String(24)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return DIALECTS[dialect.name].moment()

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Read as canonical text whatever a person wrote; what is no moment (or infinity) reads as NULL."""
        return canonical_moment(column)


events = sa.Table(
    "events",
    metadata,
    sa.Column("guid", Id, primary_key=True, server_default=random_guid("evt_")),
    sa.Column("message_id", Id),
    sa.Column("producer_guid", Id),
    sa.Column("profile_guid", Id),
    sa.Column("ip_address", Address),
    sa.Column("type", Id, nullable=False),
    sa.Column("user_id", Id),
    sa.Column("anonymous_id", Id),
    sa.Column("occurred_at", Moment, server_default=default_now()),
    sa.Column("profile_associated_at", Moment),
    sa.Column("created_at", Moment, nullable=False, server_default=default_now()),
    sa.Column("updated_at", Moment, nullable=False, server_default=default_now()),
)

event_data = sa.Table(
    "event_data",
    metadata,
    sa.Column("guid", Id, nullable=False, server_default=random_guid("edt_")),
    # Clustered by event: reading an event's data and refusing a repeated row need no index beside this one.
    sa.Column("event_guid", Id, primary_key=True),
    sa.Column("key", Id, primary_key=True),
    sa.Column("value", LongText, nullable=False),
)

event_backend_version = sa.Table(
    "event_backend_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reached_at", Moment, nullable=False, server_default=default_now()),
)

_WITH_PARTS = ("postgresql", "sqlite")
"""Databases that index a part of the rows, and sort what comes sorted by its first columns only where that has to be.

Of the others each gets the columns of the whole order, and rows that nobody looked at stand together at the index's start.
"""


def _index(name: str, *columns: sa.Column[Any]) -> None:
    sa.Index(name, *columns).ddl_if(dialect=_WITH_PARTS)  # type: ignore[arg-type]  # it takes several
    sa.Index(name, *columns, events.c.created_at).ddl_if(dialect="mysql")


_index("events_by_time", events.c.occurred_at)
_index("events_by_type", events.c.type, events.c.occurred_at)
_index("events_by_profile", events.c.profile_guid, events.c.occurred_at)
_index("events_by_user", events.c.user_id, events.c.occurred_at)
_index("events_by_device", events.c.anonymous_id, events.c.user_id, events.c.occurred_at)

_not_looked_at = events.c.profile_associated_at.is_(None)
sa.Index(
    "events_not_looked_at",
    events.c.created_at,
    postgresql_where=_not_looked_at,
    sqlite_where=_not_looked_at,
).ddl_if(dialect=_WITH_PARTS)  # type: ignore[arg-type]  # it takes several
sa.Index("events_not_looked_at", events.c.profile_associated_at, events.c.created_at).ddl_if(dialect="mysql")
