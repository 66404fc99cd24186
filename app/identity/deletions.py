"""Deleting a person or device: they are forgotten at once, their events by the worker, in chunks, until none is left.

Every step may be repeated: the deletion is a row until nothing of it can come any more (03-identity, "Deletions").
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import sqlalchemy as sa

from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.repoints import has_events
from app.identity.rule import DELETED
from app.identity.store import IdentityStore, lock_identifiers, note_repoints, note_stored, profiles, remember_claims
from app.identity.suppressions import write_suppressions
from app.identity.view import Pair, claims_table, identifiers, merges, read_view
from app.models import DeadLetter, Deletion
from app.properties.marks import changing, mark_later, places_of_moves
from app.properties.values import forget
from backends.base import Assignment, EventBackend
from backends.event import Event, Timestamp, new_guid, now
from backends.sql.rows import among

deletions = sa.inspect(Deletion).local_table
dead_letters = sa.inspect(DeadLetter).local_table


def delete(store: IdentityStore, profile: ProfileRecord, suppress: bool = False) -> str:
    """Forget the person, or device: identifiers go now, the events with the worker. Returns the deletion's guid.

    With `suppress`, nothing is stored of them any more: of their userIds, and of the devices that were theirs alone.
    """
    return store.transact(lambda connection: _delete(connection, store, profile, suppress))


def delete_events(store: IdentityStore, backend: EventBackend, limit: int, oldest_waiting: Timestamp) -> bool:
    """Carry on with the deletions; return whether something is left to do at once.

    A deletion is complete when no event accepted before it still waits (`oldest_waiting` is when the oldest was accepted).
    """
    with store.reading() as connection:
        pending = list(connection.execute(sa.select(deletions).order_by(deletions.c.created_at)))
    for row in pending:
        store.transact(partial(_drop_dead_letters, row=row))
        assignments = _assignments(row.users, row.devices)
        with changing(store, places_of_moves(backend.misplaced(assignments, limit))):
            deleted = backend.delete(assignments, limit, created_until=row.created_at)
        if deleted >= limit:
            return True
        if oldest_waiting > row.created_at:
            _complete(store, backend, row)
    return False


def without_deleted(connection: sa.Connection, events: list[Event]) -> list[Event]:
    """The events without those that were accepted before their person's deletion."""
    pending = list(connection.execute(sa.select(deletions)))
    return [event for event in events if not any(_is_deleted(event, row) for row in pending)] if pending else events


