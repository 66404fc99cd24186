"""HouseholdLife: what a few people and their devices do, and what their client does about lost answers."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask

from app.identity.store import repoints
from app.models import db
from backends.event import timestamp
from backends.sql.tables import event_data, events
from bench.soak.api import Answer, Api
from bench.soak.journal import ACCEPTED, POISON, REFUSED, Household, Message
from bench.soak.truth import HouseholdFacts, facts_of, merges_of, stored_of

PEOPLE, DEVICES, STEPS = 4, 5, 40
DAY_MS = 86_400_000
LONGEST_LATE_S = 60
"""So long may an attempt sleep in a paused process, and be taken then: longer than any pause."""
QUIET_S = 20
TYPES = ("pageview", "purchase", "sign_in", "add_to_cart", "Käse 🧀")
DATA = {
    "path": ("/a?b=c", "/a?b=c"),
    "price": (9.5, "9.5"),
    "gift": (True, "true"),
    "items": ([1, "ä"], '[1,"ä"]'),
    "n": (0, "0"),
}
"""Values as they are sent and as they are stored."""
PLACEHOLDERS = ("null", "undefined", " Guest ", "[object Object]")
BAD = (
    {"userId": "nobody"},
    {"type": "pageview"},
    {"type": "pageview", "userId": "null"},
    {"type": 7, "userId": "nobody"},
    {"type": "pageview", "userId": "nobody", "data": "no object"},
    "no event",
)


class HouseholdLife:
    """One household's forty steps; nobody else touches its ids, so that what the definition says of it is known exactly."""

    def __init__(
        self, number: int, chance: random.Random, api: Api, app: Flask, gives_up_at: float, is_poisoned: bool
    ) -> None:
        self.record = Household(number)
        self.chance = chance
        self.api = api
        self.app = app
        self.gives_up_at = gives_up_at
        self.is_poisoned = is_poisoned
        self.users = [f"user-{number}-{person}" for person in range(PEOPLE)]
        self.devices = [f"device-{number}-{device}" for device in range(DEVICES)]
        self.repeatable: list[Message] = []
        self.lost_at = 0.0

    def live(self, until: float) -> None:
        """Do one thing after another until the time is up."""
        doings: list[tuple[Callable[[], None], int]] = [
            (self.send, 60),
            (self.repeat, 8),
            (self.insert, 8),
            (self.merge, 5),
            (self.revert, 3),
            (self.delete, 3),
        ]
        names, weights = zip(*doings, strict=True)
        for _ in range(STEPS):
            if time.time() > until:
                return
            self.chance.choices(names, weights)[0]()
            time.sleep(self.chance.uniform(0, 0.5))

    def send(self) -> None:
        """A body of events, with bad ones among them now and then; or a single one."""
        has_ids = self.chance.random() < 0.85
        count = 1 if self.chance.random() < 0.4 else self.chance.randrange(2, 40)
        sent = [self._message(has_ids) for _ in range(count)]
        self.record.messages += sent
        bad = self.chance.choices(BAD, k=self.chance.randrange(1, 4)) if self.chance.random() < 0.15 else []
        self._deliver(sent, list(bad), is_skewed=self.chance.random() < 0.2)

    def repeat(self) -> None:
        """Messages that were accepted before, again; some tell another time now."""
        found = self.chance.sample(self.repeatable, min(len(self.repeatable), self.chance.randrange(1, 8)))
        if found:
            for message in found:
                if self.chance.random() < 0.3:
                    message.times.append((self._moment(), None))
            self._deliver(found, [], is_skewed=False)

    def insert(self) -> None:
        """A row beside it all, by SQL."""
        message = self._message(has_id=False)
        message.is_sql, message.guid = True, f"evt_{message.serial}"
        self.record.messages.append(message)
        occurred, _ = message.times[0]
        when = {"occurred_at": timestamp(datetime.fromtimestamp(occurred / 1000, UTC))} if occurred is not None else {}
        who = {"user_id": message.user_id, "anonymous_id": message.anonymous_id}
        if message.user_id is None and self.chance.random() < 0.3:
            who["user_id"] = self.chance.choice(PLACEHOLDERS)
        rows = [{"event_guid": message.guid, "key": key, "value": value} for key, value in message.data.items()]
        try:
            with self.app.app_context(), db.engine.begin() as connection:
                connection.execute(sa.insert(events).values(guid=message.guid, type=message.type, **who, **when))
                connection.execute(sa.insert(event_data), rows)
            message.fate = ACCEPTED
        except sa.exc.SQLAlchemyError:
            self._lose([message])

    def merge(self) -> None:
        """Two people are one, or a device is a person's."""
        into, source = self.chance.sample(self.users, 2)
        kind = "userId" if self.chance.random() < 0.7 else "anonymousId"
        source = source if kind == "userId" else self.chance.choice(self.devices)
        guids = [self._profile("userId", into), self._profile(kind, source)]
        if None in guids:
            return
        answer = self.api.call("POST", f"/api/v1/profiles/{guids[0]}/merge", {"from": guids[1]})
        if answer.status == 202 and answer.body["merge"]:
            self.record.merges.append(answer.body["merge"]["guid"])
        self._decided("merged", answer)

    def revert(self) -> None:
        """One of these merges was none."""
        if self.record.merges:
            guid = self.chance.choice(self.record.merges)
            answer = self.api.call("POST", f"/api/v1/merges/{guid}/revert", {})
            if answer.status == 202:
                self.record.merges.remove(guid)
            elif answer.status == 404 and not self.record.is_uncertain:
                self._complain(f"{guid} can't be reverted: it is unknown")
            self._decided("reverted", answer)

    def delete(self) -> None:
        """A person is to be forgotten; once all is stored, so that it is known what the definition says is theirs."""
        late = self.is_poisoned or self.record.is_uncertain or time.time() - self.lost_at < LONGEST_LATE_S
        facts = None if late or not self.record.messages else self._quiet_facts()
        if facts is None:
            return
        user = self.chance.choice(self.users)
        guid = self._profile("userId", user)
        answer = self.api.call("DELETE", f"/api/v1/profiles/{guid}") if guid else None
        if answer is None:
            return
        if answer.status == 202:
            self._forget(facts, facts.canon(user))
        elif not answer.is_certain:
            self.record.is_deletion_uncertain = True
        self._decided("deleted", answer)

    def _forget(self, facts: HouseholdFacts, person: str) -> None:
        before = set(facts.events)
        facts.delete(person)
        gone = before - facts.events.keys()
        for message in self.record.messages:
            message.is_doomed |= message.guid in gone
        self.record.marks = facts.marks
        self.record.merges = [guid for guid in self.record.merges if facts.has_merge(guid)]
        self.repeatable = []

    def _quiet_facts(self) -> HouseholdFacts | None:
        """The facts when all that was accepted is stored and looked at; None if that takes too long."""
        accepted = {one.guid for one in self.record.messages if one.fate == ACCEPTED and not one.is_doomed}
        ends_at = time.time() + QUIET_S
        while time.time() < ends_at:
            try:
                with self.app.app_context(), db.engine.begin() as connection:
                    found = stored_of(connection, self.users, self.devices)
                    doomed = {one.guid for one in self.record.messages if one.is_doomed}
                    alive = [one for one in found if one.guid not in doomed]
                    ids = [*self.users, *self.devices]
                    open_ = connection.execute(sa.select(repoints.c.value).where(repoints.c.value.in_(ids)).limit(1)).first()
                    if not open_ and accepted <= {one.guid for one in alive if one.profile_associated_at}:
                        return facts_of(alive, merges_of(connection, ids), self.record.marks)
            except sa.exc.SQLAlchemyError:
                pass
            time.sleep(0.3)
        return None

    def _message(self, has_id: bool) -> Message:
        number = len(self.record.messages) + self.chance.randrange(1 << 40) * 1000
        serial = f"{self.record.number}-{number}"
        person, luck = self.chance.randrange(PEOPLE), self.chance.random()
        # Everybody has a device of their own; the last one is a kiosk.
        device = self.devices[DEVICES - 1 if self.chance.random() < 0.2 else person]
        user = self.users[person] if luck < 0.45 else None
        keys = self.chance.sample(sorted(DATA), self.chance.randrange(len(DATA) + 1))
        data = {"serial": serial, **{key: DATA[key][1] for key in keys}}
        anonymous = None if user and luck < 0.1 else device
        kind = POISON if self.is_poisoned and has_id and self.chance.random() < 0.01 else self.chance.choice(TYPES)
        message = Message(serial, kind, user, anonymous, data, f"msg-{serial}" if has_id else None)
        message.times.append((self._moment(), None))
        return message

    def _moment(self) -> int | None:
        """Mostly now; sometimes left to the server; sometimes late by up to a month."""
        luck = self.chance.random()
        if luck < 0.2:
            return None
        late = self.chance.randrange(30 * DAY_MS) if luck < 0.4 else self.chance.randrange(2000)
        return time.time_ns() // 1_000_000 - late

    def _deliver(self, sent: list[Message], bad: list[object], is_skewed: bool) -> None:
        """Post until it is accepted; but once only what has no messageId, for a repeat would be another event."""
        places = sorted(self.chance.sample(range(len(sent) + len(bad)), len(bad)))
        is_repeatable = all(message.message_id for message in sent)
        while True:
            sent_ms = time.time_ns() // 1_000_000 + 3_600_000 if is_skewed else None
            body = [self._raw(message, sent_ms) for message in sent]
            for place, one in zip(places, bad, strict=True):
                body.insert(place, one)
            answer = self._post(body, sent_ms)
            if answer.status == 202:
                return self._accepted(sent, places, answer)
            if not answer.is_certain:
                self._lose(sent)
            elif answer.status:
                self._complain(f"{answer.status} for good events: {answer.body}")
                return self._settle(sent, REFUSED)
            if not is_repeatable or time.time() > self.gives_up_at:
                return
            self.api.journal.retries += len(sent)
            time.sleep(self.chance.uniform(0.2, 1.0))

    def _post(self, body: list[object], sent_ms: int | None) -> Answer:
        envelope = {} if sent_ms is None else {"sentAt": sent_ms}
        if len(body) == 1 and isinstance(body[0], dict) and self.chance.random() < 0.7:
            return self.api.call("POST", "/api/v1/track", {**body[0], **envelope})
        return self.api.call("POST", "/api/v1/batch", {"events": body, **envelope})

    def _accepted(self, sent: list[Message], bad_places: list[int], answer: Answer) -> None:
        outcomes = [answer.body["event"]] if "event" in answer.body else answer.body["events"]
        refused = [place for place, outcome in enumerate(outcomes) if "error" in outcome]
        guids = [outcome["guid"] for outcome in outcomes if "guid" in outcome]
        if refused != bad_places or len(guids) != len(sent):
            return self._complain(f"refused {refused} instead of {bad_places}: {answer.body}")
        for message, guid in zip(sent, guids, strict=True):
            if message.guid not in (None, guid):
                self._complain(f"{message.message_id} was given another guid: {message.guid}, then {guid}")
            message.guid = guid
        self._settle(sent, ACCEPTED)
        self.repeatable += [one for one in sent if one.message_id and one.type != POISON]

    def _raw(self, message: Message, sent_ms: int | None) -> dict[str, object]:
        """As it is sent this time."""
        occurred, _ = message.times[-1]
        if sent_ms is not None:
            message.times.append((occurred, sent_ms))
        raw: dict[str, object] = {"type": message.type, "data": {**message.data, **_sent_data(message.data), "left out": None}}
        told = {"userId": message.user_id, "anonymousId": message.anonymous_id}
        told |= {"occurredAt": occurred, "messageId": message.message_id}
        if message.user_id is None and self.chance.random() < 0.05:
            told["userId"] = self.chance.choice(PLACEHOLDERS)
        return {**raw, **{name: value for name, value in told.items() if value is not None}}

    def _complain(self, what: str) -> None:
        self.api.journal.wrong.append(f"household {self.record.number}: {what}")

    def _settle(self, sent: list[Message], fate: str) -> None:
        for message in sent:
            message.fate = fate

    def _lose(self, sent: list[Message]) -> None:
        self.lost_at = time.time()
        for message in sent:
            message.is_lost = True

    def _decided(self, what: str, answer: Answer) -> None:
        if answer.status == 202:
            self.api.journal.decisions[what] += 1
        elif not answer.is_certain:
            self.record.is_uncertain = True
            self.lost_at = time.time()

    def _profile(self, key: str, value: str) -> str | None:
        answer = self.api.call("GET", f"/api/v1/profiles/by/{key}/{value}")
        guid: str | None = answer.body["profile"]["guid"] if answer.status == 200 else None
        return guid


def _sent_data(stored: dict[str, str]) -> dict[str, object]:
    return {key: DATA[key][0] for key in stored if key in DATA}
