"""Truth: the facts of one household as the stores have them, for the pure definition (03-identity) to be applied to."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from app.config import Settings
from app.identity.decisions import BEFORE_ALL_EVENTS
from app.identity.placeholders import is_placeholder
from app.identity.view import merges
from backends.event import Event
from backends.sql.tables import events
from tests.app.identity.oracle import Facts, Owner

PLACEHOLDERS = Settings().placeholders


@dataclass
class HouseholdFacts(Facts):
    """The definition, which remembers the claims of a device: the facts stand still while it is asked."""

    children: dict[str, str] = field(default_factory=dict)
    """The guid of a merge of two people → who is the child."""
    remembered: dict[str, dict[str, str]] = field(default_factory=dict)

    def claims(self, device: str) -> dict[str, str]:
        if device not in self.remembered:
            self.remembered[device] = super().claims(device)
        return self.remembered[device]

    def has_merge(self, guid: str) -> bool:
        """Whether it stands (still)."""
        return guid in self.stated or self.children.get(guid) in self.parents

    def owner_of(self, event: Event) -> Owner | None:
        """Nobody owns what names nobody."""
        return self.owner(event) if event.user_id is not None or event.anonymous_id is not None else None


def facts_of(found: Iterable[Event], stated: Iterable[sa.Row[Any]], marks: dict[str, str]) -> HouseholdFacts:
    """The facts: stored events, rows of merges, marks that deletions left."""
    facts = HouseholdFacts(events={event.guid: identified(event) for event in found}, marks=dict(marks))
    for row in stated:
        if row.kind == "user":
            facts.parents[row.child] = row.parent
            facts.children[row.guid] = row.child
        else:
            facts.stated[row.guid] = (row.child, row.parent, f"{BEFORE_ALL_EVENTS} {row.created_at} {row.guid}")
    return facts


def identified(event: Event) -> Event:
    """With the ids that count: people who write SQL may write placeholders."""
    return event._replace(user_id=_id(event.user_id), anonymous_id=_id(event.anonymous_id))


def stored_of(connection: sa.Connection, users: Collection[str], devices: Collection[str]) -> list[Event]:
    """The events that name any of these, without their data."""
    columns = [events.c[name] for name in ("guid", "type", "user_id", "anonymous_id", "occurred_at", "created_at")]
    statement = sa.select(*columns, events.c.profile_guid, events.c.profile_associated_at)
    rows = connection.execute(statement.where(events.c.user_id.in_(users) | events.c.anonymous_id.in_(devices)))
    return [Event(*row[:6], {}, None, None, None, *row[6:]) for row in rows]


def merges_of(connection: sa.Connection, identifiers: Collection[str]) -> list[sa.Row[Any]]:
    """The merges of these users and devices."""
    return list(connection.execute(sa.select(merges).where(merges.c.child.in_(identifiers))))


def _id(value: str | None) -> str | None:
    return None if value is None or is_placeholder(value, PLACEHOLDERS) else value
