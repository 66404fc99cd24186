"""IdentityStore: the set-wise steps of 03-identity, "Carrying it out", on the app's database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.identity.plan import Changes, plan
from app.identity.rule import Policy
from app.identity.view import Pair, View, claim_pair, claims_table, identifiers, read_view
from app.models import Profile, Repoint
from backends.errors import BackendUnavailable
from backends.event import Event, now
from backends.sql.engine import is_outage, reading
from backends.sql.rows import rows

profiles = sa.inspect(Profile).local_table
repoints = sa.inspect(Repoint).local_table

T = TypeVar("T")
_ATTEMPTS = 20


class LostRace(Exception):
    """Raised when another worker wrote first; the transaction is rolled back and what it wrote is read."""


class IdentityStore:
    """Identifiers, claims, homes and repoints; safe in any number of workers at once."""

    def __init__(self, engine: sa.Engine, policy: Policy) -> None:
        self.engine = engine
        self.policy = policy
        self.dialect = engine.dialect.name

    def assign(self, events: Sequence[Event]) -> tuple[list[Event], list[Pair]]:
        """Step 1: write down what the events tell of identity; return them with their profiles, and what was noted to re-point.

        An event that names nobody gets no profile. Raises BackendUnavailable when the database is away.
        """
        return self.transact(lambda connection: self._assign(connection, events))

    def verify(self, events: Sequence[Event], doubtful: Iterable[Event] = ()) -> list[Pair]:
        """Step 3: read again, now that the events are stored; note for re-pointing what is not as it should be.

        `doubtful` events (stored before, or parked) are noted in any case. Returns what was noted: (kind, value) pairs.
        """
        noted = {identifier for event in doubtful for identifier in _identifiers_of(event)}
        with self.reading() as connection:
            view = self._view(connection, events)
        for event in events:
            if view.home(view.owner(event)) != event.profile_guid or self._has_lost_claim(view, event):
                noted.update(_identifiers_of(event))
        if noted:
            self.transact(lambda connection: note_repoints(connection, noted))
        return sorted(noted)

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in one transaction; again when another worker was first, or after a deadlock."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._translated(), self.engine.begin() as connection:
                    return work(connection)
            except (LostRace, _Deadlock):
                if attempt == _ATTEMPTS:
                    raise BackendUnavailable("the app's database is too busy") from None
        raise AssertionError("the loop returns or raises")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads."""
        with self._translated(), reading(self.engine) as connection:
            yield connection

    def ping(self) -> None:
        """Return if the database answers. Raises BackendUnavailable."""
        with self.reading() as connection:
            connection.execute(sa.select(1))

    def _assign(self, connection: sa.Connection, events: Sequence[Event]) -> tuple[list[Event], list[Pair]]:
        view = self._view(connection, events)
        if changes := plan(view, events):
            write_changes(connection, changes)
        return [event._replace(profile_guid=view.home(view.owner(event))) for event in events], changes.repoints

    def _view(self, connection: sa.Connection, events: Sequence[Event]) -> View:
        users = {event.user_id for event in events if event.user_id is not None}
        devices = {event.anonymous_id for event in events if event.anonymous_id is not None}
        pairs = {pair for event in events if (pair := claim_pair(event))}
        return read_view(connection, self.policy, users, devices, pairs)

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
            if getattr(error.orig, "sqlstate", getattr(error.orig, "pgcode", None)) in ("40P01", "40001"):
                raise _Deadlock from error
            if is_outage(error):
                raise BackendUnavailable(str(error.orig).strip()) from error
            raise
        except sa.exc.TimeoutError as error:
            raise BackendUnavailable(str(error)) from error


class _Deadlock(Exception):
    """Raised when the database chose our transaction to end a deadlock."""


def write_changes(connection: sa.Connection, changes: Changes) -> None:
    """Write what `plan` found, each table in sorted order so that two workers can't deadlock over it.

    Raises LostRace, or lets the constraint speak, when another worker wrote any of it first.
    """
    moment = now()
    kind, value, home = identifiers.c.kind, identifiers.c.value, identifiers.c.home
    for device, released in sorted(changes.released):
        here = sa.and_(kind == "anonymous", value == device, home == released)
        _expect_one(connection, sa.update(identifiers).where(here).values(home=None))
    for device, new in sorted(changes.housed):
        here = sa.and_(kind == "anonymous", value == device, home.is_(None))
        _expect_one(connection, sa.update(identifiers).where(here).values(home=new))
    _insert(connection, identifiers, ("kind", "value", "home"), changes.identifiers, created_at=moment)
    _insert(connection, profiles, ("guid", "kind", "value"), changes.profiles, created_at=moment)
    _insert(connection, claims_table, ("anonymous_id", "user_id", "seen"), changes.claims, origin="")
    for device, user, seen in sorted(changes.earlier):
        lower_claim(connection, device, user, seen)
    note_repoints(connection, changes.repoints)


def lower_claim(connection: sa.Connection, device: str, user: str, seen: str) -> None:
    """Let the claim by events begin at `seen`, unless it begins earlier already."""
    here = sa.and_(claims_table.c.anonymous_id == device, claims_table.c.user_id == user, claims_table.c.origin == "")
    connection.execute(sa.update(claims_table).where(here, claims_table.c.seen > seen).values(seen=seen))


def note_repoints(connection: sa.Connection, noted: Iterable[Pair]) -> None:
    """Note that events of these identifiers, (kind, value), may be on a profile that is not theirs."""
    if not (records := sorted(set(noted))):
        return
    source = rows(connection.dialect.name, "noted", ["kind", "value"], records)
    select = sa.select(source.c.kind, source.c.value, sa.literal(1), sa.literal(now(), repoints.c.created_at.type))
    # SQLite takes the ON of ON CONFLICT for a join's unless a WHERE stands between.
    select = select.where(sa.true()).order_by(source.c.kind, source.c.value)
    insert = insert_for(connection, repoints).from_select(["kind", "value", "version", "created_at"], select)
    grow = insert.on_conflict_do_update(index_elements=["kind", "value"], set_={"version": repoints.c.version + 1})
    connection.execute(grow)


def insert_for(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that knows this database's ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql_insert(table)
    return sqlite_insert(table)


def _insert(
    connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], records: Sequence[tuple[str | None, ...]], **same: str
) -> None:
    if records:
        ordered = sorted(records, key=lambda record: [field or "" for field in record])
        connection.execute(sa.insert(table), [{**dict(zip(columns, record, strict=True)), **same} for record in ordered])


def _expect_one(connection: sa.Connection, statement: sa.Update) -> None:
    if connection.execute(statement).rowcount != 1:
        raise LostRace


def _identifiers_of(event: Event) -> Iterator[Pair]:
    if event.anonymous_id is not None:
        yield "anonymous", event.anonymous_id
    if event.user_id is not None:
        yield "user", event.user_id
