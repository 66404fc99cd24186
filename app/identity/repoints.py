"""Working off repoints: recompute an identifier's claims and owners from the stored events, and move what lies elsewhere.

One mechanism for sign-ins, late arrivals, merges, reverts, deletions and reindexing.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from app.identity.placeholders import is_placeholder
from app.identity.rule import DELETED
from app.identity.store import (
    IdentityStore,
    LostRace,
    known_identifiers,
    lock_identifiers,
    lower_claims,
    note_repoints,
    note_stored,
    repoints,
)
from app.identity.view import KINDS, Pair, View, claims_table, identifiers, read_view
from app.models import Profile
from app.properties.marks import changing, places_of_moves
from backends.base import Assignment, EventBackend, EventQuery
from backends.errors import BackendUnavailable
from backends.event import Timestamp, new_guid, now, timestamp
from backends.sql.changing import change
from backends.sql.rows import among, rows

profiles = sa.inspect(Profile).local_table

log = logging.getLogger(__name__)

AT_ONCE = 4000
"""So many identifiers are taken together at the most, while none of them takes the store too long."""

LEASE_S = 30
WORK_S = 15
"""A lease is good for twice as long as its holder works, so that a paused holder writes nothing after it has ended."""


@dataclass(frozen=True)
class Taken:
    """Repoints that are ours until `until`: (kind, value) → the version that was read."""

    versions: dict[Pair, int]
    until: Timestamp
    began: float

    @property
    def is_stale(self) -> bool:
        """Whether we took so long that we may not write any more."""
        return time.monotonic() - self.began > WORK_S

    def by_version(self) -> dict[tuple[str, int], list[str]]:
        """The values of each kind and version."""
        found: dict[tuple[str, int], list[str]] = {}
        for (kind, value), version in sorted(self.versions.items()):
            found.setdefault((kind, version), []).append(value)
        return found


class Repointer:
    """Works off repoints, each by one worker at a time."""

    def __init__(self, store: IdentityStore, backend: EventBackend, placeholders: frozenset[str]) -> None:
        self.store = store
        self.backend = backend
        self.placeholders = placeholders
        self.moved = 0
        """Events moved so far."""
        self._at_once = AT_ONCE

    def work_off(self, limit: int, only: Sequence[Pair] | None = None, batch: int = 500) -> bool:
        """Take up to `batch` repoints (of `only` these identifiers), move up to about `limit` events.

        Returns whether there may be more to do: what has more events than that stays noted, for the next call. Where one
        takes the store too long, fewer are taken the next times, until that one is alone and goes behind all others.
        """
        size = min(batch, self._at_once)
        taken = self.store.transact(lambda connection: self._take(connection, size, only))
        if not taken.versions:
            return False
        try:
            assignments = self._recompute(list(taken.versions))
            is_done = not taken.is_stale and self._move(assignments, limit) < limit and not taken.is_stale
        except BaseException as error:
            is_alone = len(taken.versions) == 1
            self._at_once = max(1, len(taken.versions) // 8)
            self.store.transact(lambda connection: self._release(connection, taken, is_last=is_alone))
            if is_alone or not isinstance(error, BackendUnavailable):
                raise
            log.warning("could not re-point %d identifiers together", len(taken.versions))
            return True
        self._at_once = min(AT_ONCE, self._at_once * 2)
        self.store.transact(lambda connection: self._finish(connection, taken, is_done))
        return not is_done or (len(taken.versions) == size and (only is None or size < batch))

    def _move(self, assignments: Sequence[Assignment], limit: int) -> int:
        if moves := self.backend.misplaced(assignments, limit):
            with changing(self.store, places_of_moves(moves)):
                self.backend.move(moves)
        self.moved += len(moves)
        return len(moves)

    def _take(self, connection: sa.Connection, batch: int, only: Sequence[Pair] | None) -> Taken:
        began = time.monotonic()
        until = timestamp(datetime.now(UTC) + timedelta(seconds=LEASE_S))
        is_free = sa.or_(repoints.c.taken_until.is_(None), repoints.c.taken_until < now())
        columns = [repoints.c.kind, repoints.c.value, repoints.c.version]
        free = sa.select(*columns).where(is_free).order_by(repoints.c.created_at).limit(batch)
        if only is not None:
            wanted = rows(connection.dialect.name, "wanted", ["kind", "value"], only)
            same = sa.and_(repoints.c.kind == wanted.c.kind, repoints.c.value == wanted.c.value)
            free = free.select_from(repoints.join(wanted, same))
        found = change(connection, repoints, free, lambda _: {"taken_until": until}, columns, skip_locked=True)
        return Taken({(row.kind, row.value): row.version for row in found}, until, began)

    def _finish(self, connection: sa.Connection, taken: Taken, is_done: bool) -> None:
        ours = repoints.c.taken_until == taken.until
        if is_done:
            for (kind, version), values in taken.by_version().items():
                read = sa.and_(repoints.c.kind == kind, repoints.c.version == version)
                wanted = among(connection.dialect.name, repoints.c.value, values)
                connection.execute(sa.delete(repoints).where(ours, read, wanted))
        elif taken.is_stale:  # who had them next may be done with them, and have looked before we moved anything
            note_repoints(connection, taken.versions)
        self._release(connection, taken)

    def _release(self, connection: sa.Connection, taken: Taken, is_last: bool = False) -> None:
        wanted = among(connection.dialect.name, repoints.c.value, sorted({value for _, value in taken.versions}))
        ours = sa.and_(repoints.c.taken_until == taken.until, repoints.c.kind.in_(KINDS), wanted)
        behind = {"created_at": now()} if is_last else {}
        connection.execute(sa.update(repoints).where(ours).values(taken_until=None, **behind))

    def _recompute(self, taken: Sequence[Pair]) -> list[Assignment]:
        """1. Who was forgotten, and has events again, gets a home. 2. Claims of the devices from the stored events.
        3. The owners by the rule. 4. Who should have which events.

        Where claims are changed, the stored events are looked at once more: a claim that was taken back may be one of a batch
        that had written it, but not stored its event; and who slept longer than the lease has read what is no more. A batch
        that stores its event later than that notices itself (IdentityStore.verify).
        """
        self._welcome_back(taken)
        devices = {value for kind, value in taken if kind == "anonymous"}
        users = {value for kind, value in taken if kind == "user"}
        told = self._told(devices)
        while True:
            work = partial(self._owners, devices=devices, users=users, told=told)
            assignments, changed = self.store.transact(work)
            again = self._told(changed)
            if again == {pair: seen for pair, seen in told.items() if pair[0] in changed}:
                return assignments
            told = {pair: seen for pair, seen in told.items() if pair[0] not in changed} | again

    def _told(self, devices: set[str]) -> dict[Pair, str]:
        """The devices' claims by the stored events."""
        found = self.backend.first_sightings(sorted(devices)) if devices else {}
        return {pair: seen for pair, seen in found.items() if self._is_claim(pair)}

    def _welcome_back(self, taken: Sequence[Pair]) -> None:
        with self.store.reading() as connection:
            known = known_identifiers(connection, taken)
        back = [pair for pair in taken if pair not in known and has_events(self.backend, pair)]
        if back:
            self.store.transact(lambda connection: note_stored(connection, back))

    def _is_claim(self, pair: Pair) -> bool:
        return pair[0] != pair[1] and not is_placeholder(pair[1], self.placeholders)

    def _owners(
        self, connection: sa.Connection, devices: set[str], users: set[str], told: dict[Pair, str]
    ) -> tuple[list[Assignment], set[str]]:
        """Who should have which events, and the devices of which claims were changed. A batch that writes claims of these
        devices is waited for, or waits."""
        lock_identifiers(connection, (("anonymous", device) for device in devices))
        changed = _write_claims(connection, devices, told)
        view = read_view(connection, self.store.policy, users, devices)
        known = sorted(device for device in devices if ("anonymous", device) in view.homes)
        assignments = [one for device in known for one in _device_assignments(connection, view, device)]
        for user in sorted(users):
            if home := view.homes.get(("user", view.root(user))):
                assignments.append(Assignment(home, user_id=user))
        return assignments, changed


