"""IdentityStore: the set-wise steps of 03-identity, "Carrying it out", on the app's database."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from app.identity.plan import Changes, Claims, claimed_devices, first_claims, plan
from app.identity.rule import Policy, claimants
from app.identity.view import KINDS, Pair, View, claim_pair, claims_table, identifiers, read_facts, read_view
from app.models import Profile, Repoint
from app.properties.lookups import note_people
from backends.errors import BackendUnavailable
from backends.event import Event, new_guid, now
from backends.sql.engine import dialect_of, is_deadlock, is_outage, outage_text, reading, writing
from backends.sql.rows import among, rows

profiles = sa.inspect(Profile).local_table
repoints = sa.inspect(Repoint).local_table

T = TypeVar("T")
Overwriting = Callable[[Any], dict[str, Any]]
"""From the row that could not be inserted to what is written over the one that is there."""

_ATTEMPTS = 20


class LostRace(Exception):
    """Raised when another worker wrote first; the transaction is rolled back and what it wrote is read."""


@dataclass(frozen=True)
class Assigned:
    """Events with their profiles; what was noted for re-pointing, (kind, value); and what that rests on."""

    events: list[Event]
    noted: list[Pair]
    view: View
    has_lookups: bool = False
    """Whether there are new people, of whom sql apps are to be asked."""


class IdentityStore:
    """Identifiers, claims, homes and repoints; safe in any number of workers at once."""

    def __init__(self, engine: sa.Engine, policy: Policy) -> None:
        self.engine = engine
        self.policy = policy
        self.dialect = engine.dialect.name

    def assign(self, events: Sequence[Event]) -> Assigned:
        """Step 1: write down what the events tell of identity; return them with their profiles.

        An event that names nobody gets no profile. Raises BackendUnavailable when the database is away.
        """
        return self.transact(lambda connection: self._assign(connection, events))

    def verify(self, assigned: Assigned, stored: Collection[str]) -> list[Pair]:
        """Step 3: read again, now that the events are stored; note for re-pointing what is not as it should be.

        `stored` are the guids that this batch stored; the others were there before, perhaps with another time.
        Returns all that is noted now: (kind, value) pairs.
        """
        doubtful = [event for event in assigned.events if event.guid not in stored]
        with self.reading() as connection:
            # A home changes its owner only together with a claim, or goes with a deleted person.
            facts = read_facts(connection, self.policy, *_ids_of(assigned.events))
            if not facts.has_facts_of(assigned.view) or not self._have_homes(connection, assigned.events):
                view = self._view(connection, assigned.events)
                homes = view.profiles_of(assigned.events)
                for event, home in zip(assigned.events, homes, strict=True):
                    if home != event.profile_guid or self._has_lost_claim(view, event):
                        doubtful.append(event)
        return sorted({*assigned.noted, *self.note(doubtful)})

    def note(self, events: Iterable[Event]) -> set[Pair]:
        """Note the identifiers of these events for re-pointing, and return them."""
        noted = {identifier for event in events for identifier in identifiers_of(event)}
        if noted:
            self.transact(lambda connection: note_repoints(connection, noted))
        return noted

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in one transaction; again when another worker was first, or after a deadlock."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._translated(), writing(self.engine) as connection:
                    return work(connection)
            except (LostRace, _Deadlock):
                if attempt == _ATTEMPTS:
                    raise BackendUnavailable("the app's database is too busy") from None
        raise AssertionError("the loop returns or raises")

    @contextmanager
    def reading(self, at_one_moment: bool = False) -> Iterator[sa.Connection]:
        """A transaction that only reads; if it is said, as of one moment."""
        with self._translated(), reading(self.engine, at_one_moment) as connection:
            yield connection

    def ping(self) -> None:
        """Return if the database answers. Raises BackendUnavailable."""
        with self.reading() as connection:
            connection.execute(sa.select(1))

    def _assign(self, connection: sa.Connection, events: Sequence[Event]) -> Assigned:
        view, claims = self._view(connection, events), first_claims(events)
        self._lock_claimed(connection, view, claims)
        has_lookups = False
        if changes := plan(view, events, claims):
            has_lookups = write_changes(connection, changes)
        homes = view.profiles_of(events)
        assigned = [event._replace(profile_guid=home) for event, home in zip(events, homes, strict=True)]
        return Assigned(assigned, changes.repoints, view, has_lookups)

    def _lock_claimed(self, connection: sa.Connection, view: View, claims: Claims) -> None:
        """Hold the known devices that get another claim: of two that write one at a time the second has to see the first's,
        else neither knows what the two make of the device's other events. Raises LostRace if the view is out of date."""
        devices = {device for device in claimed_devices(view, claims) if ("anonymous", device) in view.homes}
        if devices:
            locked = lock_identifiers(connection, (("anonymous", device) for device in devices))
            facts = read_facts(connection, self.policy, set(), devices)
            are_as_read = all(claimants(facts.claims_of(device)) == claimants(view.claims_of(device)) for device in devices)
            if len(locked) < len(devices) or not are_as_read:
                raise LostRace

    def _view(self, connection: sa.Connection, events: Sequence[Event]) -> View:
        return read_view(connection, self.policy, *_ids_of(events))

    @staticmethod
    def _have_homes(connection: sa.Connection, events: Sequence[Event]) -> bool:
        """Whether the profiles of all these events are somebody's home still."""
        guids = {event.profile_guid for event in events if event.profile_guid is not None}
        homes = sa.select(sa.func.count()).where(among(connection.dialect.name, identifiers.c.home, guids))
        return not guids or connection.scalar(homes) == len(guids)

    @staticmethod
    def _has_lost_claim(view: View, event: Event) -> bool:
        """Whether somebody who recomputed the device's claims did not see the event yet."""
        pair = claim_pair(event)
        return pair is not None and view.claims.get(pair[0], {}).get(pair[1], "~") > event.seen

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError as error:
            raise LostRace from error
        except sa.exc.DBAPIError as error:
            if is_deadlock(error):
                raise _Deadlock from error
            if is_outage(error):
                raise BackendUnavailable(outage_text(error)) from error
            raise
        except sa.exc.TimeoutError as error:
            raise BackendUnavailable(str(error)) from error


