"""Links: events that say of an id, which may stand elsewhere as an anonymousId, that it is a user's (03-identity, "Alias").

Of SDKs whose ids may be of either kind: without this, what a server tells of `ann` alone would stay the device `ann`'s.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from app.identity.rule import LINK
from app.identity.store import IdentityStore, lock_identifiers, note_repoints, remember_claims
from app.identity.view import Pair, claims_table
from backends.event import Event
from backends.sql.rows import among

LINKED = "context.linkedId"
"""In a link's data: its userId, which claims the anonymousId that equals it."""


def is_link(event: Event) -> bool:
    """Whether the event claims the anonymousId that equals its userId."""
    return event.user_id is not None and event.data.get(LINKED) == event.user_id


def remember_links(store: IdentityStore, events: Sequence[Event]) -> set[Pair]:
    """Write down what these links claim, which are stored; return what is noted for re-pointing, (kind, value).

    What is known already costs no more than a look: an SDK may link with every visit.
    """
    return store.transact(lambda connection: _remember(connection, events)) if events else set()


def _remember(connection: sa.Connection, events: Sequence[Event]) -> set[Pair]:
    told = {str(event.user_id): event.seen for event in sorted(events, key=lambda event: event.seen, reverse=True)}
    here = sa.and_(claims_table.c.origin == LINK, among(connection.dialect.name, claims_table.c.anonymous_id, told))
    before = {row.anonymous_id: row.seen for row in connection.execute(sa.select(claims_table).where(here))}
    fresh = {user: seen for user, seen in told.items() if seen < before.get(user, "~")}
    # A person who is deleted at this moment is waited for: nothing may be remembered of them.
    known = [user for _, user in lock_identifiers(connection, {("user", user) for user in fresh})]
    remember_claims(connection, LINK, [(user, user, fresh[user]) for user in known])
    noted = {("anonymous", user) for user in known}
    note_repoints(connection, noted)
    return noted
