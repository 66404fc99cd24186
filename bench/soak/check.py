"""Check: what is stored against what was sent; whose it is against the definition. Every line names what is wrong."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.identity.deletions import deletions
from app.identity.rule import DELETED
from app.identity.store import repoints
from app.identity.view import claims_table, merges
from app.models import DeadLetter, db
from app.services import services
from backends.base import Cursor, EventQuery
from backends.event import Event
from bench.soak.journal import ACCEPTED, POISON, Household, Message, messages
from bench.soak.truth import facts_of
from tests.app.identity.oracle import Owner

PAGE = 20_000
DEFAULT_MS = 1000
"""A row's two defaults, occurred_at and created_at, are read from the clock one after the other."""


def read_stored() -> list[Event]:
    """Every stored event with its data, page by page."""
    found: list[Event] = []
    after = None
    while page := services().backend.find(EventQuery(), PAGE, after):
        found += page
        after = Cursor(page[-1].occurred_at, page[-1].created_at, page[-1].guid)
    return found


def check(households: Sequence[Household], stored: Sequence[Event]) -> Iterator[str]:
    """All that is wrong. Nothing waits any more when this is asked."""
    by_serial: dict[str, list[Event]] = defaultdict(list)
    for event in stored:
        by_serial[event.data.get("serial", "")].append(event)
    known = {message.serial for _, message in messages(list(households))}
    yield from (f"{tuple(event)} was never sent" for serial in by_serial.keys() - known for event in by_serial[serial])
    for household, message in messages(list(households)):
        yield from _check_count(household, message, by_serial[message.serial])
        for event in by_serial[message.serial]:
            yield from _check_content(message, event)
    yield from _check_dead_letters(households)
    yield from _check_owners(households, by_serial)
    yield from _check_left_open()


def _check_count(household: Household, message: Message, found: list[Event]) -> Iterator[str]:
    least, most = _expected(household, message)
    if not least <= len(found) <= most:
        guids = [event.guid for event in found]
        yield f"{message} is stored {len(found)} times instead of {least} to {most}: {guids}"


def _expected(household: Household, message: Message) -> tuple[int, int]:
    """How many times it should be stored, at least and at most."""
    may_be = int(message.is_lost or message.fate == ACCEPTED)
    if message.type == POISON:
        return 0, 0
    if message.is_doomed:
        return 0, int(message.is_lost)
    is_sure = message.fate == ACCEPTED and not household.is_deletion_uncertain
    return int(is_sure), may_be


def _check_content(message: Message, event: Event) -> Iterator[str]:
    told = (message.type, message.user_id, message.anonymous_id, message.data, message.message_id)
    has = (event.type, event.user_id, event.anonymous_id, event.data, event.message_id)
    if message.is_sql:  # the row keeps what was written, placeholders too
        told, has = (told[0], *told[2:]), (has[0], *has[2:])
    if told != has or (message.guid or event.guid) != event.guid:
        yield f"{tuple(event)} is not as it was sent: {message}"
    if not any(_fits(event, message.is_sql, *times) for times in message.times):
        yield f"{tuple(event)} has another time than was sent: {message}"


def _fits(event: Event, is_sql: bool, occurred: int | None, sent: int | None) -> bool:
    created, is_at = _ms(event.created_at), _ms(event.occurred_at)
    if occurred is None:
        return abs(is_at - created) <= (DEFAULT_MS if is_sql else 0)
    return is_at == (occurred if sent is None else occurred + created - sent)


def _check_dead_letters(households: Sequence[Household]) -> Iterator[str]:
    with db.engine.connect() as connection:
        letters = {row.guid: row for row in connection.execute(sa.select(sa.inspect(DeadLetter).local_table))}
    poison = {one.guid for _, one in messages(list(households)) if one.type == POISON and one.fate == ACCEPTED}
    may_be = {one.message_id for _, one in messages(list(households)) if one.type == POISON and one.is_lost}
    yield from (f"the poison {guid} is no dead letter" for guid in sorted(poison - letters.keys()))
    for guid in sorted(letters.keys() - poison):
        event = Event(*letters[guid].event)
        if event.message_id not in may_be:
            yield f"{tuple(event)} is a dead letter: {letters[guid].reason}"


def _check_owners(households: Sequence[Household], by_serial: dict[str, list[Event]]) -> Iterator[str]:
    """One profile an owner and one owner a profile; and merges as they were answered."""
    homes: dict[Owner, str] = {}
    owners: dict[str, Owner] = {}
    with db.engine.connect() as connection:
        stated = list(connection.execute(sa.select(merges)))
        marked = {
            row.anonymous_id: row.seen
            for row in connection.execute(sa.select(claims_table).where(claims_table.c.user_id == DELETED))
        }
    for household in households:
        mine = [event for message in household.messages for event in by_serial[message.serial]]
        ids = {one for message in household.messages for one in (message.user_id, message.anonymous_id)}
        marks = {d: seen for d, seen in marked.items() if d in ids} if household.is_deletion_uncertain else household.marks
        rows = [row for row in stated if row.child in ids or row.parent in ids]
        facts = facts_of(mine, rows, marks)
        for event in facts.events.values():
            owner = facts.owner_of(event)
            if (owner is None) != (event.profile_guid is None):
                yield f"{tuple(event)} should be on the profile of {owner}"
            if owner and event.profile_guid:
                home = homes.setdefault(owner, event.profile_guid)
                other = owners.setdefault(event.profile_guid, owner)
                if home != event.profile_guid or other != owner:
                    yield f"{tuple(event)} of {owner} is on {event.profile_guid} of {other}; others of {owner} on {home}"
        yield from _check_merges(household, {row.guid for row in rows})


def _check_merges(household: Household, there: Collection[str]) -> Iterator[str]:
    if household.is_uncertain or household.is_deletion_uncertain:
        return
    for guid in set(household.merges) ^ set(there):
        yield f"household {household.number}: the merge {guid} is {'there' if guid in there else 'not there'}"


def _check_left_open() -> Iterator[str]:
    with db.engine.connect() as connection:
        for name, table in (("repoints", repoints), ("deletions", deletions)):
            for row in connection.execute(sa.select(table).limit(100)):
                yield f"{name} still has {tuple(row)}"
    for event in services().backend.find(EventQuery(looked_at=False), 100):
        yield f"{tuple(event)} has not been looked at"


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
