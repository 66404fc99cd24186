"""What properties rest on: apps, sources and rules, the values, and which of them are to be computed again (05-properties)."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import JSON, BigInteger, Boolean, Double, Index, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Moment, db
from backends.event import now


class App(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A place that data come from: `events` is built in, `sql` is a database of the company's.

    `options` are what may be shown; `credentials` how to get in, encrypted.
    """

    __tablename__ = "apps"

    guid: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    credentials: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(Moment)
    updated_at: Mapped[str] = mapped_column(Moment)


EVENTS_APP = "app_events"
"""The guid of the built-in app: the events themselves."""


@sa.event.listens_for(App.__table__, "after_create")
def _add_events_app(table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    moment = now()
    values = {"guid": EVENTS_APP, "name": "events", "kind": "events", "options": {}}
    connection.execute(sa.insert(table).values(**values, created_at=moment, updated_at=moment))


class Source(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A selection in an app: of events those of one type, else a table, or a query, and its column with the userId."""

    __tablename__ = "sources"
    __table_args__ = (Index("sources_by_app", "app_guid"), Index("sources_by_type", "event_type"))

    guid: Mapped[str] = mapped_column(primary_key=True)
    app_guid: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    event_type: Mapped[str | None]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(Moment)
    updated_at: Mapped[str] = mapped_column(Moment)


class PropertyRule(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """How one property of every profile is derived from a source.

    `version` grows with each change. `backfilled_to` is the last profile, in order of guids, that it was computed for since;
    when all are done `backfilled_at` says when. `swept_to` is up to when events have left a moving window.
    """

    __tablename__ = "property_rules"
    __table_args__ = (Index("property_rules_by_source", "source_guid"),)

    guid: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    is_unique: Mapped[bool] = mapped_column(Boolean)
    is_array: Mapped[bool] = mapped_column(Boolean)
    source_guid: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    filters: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    origin: Mapped[str]
    version: Mapped[int] = mapped_column(Integer, default=1)
    backfilled_to: Mapped[str] = mapped_column(default="")
    backfilled_profiles: Mapped[int] = mapped_column(BigInteger, default=0)
    backfilled_at: Mapped[str | None] = mapped_column(Moment)
    swept_to: Mapped[str | None] = mapped_column(Moment)
    created_at: Mapped[str] = mapped_column(Moment)
    updated_at: Mapped[str] = mapped_column(Moment)


class Trait(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A data key of `identify`, or `group`, events that was seen. A rule was made of it then, or somebody had one: once, so
    that a rule that is deleted does not come back with the next event."""

    __tablename__ = "traits"

    event_type: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[str] = mapped_column(Moment)


class Property(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """The value of a rule on a profile, as JSON and in columns to look for it by.

    `unique_value` is set where the rule is unique and the value this profile's; where it is another's, `conflict` names that.
    `computed_at` is when the computation began: what began later wins. Without a value the row only says that.
    """

    __tablename__ = "properties"
    __table_args__ = (
        UniqueConstraint("rule_guid", "unique_value", name="properties_unique"),
        Index("properties_by_text", "rule_guid", "text_value", "profile_guid"),
        Index("properties_by_number", "rule_guid", "number_value", "profile_guid"),
        Index("properties_in_conflict", "rule_guid", "conflict"),
    )

    profile_guid: Mapped[str] = mapped_column(primary_key=True)
    rule_guid: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    text_value: Mapped[str | None]
    number_value: Mapped[float | None] = mapped_column(Double)
    unique_value: Mapped[str | None]
    conflict: Mapped[str | None]
    left_out: Mapped[int] = mapped_column(Integer)
    computed_at: Mapped[str] = mapped_column(Moment)


class Refresh(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """The properties of this profile that come from this source (empty: from any) are to be computed again.

    `version` grows with each reason; it is 0 when there is none: then the row only says until when the next one has to wait.
    `reached` is the last rule, in order of guids, that was computed since `begun`, the version at which that began;
    `cost_ms` is what it took so far.
    """

    __tablename__ = "refreshes"
    __table_args__ = (Index("refreshes_in_order", "due_at"),)

    profile_guid: Mapped[str] = mapped_column(primary_key=True)
    source_guid: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    begun: Mapped[int | None] = mapped_column(Integer)
    reached: Mapped[str] = mapped_column(default="")
    cost_ms: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[str] = mapped_column(Moment)
    taken_until: Mapped[str | None] = mapped_column(Moment)
