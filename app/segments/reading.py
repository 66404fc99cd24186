"""Reading segments: what can be asked, a page of profiles in order, and how many there are."""

from typing import NamedTuple

import sqlalchemy as sa

from app.identity import profiles
from app.identity.current import is_doubtful
from app.identity.profiles import ProfileRecord
from app.identity.store import IdentityStore
from app.identity.view import identifiers
from app.properties.marks import rules_table
from app.properties.types import PropertyType
from app.properties.values import properties
from app.segments.matching import Place, all_homes, homes, sorted_homes
from app.segments.segment import Field, Fields, Segment
from backends.sql.engine import dialect_of


class Member(NamedTuple):
    """A profile of a segment, and where it stands there."""

    profile: ProfileRecord
    place: Place


def fields_of(store: IdentityStore, user_id_property: str) -> Fields:
    """All that a segment can be made of."""
    columns = [rules_table.c[name] for name in ("key", "guid", "type", "is_array")]
    with store.reading() as connection:
        rows = connection.execute(sa.select(*columns))
        found = {row.key: Field(row.guid, PropertyType(row.type), row.is_array) for row in rows}
    user_id = Field(None, PropertyType.STRING, False)
    return {**found, "userId": user_id, user_id_property: user_id}


def page(store: IdentityStore, segment: Segment, limit: int, after: Place | None = None) -> list[Member]:
    """Up to `limit` profiles of the segment behind `after`. Fewer, and there are no more.

    A profile that keeps its value is found once by pages one after the other, whatever else comes, goes or changes meanwhile.
    """
    found: list[Member] = []
    with store.reading(at_one_moment=True) as connection:
        while len(found) < limit:
            rows = _rows(connection, store, segment, limit, after)
            places = {row.home: Place(row.sorted_by, row.home) for row in rows}
            current = profiles.present(connection, store, [(row.kind, row.value) for row in rows])
            found += [Member(profile, places[profile.guid]) for profile in current]
            if len(rows) < limit:
                break
            after = places[rows[-1].home]
    return found[:limit]


def count(store: IdentityStore, segment: Segment) -> int:
    """How many profiles are in the segment."""
    wanted = all_homes(segment, store.policy)
    doubtful = sa.select(identifiers.c.kind, identifiers.c.value).where(wanted, is_doubtful(store.policy))
    with store.reading(at_one_moment=True) as connection:
        total = connection.scalar(sa.select(sa.func.count()).select_from(identifiers).where(wanted)) or 0
        pairs = [(row[0], row[1]) for row in connection.execute(doubtful)]
        return total - len(pairs) + len(profiles.present(connection, store, pairs))


def place_of(store: IdentityStore, segment: Segment, profile_guid: str) -> Place | None:
    """Where the profile stands, or would stand, in the segment; None if it is not known, or was merged away and can't be
    sorted any more."""
    found = profiles.find(store, profile_guid)
    if found is None or (segment.sort and found.guid != profile_guid):
        return None
    if segment.sort is None:
        return Place(None, profile_guid)
    column = properties.c.number_value if segment.sort.is_number else properties.c.text_value
    here = sa.and_(properties.c.profile_guid == profile_guid, properties.c.rule_guid == segment.sort.rule_guid)
    with store.reading() as connection:
        return Place(connection.scalar(sa.select(column).where(here)), profile_guid)


def _rows(
    connection: sa.Connection, store: IdentityStore, segment: Segment, limit: int, after: Place | None
) -> list[sa.Row[tuple[str, str, str, float | str | None]]]:
    """Up to `limit` homes behind `after`: those that have a value to sort by, then the others."""
    found: list[sa.Row[tuple[str, str, str, float | str | None]]] = []
    behind = "" if after is None else after.guid
    if segment.sort and (after is None or after.value is not None):
        statement = sorted_homes(segment, segment.sort, dialect_of(connection), store.policy, after)
        found += connection.execute(statement.limit(limit))
        behind = ""
    if len(found) < limit:
        found += connection.execute(homes(segment, store.policy, behind).limit(limit - len(found)))
    return found