def has_events(backend: EventBackend, pair: Pair) -> bool:
    """Whether there is an event of that identifier."""
    kind, value = pair
    query = EventQuery(user_id=value) if kind == "user" else EventQuery(anonymous_id=value)
    return backend.count(query, at_most=1) > 0


def _device_assignments(connection: sa.Connection, view: View, device: str) -> list[Assignment]:
    found = []
    since = None
    for span in view.spans(device):
        home = view.home(span.owner) or _make_home(connection, view, device)
        found.append(Assignment(home, anonymous_id=device, since=since, until=span.until))
        since = span.until
    return found


def _make_home(connection: sa.Connection, view: View, device: str) -> str:
    home = new_guid("pro")
    here = sa.and_(identifiers.c.kind == "anonymous", identifiers.c.value == device, identifiers.c.home.is_(None))
    if connection.execute(sa.update(identifiers).where(here).values(home=home)).rowcount != 1:
        raise LostRace
    connection.execute(sa.insert(profiles).values(guid=home, kind="anonymous", value=device, created_at=now()))
    view.homes["anonymous", device] = home
    return home


def _write_claims(connection: sa.Connection, devices: set[str], told: dict[Pair, str]) -> set[str]:
    """Make the devices' claims by events what the stored events tell; return the devices of which one changed. A claim needs
    a user who is known."""
    stored = _stored_claims(connection, devices)
    known = _known_users(connection, {user for _, user in told.keys() - stored.keys()})
    wanted = {pair: seen for pair, seen in told.items() if pair in stored or pair[1] in known}
    changed = sorted(pair for pair in wanted.keys() | stored.keys() if wanted.get(pair) != stored.get(pair))
    for pair in changed:
        if pair not in wanted:
            connection.execute(sa.delete(claims_table).where(*_claim_key(pair)))
        elif pair not in stored:
            record = {"anonymous_id": pair[0], "user_id": pair[1], "origin": "", "seen": wanted[pair]}
            connection.execute(sa.insert(claims_table), [record])
        elif wanted[pair] > stored[pair]:
            connection.execute(sa.update(claims_table).where(*_claim_key(pair)).values(seen=wanted[pair]))
    lower_claims(connection, [(*pair, wanted[pair]) for pair in changed if wanted.get(pair, "~") < stored.get(pair, "")])
    return {device for device, _ in changed}


def _claim_key(pair: Pair) -> tuple[sa.ColumnElement[bool], ...]:
    return (claims_table.c.anonymous_id == pair[0], claims_table.c.user_id == pair[1], claims_table.c.origin == "")


def _stored_claims(connection: sa.Connection, devices: set[str]) -> dict[Pair, str]:
    """The claims by events, marks of deleted people aside."""
    by_events = sa.and_(claims_table.c.origin == "", claims_table.c.user_id != DELETED)
    wanted = among(connection.dialect.name, claims_table.c.anonymous_id, devices)
    found = connection.execute(sa.select(claims_table).where(wanted, by_events))
    return {(row.anonymous_id, row.user_id): row.seen for row in found}


def _known_users(connection: sa.Connection, users: set[str]) -> set[str]:
    if not users:
        return set()
    wanted = among(connection.dialect.name, identifiers.c.value, users)
    return set(connection.execute(sa.select(identifiers.c.value).where(identifiers.c.kind == "user", wanted)).scalars())
