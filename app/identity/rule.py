"""The rule of 03-identity, pure: whose an event is, given who has claimed its device."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

DELETED = ""
"""The person of an anonymous mark: somebody who claimed the device and was deleted since."""

EXPIRED = "expired"
"""The origin of a claim by events that retention deleted: whose device it is stays known."""

LINK = "link"
"""The origin of a claim by a stored link (links.py): it is written down, for no index of the events leads there again."""


class Policy(StrEnum):
    """What becomes of a device that two people claim (SHARED_DEVICE_POLICY)."""

    SEPARATE = "separate"
    FIRST = "first"


class Claim(NamedTuple):
    """A person (the root of a user's merges) was with a device, first at `seen`. Claims compare by time."""

    seen: str
    person: str


class Reason(StrEnum):
    """Why an event belongs where it does."""

    USER_ID = "the event names the user"
    UNCLAIMED = "nobody has signed in on the device"
    ONE_CLAIMANT = "only this person has signed in on the device"
    BEFORE_SECOND = "it was before a second person signed in on the device"
    SHARED = "several people have signed in on the device"
    FIRST = "this person was the first to sign in on the device"
    DELETED = "the person who had signed in on the device was deleted"


class Owner(NamedTuple):
    """A person (kind `user`) or a device (kind `anonymous`), and why."""

    kind: str
    value: str
    reason: Reason


class Span(NamedTuple):
    """The device's events whose `seen` is before `until` (None: all later ones) and after the span before."""

    owner: Owner
    until: str | None


def claimants(claims: Iterable[Claim]) -> list[Claim]:
    """The two earliest claims of different people, in order; no later one matters."""
    found: list[Claim] = []
    for claim in sorted(claims):
        if not found or claim.person != found[0].person:
            found.append(claim)
        if len(found) == 2:
            break
    return found


def spans(device: str, claims: Iterable[Claim], policy: Policy) -> list[Span]:
    """Whose the device's events without a userId are, in order of time."""
    known = claimants(claims)
    if not known:
        return [Span(Owner("anonymous", device, Reason.UNCLAIMED), None)]
    first = known[0].person
    if len(known) == 1:
        return [Span(_share(first, device, Reason.ONE_CLAIMANT), None)]
    if policy is Policy.FIRST:
        return [Span(_share(first, device, Reason.FIRST), None)]
    rest = Span(Owner("anonymous", device, Reason.SHARED), None)
    return [Span(_share(first, device, Reason.BEFORE_SECOND), known[1].seen), rest]


def owner(person: str | None, device: str | None, seen: str, claims: Iterable[Claim], policy: Policy) -> Owner | None:
    """Whose the event is; None if it names nobody. `person` is the root of the event's userId."""
    if person is not None:
        return Owner("user", person, Reason.USER_ID)
    if device is None:
        return None
    return next(span.owner for span in spans(device, claims, policy) if span.until is None or seen < span.until)


def _share(person: str, device: str, reason: Reason) -> Owner:
    if person == DELETED:
        return Owner("anonymous", device, Reason.DELETED)
    return Owner("user", person, reason)
