"""Which events: a query, an assignment or a place in a list, as SQL."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.base import Assignment, Cursor, EventQuery
from backends.sql.dialects import Dialect
from backends.sql.expressions import filter_only, moment_of_text, sound_moment
from backends.sql.records import UNREADABLE
from backends.sql.rows import among, rows
from backends.sql.tables import event_data, events

ORDER = (events.c.occurred_at, events.c.created_at, events.c.guid)
"""The order of time, of which none is equal to another."""

CREATED_AT = sa.func.coalesce(sound_moment(events.c.created_at), moment_of_text(UNREADABLE))
SEEN = (sa.func.coalesce(sound_moment(events.c.occurred_at), CREATED_AT), CREATED_AT, events.c.guid)
"""The parts of `Event.seen`, sound whatever a person wrote."""


def select_events(dialect: str, query: EventQuery) -> Select[Any]:
    """The events that the query asks for."""
    statement = sa.select(events)
    for name in ("type", "profile_guid", "user_id", "anonymous_id"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(events.c[name] == value)
    if query.guids is not None:
        statement = statement.where(among(dialect, events.c.guid, query.guids))
        statement = statement.with_hint(events, "FORCE INDEX (PRIMARY)", "mysql")  # it would rather walk in order
    if query.since is not None:
        statement = statement.where(events.c.occurred_at >= query.since)
    if query.until is not None:
        statement = statement.where(events.c.occurred_at < query.until)
    for claim, column in ((query.associated, events.c.profile_guid), (query.looked_at, events.c.profile_associated_at)):
        if claim is not None:
            statement = statement.where(column.is_not(None) if claim else column.is_(None))
    for key, value in query.data.items():
        here = sa.and_(event_data.c.event_guid == events.c.guid, event_data.c.key == key, event_data.c.value == value)
        statement = statement.where(sa.exists().where(here))
    return statement


def is_behind(dialect: Dialect, cursor: Cursor) -> sa.ColumnElement[bool]:
    """Whether an event comes after that place in a list that is newest first."""
    place = [sa.bindparam(None, value, type_=column.type) for value, column in zip(cursor, ORDER, strict=True)]
    return dialect.is_before(ORDER, place)


def selections(dialect: str, assignments: Iterable[Assignment]) -> Iterator[Select[Any]]:
    """Per kind of id: the guid of each selected event, and the profile it is assigned to."""
    by_kind: dict[str, list[Assignment]] = {"user_id": [], "anonymous_id": []}
    for assignment in assignments:
        by_kind["user_id" if assignment.user_id is not None else "anonymous_id"].append(assignment)
    for kind, some in by_kind.items():
        if some:
            yield _selection(dialect, kind, some)


def _selection(dialect: str, kind: str, assignments: Sequence[Assignment]) -> Select[Any]:
    columns = ["to_profile", "id", "since_0", "since_1", "since_2", "until_0", "until_1", "until_2"]
    records = [_assignment_record(kind, one) for one in assignments]
    records.sort(key=lambda record: [field or "" for field in record])
    assigned = rows(dialect, "assigned", columns, records)
    since = [moment_of_text(assigned.c.since_0), moment_of_text(assigned.c.since_1), assigned.c.since_2]
    until = [moment_of_text(assigned.c.until_0), moment_of_text(assigned.c.until_1), assigned.c.until_2]
    statement = (
        sa.select(events.c.guid, assigned.c.to_profile)
        .select_from(assigned.join(events, events.c[kind] == assigned.c.id))
        .where(sa.or_(assigned.c.since_0.is_(None), sa.tuple_(*SEEN) >= sa.tuple_(*since)))
        .where(sa.or_(assigned.c.until_0.is_(None), sa.tuple_(*SEEN) < sa.tuple_(*until)))
    )
    return statement.where(filter_only(events.c.user_id).is_(None)) if kind == "anonymous_id" else statement


def _assignment_record(kind: str, assignment: Assignment) -> list[str | None]:
    since = assignment.since.split(" ", 2) if assignment.since else [None] * 3
    until = assignment.until.split(" ", 2) if assignment.until else [None] * 3
    return [assignment.profile_guid, getattr(assignment, kind), *since, *until]


def earliest(pairs: sa.FromClause) -> list[sa.ScalarSelect[Any]]:
    """The parts of the least `seen` of each pair of ids."""
    together = (
        events.c.anonymous_id == pairs.c.anonymous_id,
        events.c.user_id == pairs.c.user_id,
        events.c.profile_associated_at.is_not(None),
    )
    return [sa.select(column).where(*together).order_by(*ORDER).limit(1).scalar_subquery() for column in SEEN]
