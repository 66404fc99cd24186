"""What a batch of events adds: claims, identifiers, homes, and what must be re-pointed. Pure but for new guids."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.identity.view import Pair, View, claim_pair
from backends.event import Event, new_guid


@dataclass
class Changes:
    """Rows to write, in the order in which they are written."""

    released: list[tuple[str, str]] = field(default_factory=list)
    """(device, home): the device's home becomes a new person's."""
    housed: list[tuple[str, str]] = field(default_factory=list)
    """(device, home): a known device without a home gets one."""
    identifiers: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(kind, value, home): seen for the first time."""
    profiles: list[tuple[str, str, str]] = field(default_factory=list)
    """(guid, kind, value): made for that identifier."""
    claims: list[tuple[str, str, str]] = field(default_factory=list)
    """(device, user, seen): seen together for the first time."""
    earlier: list[tuple[str, str, str]] = field(default_factory=list)
    """(device, user, seen): seen together earlier than was known."""
    repoints: list[Pair] = field(default_factory=list)
    """(kind, value): events of this identifier may have another owner now."""

    def __bool__(self) -> bool:
        return any(vars(self).values())


Claims = dict[Pair, str]
"""Pairs of ids that stand together → the earliest `seen`."""


def first_claims(events: Sequence[Event]) -> Claims:
    """The earliest `seen` of each pair of ids that stand together in the batch."""
    found: Claims = {}
    for event in events:
        if pair := claim_pair(event):
            seen = event.seen
            if pair not in found or seen < found[pair]:
                found[pair] = seen
    return found


def claimed_devices(view: View, claims: Claims) -> set[str]:
    """The devices of which these claims are new, or earlier than is known."""
    return {device for (device, user), seen in claims.items() if seen < view.claims.get(device, {}).get(user, "~")}


def plan(view: View, events: Sequence[Event], claims: Claims) -> Changes:
    """The changes that the events make, whose `first_claims` these are; `view` is brought to the state after them.

    1. Claims: new ones and earlier ones.
    2. Each new person takes over the home of the first device it comes with, or gets a new one.
    3. Each device that owns one of the events and has no home gets one.
    4. Devices that were known before, and whose events now lie on another profile, are re-pointed.
    """
    changes = Changes()
    changed = claimed_devices(view, claims)
    before = {device: view.homes_of_spans(device) for device in changed if ("anonymous", device) in view.homes}
    _add_claims(view, changes, claims)
    _add_people(view, changes, events)
    _add_devices(view, changes, events)
    for device, homes in sorted(before.items()):
        if view.homes_of_spans(device) != homes:
            changes.repoints.append(("anonymous", device))
    return changes


def _add_claims(view: View, changes: Changes, claims: Claims) -> None:
    for (device, user), seen in claims.items():
        known = view.claims.setdefault(device, {})
        if user not in known:
            changes.claims.append((device, user, seen))
            known[user] = seen
        elif seen < known[user]:
            changes.earlier.append((device, user, seen))
            known[user] = seen


def _add_people(view: View, changes: Changes, events: Sequence[Event]) -> None:
    fresh = [event for event in events if event.user_id is not None and ("user", event.user_id) not in view.homes]
    fresh.sort(key=lambda event: (event.anonymous_id is None, event.seen))
    for event in fresh:
        user = event.user_id
        assert user is not None
        if ("user", user) not in view.homes:
            home = _home_to_take_over(view, changes, event)
            if home is None:
                home = new_guid("pro")
                changes.profiles.append((home, "user", user))
            changes.identifiers.append(("user", user, home))
            view.homes["user", user] = home


def _home_to_take_over(view: View, changes: Changes, event: Event) -> str | None:
    """The home of the event's device, if only this person ever claimed it; the device gives it up."""
    device = event.anonymous_id
    if device is None or view.claims.get(device, {}).keys() != {event.user_id}:
        return None
    home = view.homes.get(("anonymous", device))
    if home:
        view.homes["anonymous", device] = None
        changes.released.append((device, home))
    return home


def _add_devices(view: View, changes: Changes, events: Sequence[Event]) -> None:
    needed = {event.anonymous_id for event in events if event.anonymous_id is not None}
    homeless = {device for device in needed if not view.homes.get(("anonymous", device))}
    housed = {
        event.anonymous_id
        for event in events
        if event.anonymous_id in homeless and (owner := view.owner(event)) and owner.kind == "anonymous"
    }
    for device in homeless:
        home = new_guid("pro") if device in housed else None
        if ("anonymous", device) not in view.homes:
            changes.identifiers.append(("anonymous", device, home))
        elif home:
            changes.housed.append((device, home))
        else:
            continue
        view.homes["anonymous", device] = home
        if home:
            changes.profiles.append((home, "anonymous", device))