def mark_deleted(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Leave the marks of claims that the deletion could not see, of events that were still to be stored."""
    marks = [(event.anonymous_id, DELETED, event.seen) for event in events if event.user_id and event.anonymous_id]
    remember_claims(connection, "", marks)
    note_repoints(connection, {("anonymous", device) for device, _, _ in marks})


def _delete(connection: sa.Connection, store: IdentityStore, profile: ProfileRecord, suppress: bool) -> str:
    """1. What is theirs. 2. Marks in place of their claims. 3. Identifiers, homes and merges go. 4. The events' deletion."""
    kind, value = profile.owner
    users = sorted(subtree(connection, [value])) if kind == "user" else []
    devices = sorted(devices_claimed_by(connection, users)) if users else [value]
    gone = [("user", user) for user in users] or [profile.owner]
    lock_identifiers(connection, gone)
    selections = _spans_of(connection, store, profile.owner, devices)
    _leave_marks(connection, users)
    _forget(connection, gone)
    if suppress:
        write_suppressions(connection, {*gone, *(("anonymous", device) for device in _devices_alone(selections))})
    guid = new_guid("del")
    connection.execute(sa.insert(deletions).values(guid=guid, users=users, devices=selections, created_at=now()))
    _drop_dead_letters(connection, connection.execute(sa.select(deletions).where(deletions.c.guid == guid)).one())
    note_repoints(connection, [("anonymous", device) for device in devices])
    return guid


def _spans_of(connection: sa.Connection, store: IdentityStore, owner: Pair, devices: list[str]) -> list[list[str | None]]:
    """The parts of the devices' events that are the owner's: [device, since, until]."""
    found: list[list[str | None]] = []
    view = read_view(connection, store.policy, set(), set(devices))
    for device in devices:
        since = None
        for span in view.spans(device):
            if span.owner[:2] == owner:
                found.append([device, since, span.until])
            since = span.until
    return found


def _devices_alone(selections: list[list[str | None]]) -> list[str]:
    """The devices of which every event is the owner's."""
    return [device for device, since, until in selections if device is not None and since is None and until is None]


def _leave_marks(connection: sa.Connection, users: Iterable[str]) -> None:
    """The devices stay shared: a mark without a name takes the place of the claims (03-identity, "Deletions")."""
    theirs = among(connection.dialect.name, claims_table.c.user_id, users)
    first = sa.func.min(claims_table.c.seen)
    found = connection.execute(
        sa.select(claims_table.c.anonymous_id, first).where(theirs).group_by(claims_table.c.anonymous_id)
    )
    marks = [(device, DELETED, seen) for device, seen in found]
    connection.execute(sa.delete(claims_table).where(theirs))
    remember_claims(connection, "", marks)


def _forget(connection: sa.Connection, pairs: list[Pair]) -> None:
    for kind, value in sorted(pairs):
        here = sa.and_(identifiers.c.kind == kind, identifiers.c.value == value)
        home = connection.execute(sa.select(identifiers.c.home).where(here)).scalar()
        connection.execute(sa.delete(identifiers).where(here))
        connection.execute(sa.delete(profiles).where(profiles.c.guid == home))
        if home is not None:
            forget(connection, [home])
            mark_later(connection, [home])  # somebody may be computing them at this moment
        edges = sa.and_(merges.c.kind == kind, merges.c.child == value)
        if kind == "user":
            edges = sa.or_(edges, merges.c.parent == value)
        connection.execute(sa.delete(merges).where(edges))


def _drop_dead_letters(connection: sa.Connection, row: sa.Row[Any]) -> None:
    """Events that were parked go like those that were stored."""
    of_users = among(connection.dialect.name, dead_letters.c.user_id, row.users)
    of_devices = among(connection.dialect.name, dead_letters.c.anonymous_id, [device for device, *_ in row.devices])
    found = connection.execute(sa.select(dead_letters).where(sa.or_(of_users, of_devices)))
    doomed = [letter.guid for letter in found if _is_deleted(Event(*letter.event), row)]
    connection.execute(sa.delete(dead_letters).where(dead_letters.c.guid.in_(doomed)))


def _complete(store: IdentityStore, backend: EventBackend, row: sa.Row[Any]) -> None:
    """1. Forget once more whom a batch or a repoint that was under way has made known again, and devices of which no event is
    left. 2. But they may be back with new events, saved at this moment: those get a home again; a batch that saves later
    notices it (IdentityStore.verify). 3. It is done."""
    theirs = {*(("user", user) for user in row.users), *(("anonymous", device) for device, *_ in row.devices)}
    gone = [pair for pair in sorted(theirs) if not has_events(backend, pair)]
    store.transact(lambda connection: _forget(connection, gone))
    back = [pair for pair in gone if has_events(backend, pair)]
    store.transact(partial(_finish, row=row, back=back))


def _finish(connection: sa.Connection, row: sa.Row[Any], back: list[Pair]) -> None:
    note_stored(connection, back)
    note_repoints(connection, [("anonymous", device) for device, *_ in row.devices])
    connection.execute(sa.delete(deletions).where(deletions.c.guid == row.guid))


def _is_deleted(event: Event, row: sa.Row[Any]) -> bool:
    if event.created_at >= row.created_at:
        return False
    if event.user_id is not None:
        return event.user_id in row.users
    return any(
        event.anonymous_id == device and (since is None or event.seen >= since) and (until is None or event.seen < until)
        for device, since, until in row.devices
    )


def _assignments(users: list[str], devices: list[list[str | None]]) -> list[Assignment]:
    of_users = [Assignment("", user_id=user) for user in users]
    return of_users + [Assignment("", anonymous_id=device, since=since, until=until) for device, since, until in devices]
