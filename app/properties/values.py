"""Values: writing what was computed, unique values among them; in the caller's transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from app.identity.view import identifiers
from app.models import Property
from app.properties.lookups import note_lookups
from app.properties.marks import mark, rules_table, sources
from app.properties.rules import Rule
from app.properties.types import Value
from backends.event import MAX_ID_LENGTH, Timestamp, now
from backends.sql.engine import dialect_of
from backends.sql.rows import among

properties = sa.inspect(Property).local_table

Found = tuple[Value | list[Value] | None, int]
"""A value, if any, and how many strings were left out."""

NOTHING: Found = (None, 0)


@dataclass(frozen=True)
class Computed:
    """What a rule makes of some profiles, from the events as they were at `began`.

    With `is_certain` it is written down also of whom it makes nothing, so that a slower computation can't undo it.
    """

    rule: Rule
    profile_guids: Sequence[str]
    values: Mapping[str, Found]
    began: Timestamp
    is_certain: bool = True


def write_values(connection: sa.Connection, computed: Sequence[Computed]) -> None:
    """Write the values. A rule that changed since is passed over, for it is computed anew; who is no profile any more loses
    all properties. Unique values are written by one at a time: who sees that nobody has a value shall be right."""
    unique = {one.rule.guid for one in computed if one.rule.is_unique}
    others = {one.rule.guid for one in computed} - unique
    versions = _held(connection, rules_table.c.guid, unique, rules_table.c.version, shared=False)
    versions |= _held(connection, rules_table.c.guid, others, rules_table.c.version)
    guids = {guid for one in computed for guid in one.profile_guids}
    homes = _held(connection, identifiers.c.home, guids, identifiers.c.home)
    for one in computed:
        if versions.get(one.rule.guid) == one.rule.version:
            _write_rule(connection, one, homes.keys())
    if gone := sorted(guids - homes.keys()):
        forget(connection, gone)


def forget(connection: sa.Connection, profile_guids: Sequence[str]) -> None:
    """These profiles have no properties any more; who wanted a unique value of theirs is looked at again."""
    theirs = among(connection.dialect.name, properties.c.profile_guid, profile_guids)
    connection.execute(sa.delete(properties).where(theirs))
    _wake_rivals(connection, among(connection.dialect.name, properties.c.conflict, profile_guids))


def _held(
    connection: sa.Connection, key: sa.Column[Any], values: Collection[str], told: sa.Column[Any], shared: bool = True
) -> dict[str, Any]:
    """What is told of each of the values; these rows can't go, nor, unless `shared`, be held so by others, before our
    transaction ends."""
    here = among(connection.dialect.name, key, sorted(values))
    found = sa.select(key, told).where(here).order_by(key).with_for_update(read=shared, key_share=True)
    return {row[0]: row[1] for row in connection.execute(found)} if values else {}


def _write_rule(connection: sa.Connection, computed: Computed, homes: Collection[str]) -> None:
    rule = computed.rule
    values = {guid: computed.values.get(guid, NOTHING) for guid in computed.profile_guids if guid in homes}
    kept = {guid: one for guid, one in values.items() if computed.is_certain or one != NOTHING}
    owners = _settle_owners(connection, computed, kept) if rule.is_unique else {}
    records = [_record(computed, guid, *one, owners) for guid, one in sorted(kept.items())]
    if records:
        names = [name for name in records[0] if name not in ("profile_guid", "rule_guid")]
        own = dialect_of(connection)
        connection.execute(own.upsert(properties, ["profile_guid", "rule_guid"], None, _newer(names)), records)
    if emptied := [guid for guid in values if guid not in kept]:
        _empty(connection, computed, emptied)
    if rule.is_unique and values:
        rivals = among(connection.dialect.name, properties.c.conflict, sorted(values))
        _wake_rivals(connection, sa.and_(properties.c.rule_guid == rule.guid, rivals))


def _empty(connection: sa.Connection, computed: Computed, profile_guids: Sequence[str]) -> None:
    """These have no value, if they had one: the row stays, for a slower computation must not bring it back."""
    nothing = {**_record(computed, "", *NOTHING, {})}
    del nothing["profile_guid"]
    here = among(connection.dialect.name, properties.c.profile_guid, profile_guids)
    is_older = sa.and_(properties.c.rule_guid == computed.rule.guid, properties.c.computed_at <= computed.began)
    connection.execute(sa.update(properties).where(here, is_older).values(nothing))


def _newer(names: Sequence[str]) -> Callable[[Any], dict[str, Any]]:
    """What is computed is written over what was computed from earlier on; when, last, for MySQL reads what it has written."""

    def changes(told: Any) -> dict[str, Any]:
        is_newer = told.computed_at >= properties.c.computed_at
        return {name: sa.case((is_newer, told[name]), else_=properties.c[name]) for name in names}

    return changes


def _record(
    computed: Computed, guid: str, value: Value | list[Value] | None, left_out: int, owners: Mapping[str, str]
) -> dict[str, Any]:
    text = text_of(value)
    owner = owners.get(text, guid) if text is not None else guid
    return {
        "profile_guid": guid,
        "rule_guid": computed.rule.guid,
        "value": value,
        "text_value": text,
        "number_value": value if isinstance(value, int | float) and not isinstance(value, bool) else None,
        "unique_value": text if computed.rule.is_unique and owner == guid else None,
        "conflict": owner if owner != guid else None,
        "left_out": left_out,
        "computed_at": computed.began,
    }


def _settle_owners(connection: sa.Connection, computed: Computed, kept: Mapping[str, Found]) -> dict[str, str]:
    """Whose each value is: who has it already, and keeps it, else the first of those who want it. Who has another one now
    gives it up first. The constraint has the last word.

    Who has it can't give it up before our transaction ends: then we are among the rivals who are woken.
    """
    texts = {guid: text for guid, (value, _) in sorted(kept.items()) if (text := text_of(value)) is not None}
    dialect, ours = connection.dialect.name, properties.c.rule_guid == computed.rule.guid
    is_wanted = among(dialect, properties.c.unique_value, sorted(set(texts.values())))
    is_kept = among(dialect, properties.c.profile_guid, sorted(kept))
    holds = sa.select(properties.c.unique_value, properties.c.profile_guid, properties.c.computed_at)
    found = [*connection.execute(holds.where(ours, is_kept))]
    found += connection.execute(holds.where(ours, is_wanted).with_for_update(read=True))
    owners: dict[str, str] = {}
    gives_up = []
    for text, guid, computed_at in found:
        if guid in kept and computed_at <= computed.began and texts.get(guid) != text:
            gives_up.append(guid)
        elif text is not None:
            owners[text] = guid
    if gives_up:
        is_older = sa.and_(properties.c.computed_at <= computed.began, among(dialect, properties.c.profile_guid, gives_up))
        connection.execute(sa.update(properties).where(ours, is_older).values(unique_value=None))
    for guid, text in texts.items():
        owners.setdefault(text, guid)
    return owners


def _wake_rivals(connection: sa.Connection, selected: sa.ColumnElement[bool]) -> None:
    """Mark those selected who wanted a value that the one named in their conflict has no more, though another may have it."""
    owner = properties.alias("owner")
    is_named = sa.and_(owner.c.profile_guid == properties.c.conflict, owner.c.rule_guid == properties.c.rule_guid)
    still = sa.exists().where(is_named, owner.c.unique_value == properties.c.text_value)
    statement = sa.select(properties.c.profile_guid, sources.c.guid, sources.c.event_type.is_(None))
    statement = statement.join(rules_table, rules_table.c.guid == properties.c.rule_guid)
    statement = statement.join(sources, sources.c.guid == rules_table.c.source_guid).where(selected, sa.not_(still))
    rivals = list(connection.execute(statement))
    mark(connection, [(guid, source) for guid, source, is_sql in rivals if not is_sql], now())
    note_lookups(connection, [(source, guid) for guid, source, is_sql in rivals if is_sql])


def text_of(value: Value | list[Value] | None) -> str | None:
    """The value as text to look for it by; too long a text is not looked for."""
    if value is None or isinstance(value, list):
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= MAX_ID_LENGTH else None
