"""SqlBackend: the events in a SQL database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.selectable import Select

from backends.aggregation import Aggregate, Measure
from backends.base import INTERVALS, Assignment, Association, Cursor, EventBackend, EventQuery, Move, interval_start
from backends.errors import EventsRefused
from backends.event import Event, Timestamp, now
from backends.sql.aggregates import aggregate
from backends.sql.changing import change
from backends.sql.copy import copy_rows
from backends.sql.engine import dialect_of, make_engine, reading, upgrading, writing
from backends.sql.expressions import canonical_moment, moment_now, seconds_ago, sound_moment
from backends.sql.records import (
    DATA_COLUMNS,
    EVENT_COLUMNS,
    data_lines,
    data_records,
    event_from_row,
    event_line,
    event_record,
)
from backends.sql.rows import among, rows
from backends.sql.selecting import CREATED_AT, ORDER, SEEN, earliest, is_behind, select_events, selections
from backends.sql.tables import event_data, events
from backends.sql.translation import Deadlock, translated
from backends.sql.upgrades import upgrade
from backends.sql.walks import distinct, users_of

_PLANNER = {"enable_seqscan": "off"}
"""Every question has its index; before PostgreSQL has gathered statistics it would rather read all the events."""

T = TypeVar("T")
_ATTEMPTS = 20

_KEY = [events.c.guid]


class SqlBackend(EventBackend):
    """Events in PostgreSQL, MariaDB, MySQL or SQLite."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._own = dialect_of(engine)

    @classmethod
    def open(cls, url: str) -> Self:
        return cls(make_engine(url, _PLANNER))

    def setup(self) -> None:
        with translated(), upgrading(self.engine, "grouparoo events setup") as connection:
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
        statement = select_events(self.dialect, query).order_by(*(column.desc() for column in ORDER)).limit(limit)
        if after:
            statement = statement.where(is_behind(self._own, after))
        with self._reading() as connection:
            found = [event_from_row(row, {}) for row in connection.execute(statement)]
            data = self._data_of(connection, [event.guid for event in found])
        return [event._replace(data=data.get(event.guid, {})) for event in found]

    def count(self, query: EventQuery, at_most: int | None = None) -> int:
        selected = select_events(self.dialect, query).with_only_columns(events.c.guid).limit(at_most).subquery()
        with self._reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(selected)).scalar_one()

    def volume(self, query: EventQuery, interval: str) -> dict[Timestamp, int]:
        start = sa.func.substr(canonical_moment(events.c.occurred_at), 1, INTERVALS[interval]).label("start")
        selected = select_events(self.dialect, query)
        counted = selected.with_only_columns(start, sa.func.count().label("count")).group_by(sa.text("1"))
        with self._reading() as connection:
            return {interval_start(row[0], interval): row[1] for row in connection.execute(counted) if row[0]}

    def types(self) -> list[str]:
        with self._reading() as connection:
            return distinct(connection, events.c.type)

    def data_keys(self, type: str) -> list[str]:
        newest = sa.select(events.c.guid).where(events.c.type == type).order_by(events.c.occurred_at.desc()).limit(1000)
        keys = sa.select(event_data.c.key).where(event_data.c.event_guid.in_(newest.subquery().select())).distinct()
        with self._reading() as connection:
            return sorted(connection.execute(keys).scalars())

    def unassociated(self, limit: int, min_age_s: float) -> list[Event]:
        created_at = sound_moment(events.c.created_at)
        old_enough = sa.or_(created_at <= seconds_ago(min_age_s), created_at.is_(None))
        statement = (
            sa.select(events)
            .where(events.c.profile_associated_at.is_(None), old_enough)
            .order_by(events.c.created_at)
            .limit(limit)
        )
        with self._reading() as connection:
            return [event_from_row(row, {}) for row in connection.execute(statement)]

    def associate(self, associations: Iterable[Association]) -> set[str]:
        found = rows(self.dialect, "found", Association._fields, sorted(associations))
        waiting = events.c.profile_associated_at.is_(None)
        chosen = sa.select(found).join(events, events.c.guid == found.c.guid).where(waiting).order_by(events.c.guid)
        return self._transact(lambda connection: {row.guid for row in change(connection, events, chosen, _associated, _KEY)})

    def misplaced(self, assignments: Iterable[Assignment], limit: int) -> list[Move]:
        found: list[Move] = []
        for selected in selections(self.dialect, assignments):
            elsewhere = events.c.profile_guid.is_distinct_from(sa.column("to_profile"))
            looked_at = events.c.profile_associated_at.is_not(None)
            target = selected.add_columns(events.c.type, events.c.profile_guid).where(elsewhere, looked_at)
            with self._reading() as connection:
                read = connection.execute(target.limit(limit - len(found)))
                found += [Move(row.guid, row.type, row.profile_guid, row.to_profile) for row in read]
            if len(found) >= limit:
                break
        return found

    def move(self, moves: Sequence[Move]) -> None:
        if moves:
            told = [(one.guid, one.profile_guid, one.to_profile) for one in sorted(moves, key=lambda one: one.guid)]
            target = rows(self.dialect, "target", ["guid", "from_profile", "to_profile"], told)
            is_there = events.c.profile_guid.is_not_distinct_from(target.c.from_profile)
            chosen = sa.select(target.c.guid, target.c.to_profile).order_by(events.c.guid)
            chosen = chosen.join(events, sa.and_(events.c.guid == target.c.guid, is_there))
            self._transact(lambda connection: change(connection, events, chosen, _moved, _KEY))

    def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        with self._reading() as connection:
            pairs = users_of(connection, anonymous_ids)
            statement = sa.select(pairs.c.anonymous_id, pairs.c.user_id, *earliest(pairs)).where(pairs.c.user_id.is_not(None))
            return {(row[0], row[1]): f"{row[2]} {row[3]} {row[4]}" for row in connection.execute(statement) if row[4]}

    def delete(self, assignments: Iterable[Assignment], limit: int, created_until: Timestamp | None = None) -> int:
        deleted = 0
        for selected in selections(self.dialect, assignments):
            if created_until is not None:
                selected = selected.where(CREATED_AT < created_until)
            deleted += self._transact(partial(_delete_chosen, chosen=selected.limit(limit - deleted)))
            if deleted >= limit:
                break
        return deleted

    def discard(self, guids: Sequence[str]) -> None:
        if guids:
            self._transact(partial(_delete, guids=guids))

    def aggregate(self, measure: Measure, profile_guids: Sequence[str]) -> dict[str, Aggregate]:
        with self._reading() as connection:
            return aggregate(connection, measure, profile_guids)

    def identifiers(self, limit: int, after: tuple[str, str] | None = None) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        with self._reading() as connection:
            for kind, column in (("anonymous", events.c.anonymous_id), ("user", events.c.user_id)):
                if after and after[0] > kind:
                    continue
                start = after[1] if after and after[0] == kind else None
                looked_at = events.c.profile_associated_at.is_not(None)
                found += [(kind, value) for value in distinct(connection, column, start, looked_at, limit - len(found))]
                if len(found) >= limit:
                    break
        return found

    def close(self) -> None:
        self.engine.dispose()

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in one transaction; again after a deadlock, which is nobody's absence."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with translated(), writing(self.engine) as connection:
                    return work(connection)
            except Deadlock:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the loop returns or raises")

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated(), reading(self.engine) as connection:
            yield connection

    def _save_unknown(self, ordered: Sequence[Event]) -> set[str]:
        def save(connection: sa.Connection) -> set[str]:
            known = self._known(connection, [event.guid for event in ordered])
            fresh = [event for event in ordered if event.guid not in known]
            if fresh:
                self._insert(connection, fresh)
            return {event.guid for event in fresh}

        return self._transact(save)

    def _known(self, connection: sa.Connection, guids: Iterable[str]) -> set[str]:
        return set(connection.execute(sa.select(events.c.guid).where(among(self.dialect, events.c.guid, guids))).scalars())

    def _insert(self, connection: sa.Connection, fresh: Sequence[Event]) -> None:
        moment = now()
        if self._own.has_copy:
            copy_rows(connection, events, EVENT_COLUMNS, (event_line(event, moment) for event in fresh))
            copy_rows(connection, event_data, DATA_COLUMNS, data_lines(fresh))
        else:
            connection.execute(sa.insert(events), [event_record(event, moment) for event in fresh])
            if records := data_records(fresh):
                connection.execute(sa.insert(event_data), records)

    def _data_of(self, connection: sa.Connection, guids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        if guids:
            statement = sa.select(event_data).where(among(self.dialect, event_data.c.event_guid, guids))
            for row in connection.execute(statement.order_by(event_data.c.event_guid, event_data.c.key)):
                found.setdefault(row.event_guid, {})[row.key] = row.value
        return found


def _associated(found: sa.FromClause) -> dict[str, Any]:
    return {
        "profile_guid": found.c.profile_guid,
        "user_id": found.c.user_id,
        "anonymous_id": found.c.anonymous_id,
        "occurred_at": SEEN[0],
        "created_at": SEEN[1],
        "updated_at": moment_now(),
        "profile_associated_at": moment_now(),
    }


def _moved(target: sa.FromClause) -> dict[str, Any]:
    return {"profile_guid": target.c.to_profile, "updated_at": moment_now()}


def _delete_chosen(connection: sa.Connection, chosen: Select[Any]) -> int:
    doomed = list(connection.execute(chosen).scalars())
    _delete(connection, doomed)
    return len(doomed)


def _delete(connection: sa.Connection, guids: Sequence[str]) -> None:
    for column in (event_data.c.event_guid, events.c.guid):
        connection.execute(sa.delete(column.table).where(among(connection.dialect.name, column, guids)))
