"""Lookups: of whom an sql app's sources are to be asked, noted together with what makes it so."""

from collections.abc import Iterable

import sqlalchemy as sa

from app.models import Lookup, PropertyRule, Source
from backends.sql.engine import dialect_of
from backends.sql.rows import rows

lookups = sa.inspect(Lookup).local_table
rules_table = sa.inspect(PropertyRule).local_table
sources = sa.inspect(Source).local_table


def note_people(connection: sa.Connection, profile_guids: Iterable[str]) -> bool:
    """Let these people's profiles be looked up in every sql source that has rules; return whether there is any.

    For people who are new, and for those whose userIds are others by a merge or its revert.
    """
    guids = sorted(set(profile_guids))
    if not guids:
        return False
    has_rule = sa.exists().where(rules_table.c.source_guid == sources.c.guid)
    found = list(connection.scalars(sa.select(sources.c.guid).where(sources.c.event_type.is_(None), has_rule)))
    note_lookups(connection, [(source, guid) for source in found for guid in guids])
    return bool(found)


def note_lookups(connection: sa.Connection, wanted: Iterable[tuple[str, str]]) -> None:
    """Note (source, profile) pairs."""
    records = sorted(set(wanted))
    if not records:
        return
    told = rows(connection.dialect.name, "told", ["source_guid", "profile_guid"], records)
    select = sa.select(told.c.source_guid, told.c.profile_guid, sa.literal(1).label("version"))
    select = select.order_by(told.c.source_guid, told.c.profile_guid)
    own = dialect_of(connection)
    key = ["source_guid", "profile_guid"]
    connection.execute(own.upsert(lookups, key, select, lambda _: {"version": lookups.c.version + 1}))