class _Deadlock(Exception):
    """Raised when the database chose our transaction to end a deadlock."""


def write_changes(connection: sa.Connection, changes: Changes) -> bool:
    """Write what `plan` found, each table in sorted order so that two workers can't deadlock over it. Returns whether sql
    apps are to be asked of new people.

    Raises LostRace, or lets the constraint speak, when another worker wrote any of it first.
    """
    moment = now()
    _exchange_homes(connection, [(device, home, None) for device, home in changes.released])
    _exchange_homes(connection, [(device, None, home) for device, home in changes.housed])
    _insert(connection, identifiers, ("kind", "value", "home"), changes.identifiers, created_at=moment)
    _insert(connection, profiles, ("guid", "kind", "value"), changes.profiles, created_at=moment)
    _insert(connection, claims_table, ("anonymous_id", "user_id", "seen"), changes.claims, origin="")
    lower_claims(connection, changes.earlier)
    note_repoints(connection, changes.repoints)
    return note_people(connection, (home for kind, _, home in changes.identifiers if kind == "user" and home))


def lower_claims(connection: sa.Connection, claims: Sequence[tuple[str, str, str]]) -> None:
    """Let claims by events, (device, user, seen), begin at `seen`, unless they begin earlier already."""
    if not claims:
        return
    told = rows(connection.dialect.name, "told", ["device", "user_id", "seen"], sorted(claims))
    here = sa.and_(claims_table.c.anonymous_id == told.c.device, claims_table.c.user_id == told.c.user_id)
    is_later = sa.and_(claims_table.c.origin == "", claims_table.c.seen > told.c.seen)
    connection.execute(sa.update(claims_table).where(here, is_later).values(seen=told.c.seen))


def remember_claims(connection: sa.Connection, origin: str, claims: Iterable[tuple[str, str, str]]) -> None:
    """Write claims of this origin, (device, user, seen); where there is one it keeps the earlier `seen`."""
    columns = ("anonymous_id", "user_id", "seen")
    records = [{**dict(zip(columns, claim, strict=True)), "origin": origin} for claim in sorted(claims)]
    if records:
        key = ["anonymous_id", "user_id", "origin"]
        connection.execute(upsert(connection, claims_table, key, None, _earlier), records)


def _earlier(told: Any) -> dict[str, Any]:
    return {"seen": sa.case((told.seen < claims_table.c.seen, told.seen), else_=claims_table.c.seen)}


