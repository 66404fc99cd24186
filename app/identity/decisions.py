"""What people decide about profiles: merge, revert, reindex. Each writes its decision and what must be re-pointed.

No event is moved here: the worker does that; reads follow the decision at once.
"""

from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.store import IdentityStore, lock_identifiers, note_repoints, note_stored
from app.identity.view import Pair, claims_table, homes_of, merges, roots_of
from app.properties.lookups import note_people
from backends.base import EventBackend
from backends.event import new_guid, now

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


def reindex(store: IdentityStore, backend: EventBackend, tell: Callable[[int], None], chunk: int = 1000) -> int:
    """Let every identifier of the stored events be recomputed; `tell` hears how many were noted. Returns how many in all."""
    total, after = 0, None
    while found := backend.identifiers(chunk, after):
        store.transact(partial(note_stored, pairs=found))
        total, after = total + len(found), found[-1]
        tell(total)
    return total


def _merge(connection: sa.Connection, parent: str, source: Pair) -> str | None:
    kind, child = source
    pairs = {("user", parent), source}
    if len(lock_identifiers(connection, pairs)) < len(pairs):
        raise CannotMerge("one of the profiles was deleted just now")
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
    _note_below(connection, parent, source)
    return guid


def _revert(connection: sa.Connection, guid: str) -> bool:
    row = connection.execute(sa.select(merges).where(merges.c.guid == guid)).first()
    if row is None:
        return False
    lock_identifiers(connection, [("user", row.parent), (row.kind, row.child)])
    connection.execute(sa.delete(merges).where(merges.c.guid == guid))
    connection.execute(sa.delete(claims_table).where(claims_table.c.origin == guid))
    _note_below(connection, row.parent, (row.kind, row.child))
    return True


def _note_below(connection: sa.Connection, parent: str, source: Pair) -> None:
    """Note what a merge or revert concerns: the users below, the devices that they claim, and what sql apps know of both
    sides."""
    if source[0] == "anonymous":
        note_repoints(connection, [source])
        return
    note_people(connection, homes_of(connection, [source[1], *roots_of(connection, [parent]).values(), parent]))
    users = subtree(connection, [source[1]])
    devices = devices_claimed_by(connection, users)
    note_repoints(connection, [*(("user", user) for user in users), *(("anonymous", device) for device in devices)])
