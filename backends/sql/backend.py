"""SqlBackend: the events in a SQL database."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Self

import psycopg2
import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.base import INTERVALS, Assignment, Association, Cursor, EventBackend, EventQuery, interval_start
from backends.errors import BackendUnavailable, EventsRefused
from backends.event import Event, Timestamp, now
from backends.sql.copy import copy_rows
from backends.sql.engine import is_outage, is_refusal, make_engine, outage_text, reading, writing
from backends.sql.records import (
    DATA_COLUMNS,
    EVENT_COLUMNS,
    UNREADABLE,
    data_lines,
    data_records,
    event_from_row,
    event_line,
    event_record,
)
from backends.sql.rows import among, rows
from backends.sql.tables import canonical_moment, event_data, events, moment_now, sound_moment
from backends.sql.upgrades import upgrade
from backends.sql.walks import distinct, users_of

_PLANNER = {"enable_seqscan": "off"}
"""Every question has its index; before PostgreSQL has gathered statistics it would rather read all the events."""

_ORDER = (events.c.occurred_at, events.c.created_at, events.c.guid)
_CREATED_AT = sa.func.coalesce(sound_moment(events.c.created_at), sa.literal(UNREADABLE, events.c.created_at.type))
_SEEN = (sa.func.coalesce(sound_moment(events.c.occurred_at), _CREATED_AT), _CREATED_AT, events.c.guid)


class SqlBackend(EventBackend):
    """Events in PostgreSQL or SQLite."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name

    @classmethod
    def open(cls, url: str) -> Self:
        return cls(make_engine(url, _PLANNER))

    def setup(self) -> None:
        with self._writing() as connection:
            upgrade(connection)

    def ping(self) -> None:
        with self._reading() as connection:
            connection.execute(sa.select(1))

    def save(self, batch: Sequence[Event]) -> set[str]:
        by_guid = {event.guid: event for event in reversed(batch)}  # the first of a guid counts
        ordered = sorted(by_guid.values())  # in one order in every worker, so that two of them can't deadlock
        stored = None
        while ordered:
            try:
                return self._save_unknown(ordered)
            except EventsRefused as error:
                # Another worker may have stored some of them since `_save_unknown` looked. If not, they are at fault.
                before, stored = stored, self.count(EventQuery(guids=list(by_guid)))
                if stored == before or not isinstance(error.__cause__, sa.exc.IntegrityError):
                    raise
        return set()

    def find_by_guid(self, guid: str) -> Event | None:
        found = self.find(EventQuery(guids=[guid]), limit=1)
        return found[0] if found else None

    def find(self, query: EventQuery, limit: int, after: Cursor | None = None) -> list[Event]:
        statement = self._select(query).order_by(*(column.desc() for column in _ORDER)).limit(limit)
        if after:
            statement = statement.where(sa.tuple_(*_ORDER) < sa.tuple_(*_literals(after)))
        with self._reading() as connection:
            found = [event_from_row(row, {}) for row in connection.execute(statement)]
            data = self._data_of(connection, [event.guid for event in found])
        return [event._replace(data=data.get(event.guid, {})) for event in found]

    def count(self, query: EventQuery, at_most: int | None = None) -> int:
        selected = self._select(query).with_only_columns(events.c.guid).limit(at_most).subquery()
        with self._reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(selected)).scalar_one()

    def volume(self, query: EventQuery, interval: str) -> dict[Timestamp, int]:
        start = sa.func.substr(canonical_moment(events.c.occurred_at), 1, INTERVALS[interval]).label("start")
        counted = self._select(query).with_only_columns(start, sa.func.count().label("count")).group_by(sa.text("1"))
        with self._reading() as connection:
            return {interval_start(row[0], interval): row[1] for row in connection.execute(counted) if row[0]}

    def types(self) -> list[str]:
        with self._reading() as connection:
            return list(connection.execute(distinct(events.c.type)).scalars())

    def data_keys(self, type: str) -> list[str]:
        newest = sa.select(events.c.guid).where(events.c.type == type).order_by(events.c.occurred_at.desc()).limit(1000)
        keys = sa.select(event_data.c.key).where(event_data.c.event_guid.in_(newest.subquery().select())).distinct()
        with self._reading() as connection:
            return sorted(connection.execute(keys).scalars())

    def unassociated(self, limit: int, min_age_s: float) -> list[Event]:
        created_at = sound_moment(events.c.created_at)
        old_enough = sa.or_(created_at <= self._seconds_ago(min_age_s), created_at.is_(None))
        statement = (
            sa.select(events)
            .where(events.c.profile_associated_at.is_(None), old_enough)
            .order_by(events.c.created_at)
            .limit(limit)
        )
        with self._reading() as connection:
            return [event_from_row(row, {}) for row in connection.execute(statement)]

    def associate(self, associations: Iterable[Association]) -> set[str]:
        found = rows(self.dialect, "found", Association._fields, associations)
        waiting = events.c.profile_associated_at.is_(None)
        mine = _locked(sa.select(found).join(events, events.c.guid == found.c.guid).where(waiting).order_by(events.c.guid))
        statement = (
            sa.update(events)
            .where(events.c.guid == mine.c.guid, waiting)
            .values(
                profile_guid=mine.c.profile_guid,
                user_id=mine.c.user_id,
                anonymous_id=mine.c.anonymous_id,
                occurred_at=_SEEN[0],
                created_at=_SEEN[1],
                updated_at=moment_now(),
                profile_associated_at=moment_now(),
            )
            .returning(events.c.guid)
        )
        with self._writing() as connection:
            return set(connection.execute(statement).scalars())

    def reassign(self, assignments: Iterable[Assignment], limit: int) -> int:
        moved = 0
        for selected in self._selections(assignments):
            elsewhere = events.c.profile_guid.is_distinct_from(sa.column("to_profile"))
            looked_at = events.c.profile_associated_at.is_not(None)
            target = _locked(selected.where(elsewhere, looked_at).limit(limit - moved))
            statement = (
                sa.update(events)
                .where(events.c.guid == target.c.guid)
                .values(profile_guid=target.c.to_profile, updated_at=moment_now())
                .returning(events.c.guid)
            )
            with self._writing() as connection:
                moved += len(connection.execute(statement).all())
            if moved >= limit:
                break
        return moved

    def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        device = rows(self.dialect, "device", ["id"], ((value,) for value in anonymous_ids))
        pairs = users_of(device)
        earliest = [
            sa.select(column)
            .where(
                events.c.anonymous_id == pairs.c.anonymous_id,
                events.c.user_id == pairs.c.user_id,
                events.c.profile_associated_at.is_not(None),
            )
            .order_by(*_ORDER)
            .limit(1)
            .scalar_subquery()
            for column in _SEEN
        ]
        statement = sa.select(pairs.c.anonymous_id, pairs.c.user_id, *earliest).where(pairs.c.user_id.is_not(None))
        with self._reading() as connection:
            return {(row[0], row[1]): f"{row[2]} {row[3]} {row[4]}" for row in connection.execute(statement) if row[4]}

    def delete(self, assignments: Iterable[Assignment], limit: int, created_until: Timestamp | None = None) -> int:
        deleted = 0
        for selected in self._selections(assignments):
            if created_until is not None:
                selected = selected.where(_CREATED_AT < created_until)
            with self._writing() as connection:
                doomed = list(connection.execute(selected.limit(limit - deleted)).scalars())
                self._delete(connection, doomed)
            deleted += len(doomed)
            if deleted >= limit:
                break
        return deleted

    def discard(self, guids: Sequence[str]) -> None:
        if guids:
            with self._writing() as connection:
                self._delete(connection, guids)

    def identifiers(self, limit: int, after: tuple[str, str] | None = None) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        with self._reading() as connection:
            for kind, column in (("anonymous", events.c.anonymous_id), ("user", events.c.user_id)):
                if after and after[0] > kind:
                    continue
                start = after[1] if after and after[0] == kind else None
                statement = distinct(column, start, events.c.profile_associated_at.is_not(None)).limit(limit - len(found))
                found += [(kind, value) for value in connection.execute(statement).scalars()]
                if len(found) >= limit:
                    break
        return found

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _translated(), writing(self.engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _translated(), reading(self.engine) as connection:
            yield connection

    def _save_unknown(self, ordered: Sequence[Event]) -> set[str]:
        with self._writing() as connection:
            known = self._known(connection, [event.guid for event in ordered])
            fresh = [event for event in ordered if event.guid not in known]
            if fresh:
                self._insert(connection, fresh)
        return {event.guid for event in fresh}

    def _known(self, connection: sa.Connection, guids: Iterable[str]) -> set[str]:
        return set(connection.execute(sa.select(events.c.guid).where(among(self.dialect, events.c.guid, guids))).scalars())

    def _insert(self, connection: sa.Connection, fresh: Sequence[Event]) -> None:
        moment = now()
        if self.dialect == "postgresql":
            copy_rows(connection, events, EVENT_COLUMNS, (event_line(event, moment) for event in fresh))
            copy_rows(connection, event_data, DATA_COLUMNS, data_lines(fresh))
        else:
            connection.execute(sa.insert(events), [event_record(event, moment) for event in fresh])
            if records := data_records(fresh):
                connection.execute(sa.insert(event_data), records)

    def _delete(self, connection: sa.Connection, guids: Sequence[str]) -> None:
        connection.execute(sa.delete(event_data).where(among(self.dialect, event_data.c.event_guid, guids)))
        connection.execute(sa.delete(events).where(among(self.dialect, events.c.guid, guids)))

    def _select(self, query: EventQuery) -> Select[Any]:
        statement = sa.select(events)
        for name in ("type", "profile_guid", "user_id", "anonymous_id"):
            if (value := getattr(query, name)) is not None:
                statement = statement.where(events.c[name] == value)
        if query.guids is not None:
            statement = statement.where(among(self.dialect, events.c.guid, query.guids))
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

    def _data_of(self, connection: sa.Connection, guids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        if guids:
            statement = sa.select(event_data).where(among(self.dialect, event_data.c.event_guid, guids))
            for row in connection.execute(statement.order_by(event_data.c.event_guid, event_data.c.key)):
                found.setdefault(row.event_guid, {})[row.key] = row.value
        return found

    def _seconds_ago(self, seconds: float) -> sa.ColumnElement[Any]:
        if self.dialect == "postgresql":
            return sa.func.clock_timestamp() - sa.cast(f"{seconds} seconds", sa.Interval)
        return sa.func.strftime("%Y-%m-%dT%H:%M:%fZ", "now", f"-{seconds} seconds")

    def _selections(self, assignments: Iterable[Assignment]) -> Iterator[Select[Any]]:
        """Per kind of id: the guid of each selected event, and the profile it is assigned to."""
        by_kind: dict[str, list[Assignment]] = {"user_id": [], "anonymous_id": []}
        for assignment in assignments:
            by_kind["user_id" if assignment.user_id is not None else "anonymous_id"].append(assignment)
        for kind, some in by_kind.items():
            if some:
                yield self._selection(kind, some)

    def _selection(self, kind: str, assignments: Sequence[Assignment]) -> Select[Any]:
        columns = ["to_profile", "id", "since_0", "since_1", "since_2", "until_0", "until_1", "until_2"]
        records = [_assignment_record(kind, one) for one in assignments]
        records.sort(key=lambda record: [field or "" for field in record])
        assigned = rows(self.dialect, "assigned", columns, records)
        since = [_moment(assigned.c.since_0, self.dialect), _moment(assigned.c.since_1, self.dialect), assigned.c.since_2]
        until = [_moment(assigned.c.until_0, self.dialect), _moment(assigned.c.until_1, self.dialect), assigned.c.until_2]
        statement = (
            sa.select(events.c.guid, assigned.c.to_profile)
            .select_from(assigned.join(events, events.c[kind] == assigned.c.id))
            .where(sa.or_(assigned.c.since_0.is_(None), sa.tuple_(*_SEEN) >= sa.tuple_(*since)))
            .where(sa.or_(assigned.c.until_0.is_(None), sa.tuple_(*_SEEN) < sa.tuple_(*until)))
        )
        return statement.where(self._filter_only(events.c.user_id).is_(None)) if kind == "anonymous_id" else statement

    def _filter_only(self, column: sa.Column[str]) -> sa.ColumnElement[str]:
        """The column where it shall not choose the index: SQLite takes IS NULL for rare (its manual, "unary +")."""
        return sa.literal_column(f"+events.{column.name}", column.type) if self.dialect == "sqlite" else column


@contextmanager
def _translated() -> Iterator[None]:
    """The one door where the drivers' errors become ours."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        _raise_ours(error)
    except psycopg2.Error as error:  # COPY goes past SQLAlchemy
        wrapped = sa.exc.DBAPIError.instance("COPY", {}, error, psycopg2.Error)
        assert isinstance(wrapped, sa.exc.DBAPIError)
        _raise_ours(wrapped)
    except sa.exc.TimeoutError as error:
        raise BackendUnavailable(str(error)) from error
    except ValueError as error:  # the drivers' word for text that can't be sent: NUL, half a surrogate pair
        raise EventsRefused(str(error)) from error


def _raise_ours(error: sa.exc.DBAPIError) -> NoReturn:
    if is_outage(error):
        raise BackendUnavailable(outage_text(error)) from error
    if is_refusal(error):
        raise EventsRefused(str(error.orig).strip()) from error
    raise error


def _assignment_record(kind: str, assignment: Assignment) -> list[str | None]:
    since = assignment.since.split(" ", 2) if assignment.since else [None] * 3
    until = assignment.until.split(" ", 2) if assignment.until else [None] * 3
    return [assignment.profile_guid, getattr(assignment, kind), *since, *until]


def _literals(cursor: Cursor) -> list[Any]:
    return [sa.bindparam(None, value, type_=column.type) for value, column in zip(cursor, _ORDER, strict=True)]


def _moment(text: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    return sa.cast(text, events.c.occurred_at.type) if dialect == "postgresql" else text


def _locked(selected: Select[Any]) -> sa.CTE:
    """The rows of `events` that `selected` finds, held against other writers, in an order that they keep to as well."""
    return selected.with_for_update(of=events).cte("locked")
