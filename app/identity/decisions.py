"""What people decide about profiles: merge, revert, delete, reindex. Each writes its decision and what must be re-pointed.

No event is moved here: the worker does that; reads follow the decision at once.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import sqlalchemy as sa

from app.identity.plan import Changes
from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.rule import DELETED
from app.identity.store import IdentityStore, insert_for, note_repoints, profiles, write_changes
from app.identity.view import Pair, claims_table, identifiers, merges, read_view, roots_of
from app.models import DeadLetter, Deletion
from backends.base import Assignment, EventBackend, EventQuery
from backends.event import Event, Timestamp, new_guid, now
from backends.sql.rows import among

deletions = sa.inspect(Deletion).local_table
dead_letters = sa.inspect(DeadLetter).local_table

BEFORE_ALL_EVENTS = "0001-01-01T00:00:00.000Z"
"""The time of a claim that somebody stated: before all others (03-identity, "Merges")."""


class CannotMerge(Exception):
    """Raised when two profiles can't be merged so; the message says why."""


def merge(store: IdentityStore, into: ProfileRecord, source: ProfileRecord) -> str | None:
    """State that `source` is the person of `into`, which survives. Returns the merge's guid; None if they are one already.

    Raises CannotMerge when `into` is a device's profile.
    """
    if into.owner[0] != "user":
        raise CannotMerge("a device's profile can't take in another one: name the person's profile in the path")
    return store.transact(lambda connection: _merge(connection, into.owner[1], source.owner))


def revert(store: IdentityStore, guid: str) -> bool:
    """Take back a merge; False if there is none of that guid."""
    return store.transact(lambda connection: _revert(connection, guid))


def delete(store: IdentityStore, profile: ProfileRecord) -> str:
    """Forget the person, or device: identifiers go now, the events with the worker. Returns the deletion's guid."""
    return store.transact(lambda connection: _delete(connection, store, profile))


def delete_events(store: IdentityStore, backend: EventBackend, limit: int, oldest_waiting: Timestamp) -> bool:
    """Carry on with the deletions; return whether something is left to do at once.

    A deletion is complete when no event accepted before it still waits (`oldest_waiting` is when the oldest was accepted).
    """
    with store.reading() as connection:
        pending = list(connection.execute(sa.select(deletions).order_by(deletions.c.created_at)))
    for row in pending:
        store.transact(partial(_drop_dead_letters, row=row))
        if backend.delete(_assignments(row.users, row.devices), limit, created_until=row.created_at) >= limit:
            return True
        if oldest_waiting > row.created_at:
            gone = [user for user in row.users if not _has_events(backend, user)]
            store.transact(_completion(row, gone))
    return False


def without_deleted(store: IdentityStore, events: list[Event]) -> list[Event]:
    """The events without those that were accepted before their person's deletion."""
    with store.reading() as connection:
        pending = list(connection.execute(sa.select(deletions)))
    return [event for event in events if not any(_is_deleted(event, row) for row in pending)] if pending else events


def reindex(store: IdentityStore, backend: EventBackend, tell: Callable[[int], None], chunk: int = 1000) -> int:
    """Let every identifier of the stored events be recomputed; `tell` hears how many were noted. Returns how many in all."""
    total, after = 0, None
    while found := backend.identifiers(chunk, after):
        store.transact(partial(_note_all, found=found))
        total, after = total + len(found), found[-1]
        tell(total)
    return total


def _merge(connection: sa.Connection, parent: str, source: Pair) -> str | None:
    kind, child = source
    _lock(connection, [("user", parent), source])
    roots = roots_of(connection, [parent, *([child] if kind == "user" else [])])
    if parent in roots or (kind == "user" and child in roots):
        raise CannotMerge("one of the profiles was merged just now: read them again")
    if source == ("user", parent):
        return None
    guid, moment = new_guid("mrg"), now()
    connection.execute(sa.insert(merges).values(guid=guid, kind=kind, child=child, parent=parent, created_at=moment))
    if kind == "anonymous":
        seen = f"{BEFORE_ALL_EVENTS} {moment} {guid}"
        connection.execute(sa.insert(claims_table).values(anonymous_id=child, user_id=parent, origin=guid, seen=seen))
    _note_below(connection, source)
    return guid


