"""Reading profiles: where a guid leads, whose an event is now, which identifiers a profile has."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.identity.rule import Claim, Owner
from app.identity.store import IdentityStore, profiles
from app.identity.view import KINDS, Pair, View, claims_table, identifiers, merges, read_view, roots_of
from backends.event import Event, Timestamp
from backends.sql.rows import among


@dataclass(frozen=True)
class ProfileRecord:
    """A profile as it is now: `owner` is the person or device whose home it is."""

    guid: str
    owner: Pair
    identifiers: list[Pair]
    created_at: Timestamp
    updated_at: Timestamp
    former_guids: list[str]
    """Guids that lead here: events may still show them until they are re-pointed."""


@dataclass(frozen=True)
class Explanation:
    """Why an event belongs where it does: the rule, and the claims (earliest first) and merges that it was applied to."""

    owner: Owner | None
    profile_guid: str | None
    claims: list[Claim]
    person: str | None


def find(store: IdentityStore, guid: str) -> ProfileRecord | None:
    """The profile that `guid` leads to, if it ever was one."""
    with store.reading() as connection:
        made_for = connection.execute(
            sa.select(identifiers.c.kind, identifiers.c.value).where(identifiers.c.home == guid)
        ).first()
        made_for = (
            made_for or connection.execute(sa.select(profiles.c.kind, profiles.c.value).where(profiles.c.guid == guid)).first()
        )
        return _of(connection, store, (made_for[0], made_for[1])) if made_for else None


def find_by(store: IdentityStore, kind: str, value: str) -> ProfileRecord | None:
    """The profile of a userId (kind `user`) or, as it is now, of a device (kind `anonymous`)."""
    with store.reading() as connection:
        return _of(connection, store, (kind, value))


def present(connection: sa.Connection, store: IdentityStore, pairs: Sequence[Pair]) -> list[ProfileRecord]:
    """The profiles of those identifiers, (kind, value), whose home is a profile still, in their order."""
    owners = _present_owners(connection, store, pairs)
    return _describe(connection, store, [pair for pair, owner in zip(pairs, owners, strict=True) if owner == pair])


def present_guids(store: IdentityStore, events: Sequence[Event]) -> list[str | None]:
    """For each event the profile it belongs to now, though it may not have been re-pointed yet.

    An event that was not looked at yet has none.
    """
    with store.reading() as connection:
        view = _view_of(connection, store, events)
    return [view.home(view.owner(event)) if event.profile_guid else None for event in events]


def explain(store: IdentityStore, event: Event) -> Explanation:
    """Why the event belongs to its profile."""
    with store.reading() as connection:
        view = _view_of(connection, store, [event])
    owner = view.owner(event)
    claims = sorted(view.claims_of(event.anonymous_id)) if event.anonymous_id is not None else []
    person = view.root(event.user_id) if event.user_id is not None else None
    return Explanation(owner, view.home(owner), claims, person)


def user_ids_of(store: IdentityStore, profile_guids: Iterable[str]) -> dict[str, list[str]]:
    """The userIds of each of these profiles that is a person's now: the one it was made for, then those merged into it, in
    order. Devices, and people who were merged into others, have none."""
    with store.reading() as connection:
        here = among(connection.dialect.name, identifiers.c.home, profile_guids)
        made_for = sa.select(identifiers.c.value, identifiers.c.home).where(identifiers.c.kind == "user", here)
        homes = {row.value: row.home for row in connection.execute(made_for)}
        roots = homes.keys() - roots_of(connection, homes).keys()
        found = {homes[root]: [root] for root in roots}
        for user, root in sorted(subtree(connection, sorted(roots)).items()):
            if user != root:
                found[homes[root]].append(user)
    return found


def subtree(connection: sa.Connection, users: Iterable[str]) -> dict[str, str]:
    """All users who were merged, over however many steps, into one of `users` (and these themselves) → that one."""
    found = {user: user for user in users}
    step = dict(found)
    while step:
        below = among(connection.dialect.name, merges.c.parent, step)
        edges = connection.execute(sa.select(merges.c.child, merges.c.parent).where(merges.c.kind == "user", below))
        step = {child: step[parent] for child, parent in edges if child not in found}
        found |= step
    return found


def devices_claimed_by(connection: sa.Connection, users: Iterable[str]) -> set[str]:
    """The devices on which any of these users was seen."""
    claimed = sa.select(claims_table.c.anonymous_id).where(among(connection.dialect.name, claims_table.c.user_id, users))
    return set(connection.execute(claimed).scalars())


def _of(connection: sa.Connection, store: IdentityStore, pair: Pair) -> ProfileRecord | None:
    owner = _present_owners(connection, store, [pair])[0]
    found = _describe(connection, store, [owner])
    return found[0] if found else None


def _present_owners(connection: sa.Connection, store: IdentityStore, pairs: Sequence[Pair]) -> list[Pair]:
    """Who owns now what each identifier stands for: a user's root; whoever has the device's latest events."""
    devices = {value for kind, value in pairs if kind == "anonymous"}
    users = {value for kind, value in pairs if kind == "user"}
    view = read_view(connection, store.policy, users, devices)
    return [_present_owner(view, pair) for pair in pairs]


def _present_owner(view: View, pair: Pair) -> Pair:
    kind, value = pair
    if kind == "user":
        return "user", view.root(value)
    owner = view.spans(value)[-1].owner
    return owner.kind, owner.value


def _describe(connection: sa.Connection, store: IdentityStore, owners: Sequence[Pair]) -> list[ProfileRecord]:
    """The profiles of these owners, in their order; one without a home has none."""
    tree = subtree(connection, [value for kind, value in owners if kind == "user"])
    devices = devices_claimed_by(connection, tree) if tree else set()
    view = read_view(connection, store.policy, set(), devices)
    members: dict[Pair, list[Pair]] = defaultdict(list)
    for user, root in tree.items():
        members["user", root].append(("user", user))
    for device in sorted(devices):
        members[_present_owner(view, ("anonymous", device))].append(("anonymous", device))
    for owner in owners:
        if owner[0] == "anonymous":
            members[owner] = [owner]
    records = _identifier_rows(connection, {pair for owner in owners for pair in members[owner]})
    described = (_record(owner, members[owner], records) for owner in owners)
    return [record for record in described if record]


def _record(owner: Pair, members: list[Pair], rows: dict[Pair, tuple[str | None, Timestamp]]) -> ProfileRecord | None:
    home = rows[owner][0] if owner in rows else None
    if home is None:
        return None
    known = [pair for pair in members if pair in rows]
    former = [guid for pair in known if (guid := rows[pair][0]) and guid != home]
    times = [rows[pair][1] for pair in known]
    return ProfileRecord(home, owner, sorted(known, reverse=True), min(times), max(times), former)


def _identifier_rows(connection: sa.Connection, pairs: Iterable[Pair]) -> dict[Pair, tuple[str | None, Timestamp]]:
    wanted = among(connection.dialect.name, identifiers.c.value, {value for _, value in pairs})
    found = connection.execute(sa.select(identifiers).where(identifiers.c.kind.in_(KINDS), wanted))
    return {(row.kind, row.value): (row.home, row.created_at) for row in found}


def _view_of(connection: sa.Connection, store: IdentityStore, events: Sequence[Event]) -> View:
    users = {event.user_id for event in events if event.user_id is not None}
    devices = {event.anonymous_id for event in events if event.anonymous_id is not None}
    return read_view(connection, store.policy, users, devices)
