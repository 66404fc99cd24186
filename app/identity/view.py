"""View: what the app's database says about a set of users and devices, read by the set."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from app.identity.rule import Claim, Owner, Policy, Span, owner, spans
from app.models import Claim as ClaimRow
from app.models import Identifier, Merge
from backends.event import Event
from backends.sql.rows import among, rows

identifiers = sa.inspect(Identifier).local_table
claims_table = sa.inspect(ClaimRow).local_table
merges = sa.inspect(Merge).local_table

Pair = tuple[str, str]
"""An anonymousId and a userId."""

KINDS = ("anonymous", "user")
"""All kinds of identifiers: asked for by name, a primary key of kind and value finds a value of any kind."""

_DEEPEST = 4096
_AFTER_ALL = "~"
"""Sorts behind every `seen`, which begins with a digit."""


@dataclass
class View:
    """The homes, claims and merges that bear on some events. `homes` has a key for each identifier that is known."""

    policy: Policy
    homes: dict[Pair, str | None]
    claims: dict[str, dict[str, str]]
    """Per device the earliest `seen` of each claiming user: of all that matter, not of all."""
    roots: dict[str, str]
    """The root of each user that was merged into another; who is absent is their own."""

    def root(self, user: str) -> str:
        """canon(u) of 03-identity."""
        return self.roots.get(user, user)

    def claims_of(self, device: str) -> list[Claim]:
        """The device's claims by person."""
        return [Claim(seen, self.root(user)) for user, seen in self.claims.get(device, {}).items()]

    def owner(self, event: Event) -> Owner | None:
        """Whose the event is."""
        if event.user_id is not None:
            return owner(self.root(event.user_id), None, "", (), self.policy)
        if event.anonymous_id is None:
            return None
        return owner(None, event.anonymous_id, event.seen, self.claims_of(event.anonymous_id), self.policy)

    def home(self, owner: Owner | None) -> str | None:
        """The owner's home profile, as far as it is known."""
        return self.homes.get(owner[:2]) if owner else None

    def spans(self, device: str) -> list[Span]:
        """Whose the device's events without a userId are."""
        return spans(device, self.claims_of(device), self.policy)

    def homes_of_spans(self, device: str) -> list[tuple[str | None, str | None]]:
        """The same as profiles: (home, until)."""
        return [(self.home(span.owner), span.until) for span in self.spans(device)]

    def has_facts_of(self, other: "View") -> bool:
        """Whether every event has the same owner in both."""
        return self.claims == other.claims and self.roots == other.roots

    def profiles_of(self, events: Iterable[Event]) -> list[str | None]:
        """The profile of each event: the rule, applied once a device instead of once an event where that is enough."""
        homes, roots = self.homes, self.roots
        of_device: dict[str, list[tuple[str | None, str | None]]] = {}
        found: list[str | None] = []
        for event in events:
            user, device = event.user_id, event.anonymous_id
            if user is not None:
                found.append(homes.get(("user", roots.get(user, user))))
            elif device is None:
                found.append(None)
            else:
                parts = of_device.get(device) or of_device.setdefault(device, self.homes_of_spans(device))
                found.append(_home_at(parts, event) if len(parts) > 1 else parts[0][0])
        return found


def _home_at(parts: list[tuple[str | None, str | None]], event: Event) -> str | None:
    return next(home for home, until in parts if until is None or event.seen < until)


def claim_pair(event: Event) -> Pair | None:
    """The claim that the event makes, if any. Equal ids claim nothing (03-identity)."""
    if event.user_id is None or event.anonymous_id is None or event.user_id == event.anonymous_id:
        return None
    return event.anonymous_id, event.user_id


def read_view(
    connection: sa.Connection, policy: Policy, users: set[str], devices: set[str], pairs: Iterable[Pair] = ()
) -> View:
    """Read what bears on these users and devices, and the exact claims of `pairs`."""
    view = read_facts(connection, policy, users, devices, pairs)
    _read_homes(connection, view, "anonymous", devices)
    _read_homes(connection, view, "user", users | _claimants(view) | set(view.roots.values()))
    return view


def read_facts(
    connection: sa.Connection, policy: Policy, users: set[str], devices: set[str], pairs: Iterable[Pair] = ()
) -> View:
    """The same without the homes: claims and merges."""
    view = View(policy, {}, {}, {})
    if devices:
        _read_claims(connection, view, list(devices))
        _read_pairs(connection, view, [pair for pair in pairs if _may_be_unread(view, pair)])
    if everybody := users | _claimants(view):
        view.roots = roots_of(connection, everybody)
    return view