def lock_identifiers(connection: sa.Connection, pairs: Iterable[Pair]) -> list[Pair]:
    """Hold identifiers against others who decide about them, write claims of them or re-point them, in sorted order; return
    those that there are."""
    values: dict[str, set[str]] = {}
    for kind, value in pairs:
        values.setdefault(kind, set()).add(value)
    known: list[Pair] = []
    for kind in sorted(values):
        here = sa.and_(identifiers.c.kind == kind, among(connection.dialect.name, identifiers.c.value, sorted(values[kind])))
        held = sa.select(identifiers.c.value).where(here).order_by(identifiers.c.value).with_for_update(key_share=True)
        known += [(kind, value) for value in connection.scalars(held)]
    return known


def known_identifiers(connection: sa.Connection, pairs: Iterable[Pair]) -> set[Pair]:
    """Those of these identifiers, (kind, value), that there are; and others of the same values."""
    wanted = among(connection.dialect.name, identifiers.c.value, {value for _, value in pairs})
    statement = sa.select(identifiers.c.kind, identifiers.c.value).where(identifiers.c.kind.in_(KINDS), wanted)
    return {(kind, value) for kind, value in connection.execute(statement)}


def note_stored(connection: sa.Connection, pairs: Sequence[Pair]) -> None:
    """Note for re-pointing identifiers of which events are stored; who is not known, or not any more, becomes so."""
    known = known_identifiers(connection, pairs)
    changes = Changes(repoints=list(pairs))
    for kind, value in pairs:
        if (kind, value) not in known:
            home = new_guid("pro") if kind == "user" else None
            changes.identifiers.append((kind, value, home))
            if home:
                changes.profiles.append((home, kind, value))
    write_changes(connection, changes)


def note_repoints(connection: sa.Connection, noted: Iterable[Pair]) -> None:
    """Note that events of these identifiers, (kind, value), may be on a profile that is not theirs."""
    if not (records := sorted(set(noted))):
        return
    source = rows(connection.dialect.name, "noted", ["kind", "value"], records)
    moment = sa.literal(now(), repoints.c.created_at.type)
    select = sa.select(source.c.kind, source.c.value, sa.literal(1).label("version"), moment.label("created_at"))
    select = select.order_by(source.c.kind, source.c.value)
    key = ["kind", "value"]
    connection.execute(upsert(connection, repoints, key, select, lambda _: {"version": repoints.c.version + 1}))


def upsert(
    connection: sa.Connection, table: sa.Table, key: Sequence[str], source: sa.Select[Any] | None, changes: Overwriting
) -> sa.Insert:
    """An INSERT, of `source` or of what it is executed with, that writes `changes` over the row that has the key already."""
    return dialect_of(connection).upsert(table, key, source, changes)


def _insert(
    connection: sa.Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    records: Sequence[tuple[str | None, ...]],
    **same: str,
) -> None:
    if records:
        ordered = sorted(records, key=lambda record: tuple(field or "" for field in record))
        fresh = rows(connection.dialect.name, "fresh", columns, ordered)
        constants = [sa.literal(value, table.c[name].type) for name, value in same.items()]
        select = sa.select(*fresh.c, *constants)
        connection.execute(sa.insert(table).from_select([*columns, *same], select))


def _exchange_homes(connection: sa.Connection, exchanges: Sequence[tuple[str, str | None, str | None]]) -> None:
    """Give devices another home: (device, old, new). Raises LostRace if one of them has not the old one any more."""
    if not exchanges:
        return
    change = rows(connection.dialect.name, "change", ["device", "old", "new"], sorted(exchanges, key=lambda one: str(one[0])))
    here = sa.and_(identifiers.c.kind == "anonymous", identifiers.c.value == change.c.device)
    is_old = sa.or_(identifiers.c.home == change.c.old, sa.and_(identifiers.c.home.is_(None), change.c.old.is_(None)))
    if connection.execute(sa.update(identifiers).where(here, is_old).values(home=change.c.new)).rowcount != len(exchanges):
        raise LostRace


def _ids_of(events: Sequence[Event]) -> tuple[set[str], set[str], set[Pair]]:
    """The users, the devices, and the pairs that claim."""
    users = {event.user_id for event in events if event.user_id is not None}
    devices = {event.anonymous_id for event in events if event.anonymous_id is not None}
    return users, devices, {pair for event in events if (pair := claim_pair(event))}


def identifiers_of(event: Event) -> Iterator[Pair]:
    """The event's ids as (kind, value)."""
    if event.anonymous_id is not None:
        yield "anonymous", event.anonymous_id
    if event.user_id is not None:
        yield "user", event.user_id
