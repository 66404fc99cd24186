"""Marks: which profiles' properties are to be computed again, noted before, or together with, what makes it so."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.identity.store import IdentityStore
from app.models import PropertyRule, Refresh, Source
from backends.base import Move
from backends.event import Event, Timestamp, now, timestamp
from backends.sql.engine import dialect_of
from backends.sql.rows import among, rows

refreshes = sa.inspect(Refresh).local_table
rules_table = sa.inspect(PropertyRule).local_table
sources = sa.inspect(Source).local_table

ANY = ""
"""The source of a refresh that is about all of them."""

SAFE_S = 30
"""After so long what was announced is over, or its process is dead."""

Stale = tuple[str, str]
"""A profile and a source."""

Place = tuple[str | None, str]
"""Where an event lies: its profile, if it has one, and its type."""


def places_of(events: Iterable[Event]) -> set[Place]:
    """Where these events lie."""
    return {(event.profile_guid, event.type) for event in events}


def places_of_moves(moves: Iterable[Move]) -> set[Place]:
    """Where these events lie, and where they will."""
    return {(guid, move.type) for move in moves for guid in (move.profile_guid, move.to_profile)}


@contextmanager
def changing(store: IdentityStore, places: set[Place]) -> Iterator[None]:
    """Around something that takes events from, or brings them to, these places. Should we die within, their profiles are
    computed again nevertheless, SAFE_S later."""
    profiles = {guid for guid, _ in places if guid}
    if profiles:
        store.transact(lambda connection: mark_later(connection, profiles))
    yield
    store.transact(lambda connection: mark_places(connection, places))


def mark_places(connection: sa.Connection, places: Iterable[Place]) -> bool:
    """Mark the profiles at these places, for the sources that have rules; return whether there was any.

    To be called after the events were stored: whoever makes a rule later computes all profiles anyway.
    """
    by_type: dict[str, list[str]] = {}
    for guid, type in places:
        if guid:
            by_type.setdefault(type, []).append(guid)
    stale = [(guid, source) for source, type in _sources(connection, by_type) for guid in by_type[type]]
    mark(connection, stale, now())
    return bool(stale)


def mark_later(connection: sa.Connection, profiles: Iterable[str]) -> None:
    """Mark the profiles for all sources, SAFE_S from now, if there are any rules."""
    if connection.execute(sa.select(rules_table.c.guid).limit(1)).first():
        mark(connection, [(guid, ANY) for guid in profiles], after(SAFE_S))


def mark(connection: sa.Connection, stale: Iterable[Stale], due_at: Timestamp) -> None:
    """Mark (profile, source) pairs; none is due before `due_at`, nor before the time that an earlier refresh bought."""
    records = sorted(set(stale))
    if not records:
        return
    source = rows(connection.dialect.name, "marked", ["profile_guid", "source_guid"], records)
    select = sa.select(
        source.c.profile_guid,
        source.c.source_guid,
        sa.literal(1).label("version"),
        sa.literal("").label("reached"),
        sa.literal(0).label("cost_ms"),
        sa.literal(due_at, refreshes.c.due_at.type).label("due_at"),
    ).order_by(source.c.profile_guid, source.c.source_guid)
    own = dialect_of(connection)
    connection.execute(own.upsert(refreshes, ["profile_guid", "source_guid"], select, _once_more))


def after(seconds: float) -> Timestamp:
    """The time so many seconds from now."""
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))


def _once_more(told: Any) -> dict[str, Any]:
    due_at = sa.case((refreshes.c.due_at > told.due_at, refreshes.c.due_at), else_=told.due_at)
    return {"version": refreshes.c.version + 1, "due_at": due_at}


def _sources(connection: sa.Connection, types: Iterable[str]) -> list[tuple[str, str]]:
    """The sources of these event types that have rules, with their types."""
    wanted = among(connection.dialect.name, sources.c.event_type, types)
    has_rule = sa.exists().where(rules_table.c.source_guid == sources.c.guid)
    return [(row.guid, row.event_type) for row in connection.execute(sa.select(sources).where(wanted, has_rule))]
