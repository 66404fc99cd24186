"""Traits: the data of `identify` and `group` events are properties, by rules made when a key is first seen (05-properties)."""

import re
import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.identity.store import IdentityStore
from app.models import EVENTS_APP, Trait
from app.properties.catalogue import KEY, TRAIT, own_keys
from app.properties.marks import rules_table, sources
from app.properties.types import PropertyType
from backends.aggregation import DATA_PREFIX, Aggregation
from backends.event import Event, new_guid, now
from backends.sql.rows import among

traits = sa.inspect(Trait).local_table

PREFIXES = {"identify": "", "group": "group."}
"""The types of events whose data are traits, and what their properties' keys begin with: a group has a name, too."""

NO_TRAITS = ("context.",)
"""What data keys begin with that tell of how an event was sent, not of the person."""

MOST = 255
"""Rules made of the events of one type, so that nobody who makes keys up fills the catalogue."""

LOOK_AGAIN_S = 60
"""After so long there may be room again, for somebody deleted rules."""


class Traits:
    """What one worker knows of the traits that there are: a trait is never forgotten, so that this need not be either."""

    def __init__(self, store: IdentityStore) -> None:
        self.store = store
        self._known: dict[str, set[str]] = {type: set() for type in PREFIXES}
        self._full_until = dict.fromkeys(PREFIXES, 0.0)

    def discover(self, events: Iterable[Event]) -> bool:
        """Make rules of the keys that nobody has seen yet; return whether any was made. Costs nothing if there are none."""
        fresh: dict[str, set[str]] = {}
        for event in events:
            if event.type in PREFIXES and event.profile_guid:
                fresh.setdefault(event.type, set()).update(event.data.keys() - self._known[event.type])
        return any([self._learn(type, keys) for type, keys in sorted(fresh.items())])

    def _learn(self, type: str, keys: Iterable[str]) -> bool:
        fresh = {key for key in keys if _is_trait(type, key)}
        if not fresh or time.monotonic() < self._full_until[type]:
            return False
        seen, made = self.store.transact(lambda connection: _make_rules(connection, type, fresh))
        self._known[type] |= seen
        if fresh - seen:
            self._full_until[type] = time.monotonic() + LOOK_AGAIN_S
        return made


def _is_trait(type: str, key: str) -> bool:
    name = PREFIXES[type] + key
    return not key.startswith(NO_TRAITS) and name not in own_keys() and re.search(KEY, name) is not None


def _make_rules(connection: sa.Connection, type: str, keys: set[str]) -> tuple[set[str], bool]:
    """1. One at a time. 2. Which keys are new, as many as there is room for. 3. They are seen now, and never again new: a
    deleted rule doesn't come back. 4. Where somebody has a property of that key already, no rule is made.

    Returns all keys that are seen, and whether rules were made.
    """
    source = _hold_source(connection, type)
    seen = set(connection.scalars(sa.select(traits.c.key).where(traits.c.event_type == type)))
    made = sa.and_(rules_table.c.source_guid == source, rules_table.c.origin == TRAIT)
    room = MOST - (connection.scalar(sa.select(sa.func.count()).select_from(rules_table).where(made)) or 0)
    fresh = sorted(keys - seen)[: max(0, room)]
    if not fresh:
        return seen, False
    moment = now()
    connection.execute(sa.insert(traits), [{"event_type": type, "key": key, "created_at": moment} for key in fresh])
    names = {PREFIXES[type] + key: key for key in fresh}
    taken = among(connection.dialect.name, rules_table.c.key, sorted(names))
    for name in connection.scalars(sa.select(rules_table.c.key).where(taken)):
        del names[name]
    rules = [_rule(source, name, key, moment) for name, key in sorted(names.items())]
    if rules:
        connection.execute(sa.insert(rules_table), rules)
    return seen | set(fresh), bool(rules)


def _hold_source(connection: sa.Connection, type: str) -> str:
    """The source of the traits, which nobody else changes until our transaction ends; made if need be. Who makes it at the
    same moment loses by its guid, and tries again."""
    guid = f"src_{type}"
    held = sa.select(sources.c.guid).where(sources.c.guid == guid).with_for_update()
    if connection.scalar(held) is None:
        name = f"{type} traits"
        is_taken = connection.scalar(sa.select(sources.c.guid).where(sources.c.name == name)) is not None
        values = {"app_guid": EVENTS_APP, "event_type": type, "options": {}, "created_at": now(), "updated_at": now()}
        connection.execute(sa.insert(sources).values(guid=guid, name=guid if is_taken else name, **values))
    return guid


def _rule(source: str, name: str, key: str, moment: str) -> dict[str, Any]:
    return {
        "guid": new_guid("rul"),
        "key": name,
        "type": PropertyType.STRING.value,
        "is_unique": False,
        "is_array": False,
        "source_guid": source,
        "options": {"column": DATA_PREFIX + key, "aggregation": Aggregation.MOST_RECENT.value},
        "filters": [],
        "origin": TRAIT,
        "version": 1,
        "backfilled_to": "",
        "backfilled_profiles": 0,
        "created_at": moment,
        "updated_at": moment,
    }
