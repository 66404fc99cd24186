"""The stream of events that the drain's rows are measured with (06-quality, "Speed")."""

import random
from collections.abc import Iterator, Sequence

from backends.event import Event, new_guid, now

PEOPLE = 10_000
BODY_EVENTS = 100
DATA_KEYS = 5
SIGNED_IN = 0.4
FIRST_SIGN_INS = 0.01


class Visitors:
    """10,000 people with two devices each; 40 % of the events signed in, 1 % of them a device's first sign-in."""

    def __init__(self, seed: int = 1, people: int = PEOPLE, first_sign_ins: float = FIRST_SIGN_INS) -> None:
        self._chance = random.Random(seed)
        self._first_sign_ins = first_sign_ins
        self._new = [(person, device) for person in range(people) for device in range(2)]
        self._chance.shuffle(self._new)
        # Half of the devices have signed in before, so that there is somebody to be signed in from the start.
        self._known = [self._new.pop() for _ in range(people)]

    def events(self, count: int) -> list[Event]:
        """The next `count` events."""
        return [self._event() for _ in range(count)]

    def first_visits(self) -> list[Event]:
        """An event for each device: signed in on those that are known, anonymous on the others."""
        known = [self._made(person, device, is_signed_in=True) for person, device in self._known]
        return known + [self._made(person, device, is_signed_in=False) for person, device in self._new]

    def _event(self) -> Event:
        luck = self._chance.random()
        if luck < self._first_sign_ins and self._new:
            place = self._new.pop()
            self._known.append(place)
            return self._made(*place, is_signed_in=True)
        if luck < SIGNED_IN or not self._new:
            return self._made(*self._chance.choice(self._known), is_signed_in=luck < SIGNED_IN)
        return self._made(*self._chance.choice(self._chance.choice((self._known, self._new))), is_signed_in=False)

    def _made(self, person: int, device: int, is_signed_in: bool) -> Event:
        moment = now()
        data = {f"key_{key}": f"value {self._chance.randrange(10**6)}" for key in range(DATA_KEYS)}
        user = f"user-{person}" if is_signed_in else None
        device_id = f"device-{person}-{device}"
        return Event(new_guid("evt"), "pageview", user, device_id, moment, moment, data, None, "key_bench", "192.0.2.1")


def bodies(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """The events as clients send them: 100 at a time."""
    for start in range(0, len(events), BODY_EVENTS):
        yield events[start : start + BODY_EVENTS]