def _revert(connection: sa.Connection, guid: str) -> bool:
    row = connection.execute(sa.select(merges).where(merges.c.guid == guid)).first()
    if row is None:
        return False
    _lock(connection, [("user", row.parent), (row.kind, row.child)])
    connection.execute(sa.delete(merges).where(merges.c.guid == guid))
    connection.execute(sa.delete(claims_table).where(claims_table.c.origin == guid))
    _note_below(connection, (row.kind, row.child))
    return True


def _delete(connection: sa.Connection, store: IdentityStore, profile: ProfileRecord) -> str:
    """1. What is theirs. 2. Marks in place of their claims. 3. Identifiers, homes and merges go. 4. The events' deletion."""
    kind, value = profile.owner
    users = sorted(subtree(connection, [value])) if kind == "user" else []
    devices = sorted(devices_claimed_by(connection, users)) if users else [value]
    selections = _spans_of(connection, store, profile.owner, devices)
    _leave_marks(connection, users)
    gone = [("user", user) for user in users] or [profile.owner]
    _forget(connection, gone)
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


def _leave_marks(connection: sa.Connection, users: Iterable[str]) -> None:
    """The devices stay shared: a mark without a name takes the place of the claims (03-identity, "Deletions")."""
    theirs = among(connection.dialect.name, claims_table.c.user_id, users)
    first = sa.func.min(claims_table.c.seen)
    found = connection.execute(
        sa.select(claims_table.c.anonymous_id, first).where(theirs).group_by(claims_table.c.anonymous_id)
    )
    marks = [{"anonymous_id": device, "user_id": DELETED, "origin": "", "seen": seen} for device, seen in found]
    connection.execute(sa.delete(claims_table).where(theirs))
    if marks:
        insert = insert_for(connection, claims_table)
        earlier = sa.case((insert.excluded.seen < claims_table.c.seen, insert.excluded.seen), else_=claims_table.c.seen)
        key = ["anonymous_id", "user_id", "origin"]
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_={"seen": earlier}), marks)


def _forget(connection: sa.Connection, pairs: list[Pair]) -> None:
    for kind, value in sorted(pairs):
        here = sa.and_(identifiers.c.kind == kind, identifiers.c.value == value)
        home = connection.execute(sa.select(identifiers.c.home).where(here)).scalar()
        connection.execute(sa.delete(identifiers).where(here))
        connection.execute(sa.delete(profiles).where(profiles.c.guid == home))
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


def _completion(row: sa.Row[Any], gone: list[str]) -> Callable[[sa.Connection], None]:
    def complete(connection: sa.Connection) -> None:
        _forget(connection, [("user", user) for user in gone])
        note_repoints(connection, [("anonymous", device) for device, *_ in row.devices])
        connection.execute(sa.delete(deletions).where(deletions.c.guid == row.guid))

    return complete


def _has_events(backend: EventBackend, user: str) -> bool:
    return backend.count(EventQuery(user_id=user), at_most=1) > 0


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


def _note_below(connection: sa.Connection, source: Pair) -> None:
    """Note what a merge or revert concerns: the users below, and the devices that they claim."""
    if source[0] == "anonymous":
        note_repoints(connection, [source])
        return
    users = subtree(connection, [source[1]])
    devices = devices_claimed_by(connection, users)
    note_repoints(connection, [*(("user", user) for user in users), *(("anonymous", device) for device in devices)])


def _note_all(connection: sa.Connection, found: list[Pair]) -> None:
    wanted = among(connection.dialect.name, identifiers.c.value, {value for _, value in found})
    known = {
        (row.kind, row.value) for row in connection.execute(sa.select(identifiers.c.kind, identifiers.c.value).where(wanted))
    }
    changes = Changes(repoints=found)
    for kind, value in found:
        if (kind, value) not in known:
            home = new_guid("pro") if kind == "user" else None
            changes.identifiers.append((kind, value, home))
            if home:
                changes.profiles.append((home, kind, value))
    write_changes(connection, changes)


def _lock(connection: sa.Connection, pairs: Iterable[Pair]) -> None:
    """Lock identifiers, in sorted order, so that two decisions about them come one after the other."""
    for kind, value in sorted(set(pairs)):
        here = sa.and_(identifiers.c.kind == kind, identifiers.c.value == value)
        connection.execute(sa.select(identifiers.c.value).where(here).with_for_update())