def homes_of(connection: sa.Connection, users: Iterable[str]) -> list[str]:
    """The homes of these users."""
    theirs = sa.and_(identifiers.c.kind == "user", among(connection.dialect.name, identifiers.c.value, users))
    return list(connection.scalars(sa.select(identifiers.c.home).where(theirs, identifiers.c.home.is_not(None))))


def roots_of(connection: sa.Connection, users: Iterable[str]) -> dict[str, str]:
    """The root of each of the users who were merged into somebody, one query for each step up."""
    parents: dict[str, str] = {}
    unknown = set(users)
    while unknown:
        wanted = among(connection.dialect.name, merges.c.child, unknown)
        found = connection.execute(sa.select(merges.c.child, merges.c.parent).where(merges.c.kind == "user", wanted))
        step = {row.child: row.parent for row in found}
        parents |= step
        unknown = set(step.values()) - parents.keys()
    return {user: _top(user, parents) for user in parents}


def _top(user: str, parents: dict[str, str]) -> str:
    while user in parents:
        user = parents[user]
    return user


def _claimants(view: View) -> set[str]:
    return {user for claims in view.claims.values() for user in claims if user}


def _read_claims(connection: sa.Connection, view: View, devices: list[str]) -> None:
    """All claims of the devices, unless somebody's are surprisingly many: then the earliest."""
    found = _all_claims(connection, devices)
    if found is None:
        _read_earliest(connection, view, devices)
    else:
        _add_claims(view, found)


def _all_claims(connection: sa.Connection, devices: list[str]) -> list[tuple[str, str, str]] | None:
    """Every claim of the devices as (device, user, seen); None if there are many more than devices, as on a kiosk."""
    limit = 4 * len(devices) + 100
    statement = sa.select(claims_table.c.anonymous_id, claims_table.c.user_id, claims_table.c.seen)
    statement = statement.where(among(connection.dialect.name, claims_table.c.anonymous_id, devices)).limit(limit)
    found = [(device, user, seen) for device, user, seen in connection.execute(statement)]
    return found if len(found) < limit else None


def _read_earliest(connection: sa.Connection, view: View, devices: Iterable[str], depth: int = 2) -> None:
    """Read the `depth` earliest claims of each device, however many it has; deeper where these are all one person's."""
    device = rows(connection.dialect.name, "device", ["id"], ((value,) for value in devices))
    other = claims_table.alias("other")
    last = sa.select(other.c.seen).where(other.c.anonymous_id == device.c.id).order_by(other.c.seen)
    limit = last.limit(1).offset(depth - 1).scalar_subquery()
    is_early = claims_table.c.seen <= sa.func.coalesce(limit, sa.literal(_AFTER_ALL))
    claims = device.join(claims_table, sa.and_(claims_table.c.anonymous_id == device.c.id, is_early))
    statement = sa.select(device.c.id, claims_table.c.user_id, claims_table.c.seen).select_from(claims)
    found = [(device, user, seen) for device, user, seen in connection.execute(statement)]
    _add_claims(view, found)
    read = Counter(device for device, _, _ in found)
    full = [device for device, count in read.items() if count >= depth]
    if full and depth < _DEEPEST:
        merged = roots_of(connection, {user for device in full for user in view.claims[device] if user})
        deeper = [one for one in full if len({merged.get(user, user) for user in view.claims[one]}) < 2]
        if deeper:
            _read_earliest(connection, view, deeper, depth * 8)


def _add_claims(view: View, found: Iterable[tuple[str, str, str]]) -> None:
    for device, user, seen in found:
        claims = view.claims.setdefault(device, {})
        claims[user] = min(claims.get(user, seen), seen)


def _may_be_unread(view: View, pair: Pair) -> bool:
    known = view.claims.get(pair[0], {})
    return len(known) >= 2 and pair[1] not in known


def _read_pairs(connection: sa.Connection, view: View, pairs: list[Pair]) -> None:
    if not pairs:
        return
    pair = rows(connection.dialect.name, "pair", ["anonymous_id", "user_id"], pairs)
    same = sa.and_(
        claims_table.c.anonymous_id == pair.c.anonymous_id,
        claims_table.c.user_id == pair.c.user_id,
        claims_table.c.origin == "",
    )
    for row in connection.execute(sa.select(claims_table).select_from(pair.join(claims_table, same))):
        view.claims[row.anonymous_id][row.user_id] = row.seen


def _read_homes(connection: sa.Connection, view: View, kind: str, values: Iterable[str]) -> None:
    if wanted := list(values):
        statement = sa.select(identifiers.c.value, identifiers.c.home).where(identifiers.c.kind == kind)
        found = connection.execute(statement.where(among(connection.dialect.name, identifiers.c.value, wanted)))
        view.homes.update({(kind, value): home for value, home in found})
