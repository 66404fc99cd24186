"""The definition of 03-identity, as directly as it can be written: what every other way of getting there must agree with."""

from dataclasses import dataclass, field

from app.identity.decisions import BEFORE_ALL_EVENTS
from app.identity.links import is_link
from backends.event import Event

Owner = tuple[str, str]
MARK = ""


@dataclass
class Facts:
    """What identity is a function of."""

    policy: str = "separate"
    events: dict[str, Event] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    stated: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Merge guid → (device, user, seen): a device's profile merged into a person's."""
    marks: dict[str, str] = field(default_factory=dict)
    expired: list[Event] = field(default_factory=list)
    """Events that retention deleted: they own nothing, and claim as before, also if one comes again with other ids."""

    def canon(self, user: str) -> str:
        return self.canon(self.parents[user]) if user in self.parents else user

    def claims(self, device: str) -> dict[str, str]:
        found = {MARK: self.marks[device]} if device in self.marks else {}
        known = [*self.events.values(), *self.expired]
        pairs = [(event.user_id, event.seen) for event in known if event.anonymous_id == device and event.user_id]
        pairs += [(user, seen) for stated_device, user, seen in self.stated.values() if stated_device == device]
        pairs = [(user, seen) for user, seen in pairs if user != device]
        pairs += [(device, event.seen) for event in known if event.user_id == device and is_link(event)]
        for user, seen in pairs:
            person = self.canon(user)
            found[person] = min(found.get(person, seen), seen)
        return found

    def owner(self, event: Event) -> Owner:
        if event.user_id is not None:
            return "user", self.canon(event.user_id)
        assert event.anonymous_id is not None
        device = event.anonymous_id
        claimants = sorted((seen, person) for person, seen in self.claims(device).items())
        if not claimants:
            return "anonymous", device
        first = claimants[0][1]
        is_firsts = len(claimants) == 1 or self.policy == "first" or event.seen < claimants[1][0]
        return ("user", first) if is_firsts and first != MARK else ("anonymous", device)

    def merge(self, guid: str, source: Owner, parent: str, moment: str) -> None:
        if source[0] == "user":
            self.parents[source[1]] = parent
        else:
            self.stated[guid] = (source[1], parent, f"{BEFORE_ALL_EVENTS} {moment} {guid}")

    def expire(self, type: str, until: str) -> None:
        for event in [event for event in self.events.values() if event.type == type and event.occurred_at < until]:
            self.expired.append(self.events.pop(event.guid))

    def delete(self, person: str) -> None:
        users = {user for user in self.users() if self.canon(user) == person}
        doomed = [guid for guid, event in self.events.items() if self.owner(event) == ("user", person)]
        for device in self._devices():
            if seen := self.claims(device).get(person):
                self.marks[device] = min(self.marks.get(device, seen), seen)
        for guid in doomed:
            del self.events[guid]
        self.expired = [event for event in self.expired if event.user_id not in users]
        self.stated = {guid: fact for guid, fact in self.stated.items() if fact[1] not in users}
        self.parents = {child: parent for child, parent in self.parents.items() if child not in users and parent not in users}

    def users(self) -> set[str]:
        seen = {event.user_id for event in [*self.events.values(), *self.expired] if event.user_id}
        return seen | self.parents.keys() | set(self.parents.values()) | {fact[1] for fact in self.stated.values()}

    def _devices(self) -> set[str]:
        known = [*self.events.values(), *self.expired]
        linked = {event.user_id for event in known if event.user_id and is_link(event)}
        devices = {event.anonymous_id for event in known if event.anonymous_id}
        return linked | devices | {fact[0] for fact in self.stated.values()}
