"""Expiry: deletes the events that retention keeps no longer. What they said of identity stays known: nobody's changes."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from app.identity.deletions import without_deleted
from app.identity.plan import first_claims
from app.identity.rule import EXPIRED
from app.identity.store import IdentityStore, lock_identifiers, remember_claims
from app.properties.marks import changing, places_of
from app.retention import Retention
from backends.base import EventBackend, EventQuery
from backends.event import Event


def expire_events(store: IdentityStore, backend: EventBackend, retention: Retention, moment: datetime, limit: int) -> int:
    """Delete up to `limit` events that are too old at `moment`; return how many. Fewer mean that none is left.

    The claims that they made are written down first: a crash in between costs nothing but doing it again.
    """
    expired = 0
    for type in backend.types():
        if (kept_since := retention.kept_since(type, moment)) and expired < limit:
            too_old = EventQuery(type=type, until=kept_since, looked_at=True)
            if found := backend.find(too_old, limit - expired):
                store.transact(partial(_remember, events=found))
                with changing(store, places_of(found)):
                    backend.discard([event.guid for event in found])
                expired += len(found)
    return expired


def _remember(connection: sa.Connection, events: Sequence[Event]) -> None:
    claims = first_claims(without_deleted(connection, list(events)))
    # A person who is deleted at this moment is waited for: nothing may be remembered of them.
    known = {user for _, user in lock_identifiers(connection, {("user", user) for _, user in claims})}
    remember_claims(connection, EXPIRED, [(*pair, seen) for pair, seen in claims.items() if pair[1] in known])
