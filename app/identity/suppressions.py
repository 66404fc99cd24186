"""Suppressions: ids of which no event is stored, however it comes. What was refused is counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from app.identity.store import IdentityStore, identifiers_of
from app.identity.view import KINDS, Pair
from app.models import Suppression
from backends.event import Event, now
from backends.sql.rows import among, rows

suppressions = sa.inspect(Suppression).local_table


Row = sa.Row[tuple[str, str, int, str]]
"""A suppression: kind, value, refused, created_at."""


def suppress(store: IdentityStore, kind: str, value: str) -> Row:
    """Store nothing of this id (kind `user` or `anonymous`) from now on. What is stored already stays."""
    here = sa.and_(suppressions.c.kind == kind, suppressions.c.value == value)

    def write(connection: sa.Connection) -> Row:
        write_suppressions(connection, [(kind, value)])
        return connection.execute(sa.select(suppressions).where(here)).one()

    return store.transact(write)


def release(store: IdentityStore, kind: str, value: str) -> bool:
    """Store events of this id again; False if it was not suppressed."""
    here = sa.and_(suppressions.c.kind == kind, suppressions.c.value == value)
    return store.transact(lambda connection: connection.execute(sa.delete(suppressions).where(here)).rowcount > 0)


def page(store: IdentityStore, limit: int, after: Pair | None = None) -> Sequence[Row]:
    """Up to `limit` suppressions in order of kind and value, behind `after`."""
    order = (suppressions.c.kind, suppressions.c.value)
    statement = sa.select(suppressions).order_by(*order).limit(limit)
    if after:
        statement = statement.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, after)))
    with store.reading() as connection:
        return connection.execute(statement).all()


def write_suppressions(connection: sa.Connection, pairs: Iterable[Pair]) -> None:
    """The same in a transaction of the caller's. Those that are suppressed already stay as they are.

    If somebody else suppresses one of them at this moment the constraint says so, and the transaction is done again.
    """
    wanted = sorted(set(pairs))
    values = among(connection.dialect.name, suppressions.c.value, {value for _, value in wanted})
    found = connection.execute(sa.select(suppressions).where(suppressions.c.kind.in_(KINDS), values))
    known = {(row.kind, row.value) for row in found}
    records = [{"kind": kind, "value": value, "refused": 0} for kind, value in wanted if (kind, value) not in known]
    if records:
        connection.execute(sa.insert(suppressions).values(created_at=now()), records)


def refused_by(connection: sa.Connection, events: Sequence[Event]) -> dict[str, Pair]:
    """The guid of each event that may not be stored → the suppressed id."""
    if connection.execute(sa.select(suppressions.c.kind).limit(1)).first() is None:
        return {}
    pairs = [(event.guid, pair) for event in events for pair in identifiers_of(event)]
    wanted = among(connection.dialect.name, suppressions.c.value, {value for _, (_, value) in pairs})
    statement = sa.select(suppressions).where(suppressions.c.kind.in_(KINDS), wanted)
    found = {(row.kind, row.value) for row in connection.execute(statement)}
    return {guid: pair for guid, pair in pairs if pair in found}


def count_refused(connection: sa.Connection, refused: Mapping[str, Pair]) -> None:
    """Add to the counts of what was refused."""
    records = [(*pair, str(number)) for pair, number in sorted(Counter(refused.values()).items())]
    told = rows(connection.dialect.name, "told", ["kind", "value", "number"], records)
    here = sa.and_(suppressions.c.kind == told.c.kind, suppressions.c.value == told.c.value)
    number = sa.cast(told.c.number, sa.BigInteger)
    connection.execute(sa.update(suppressions).where(here).values(refused=suppressions.c.refused + number))
