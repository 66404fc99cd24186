"""Links: events that say of an id, which may stand elsewhere as an anonymousId, that it is a user's (03-identity, "Alias").

Of SDKs whose ids may be of either kind: without this, what a server tells of `ann` alone would stay the device `ann`'s.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from app.identity.rule import LINK
from app.identity.store import IdentityStore, lock_identifiers, note_repoints, remember_claims
from app.identity.view import Pair
from backends.event import Event

LINKED = "context.linkedId"
"""In a link's data: its userId, which claims the anonymousId that equals it."""


def is_link(event: Event) -> bool:
    """Whether the event claims the anonymousId that equals its userId."""
    return event.user_id is not None and event.data.get(LINKED) == event.user_id


def remember_links(store: IdentityStore, events: Sequence[Event]) -> set[Pair]:
    """Write down what these links claim, which are stored; return what is noted for re-pointing, (kind, value)."""

    def remember(connection: sa.Connection) -> set[Pair]:
        # A person who is deleted at this moment is waited for: nothing may be remembered of them.
        known = {user for _, user in lock_identifiers(connection, {("user", str(event.user_id)) for event in events})}
        claims = [(str(event.user_id), str(event.user_id), event.seen) for event in events if event.user_id in known]
        remember_claims(connection, LINK, claims)
        noted = {("anonymous", user) for user, _, _ in claims}
        note_repoints(connection, noted)
        return noted

    return store.transact(remember) if events else set()
