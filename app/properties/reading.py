"""Reading properties: of some profiles at once, and which profile has a unique value."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.identity.store import IdentityStore
from app.properties.marks import rules_table
from app.properties.types import Value
from app.properties.values import properties, text_of
from backends.event import Timestamp
from backends.sql.rows import among

COUNTED_AT_MOST = 100_000


class Known(NamedTuple):
    """A property of a profile: its value, as of when, by which rule; `conflict` is the profile that has the unique value."""

    value: Any
    computed_at: Timestamp
    rule_guid: str
    conflict: str | None


def properties_of(store: IdentityStore, profile_guids: Iterable[str]) -> dict[str, dict[str, Known]]:
    """The properties of these profiles, by key, in order."""
    found: dict[str, dict[str, Known]] = {guid: {} for guid in profile_guids}
    columns = [properties.c[name] for name in ("profile_guid", "value", "computed_at", "rule_guid", "conflict")]
    statement = sa.select(rules_table.c.key, *columns).join(rules_table, rules_table.c.guid == properties.c.rule_guid)
    theirs = among(store.dialect, properties.c.profile_guid, sorted(found))
    with store.reading() as connection:
        for row in connection.execute(statement.where(theirs).order_by(rules_table.c.key)):
            if row.value is not None:
                found[row.profile_guid][row.key] = Known(*row[2:])
    return found


def keys_of(store: IdentityStore) -> list[str]:
    """The keys of all properties, in order."""
    with store.reading() as connection:
        return list(connection.scalars(sa.select(rules_table.c.key).order_by(rules_table.c.key)))


def find_by_unique(store: IdentityStore, key: str, value: Value) -> tuple[bool, str | None]:
    """Whether there is a unique property of that key, and the profile that has this value of it."""
    with store.reading() as connection:
        is_it = sa.and_(rules_table.c.key == key, rules_table.c.is_unique)
        rule = connection.scalar(sa.select(rules_table.c.guid).where(is_it))
        text = text_of(value)
        if rule is None or text is None:
            return rule is not None, None
        here = sa.and_(properties.c.rule_guid == rule, properties.c.unique_value == text)
        return True, connection.scalar(sa.select(properties.c.profile_guid).where(here))


def count_conflicts(connection: sa.Connection) -> int:
    """How many values of unique properties belong to another profile already, counted up to COUNTED_AT_MOST."""
    some = sa.select(sa.literal(1)).where(properties.c.conflict.is_not(None)).limit(COUNTED_AT_MOST).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def left_out_of(store: IdentityStore, rule_guid: str) -> int:
    """How many strings are no value of the rule's type, over all profiles."""
    total = sa.select(sa.func.coalesce(sa.func.sum(properties.c.left_out), 0)).where(properties.c.rule_guid == rule_guid)
    with store.reading() as connection:
        return int(connection.scalar(total) or 0)
