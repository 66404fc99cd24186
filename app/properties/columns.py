"""Columns: what rules make of the rows of an sql app's source, and what such a source shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.foreign.cells import text_of, value_of
from app.foreign.database import ForeignDatabase
from app.foreign.selection import TOO_MANY, Cells, Selection
from app.identity.profiles import user_ids_of
from app.identity.store import IdentityStore
from app.identity.view import homes_of
from app.models import Source
from app.properties.preview import PROFILES, SAMPLE, Column, type_of
from app.properties.rules import ColumnRule
from app.properties.types import PropertyType
from app.properties.values import NOTHING, Found

SHOWN_CHARACTERS = 1000
"""More of a cell is not shown in a preview."""


@dataclass(frozen=True)
class Loaded:
    """What was made of each rule: profile → value; `missing` are columns that are not there, whose rules were passed over."""

    values: dict[str, dict[str, Found]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def selection_of(source: Source) -> Selection:
    """What the source selects in its app."""
    options = source.options
    return Selection(options["userIdColumn"], options.get("table"), options.get("schema"), options.get("query"))


def load(
    database: ForeignDatabase, selection: Selection, rules: Sequence[ColumnRule], people: Mapping[str, Sequence[str]]
) -> Loaded:
    """What the rules make of these people, profile → userIds: one question for all of them, and another for what columns
    there are. Raises AppUnavailable.

    Of somebody's userIds the first one counts whose rows have a value that can be read, rule by rule.
    """
    with database.reading() as connection:
        kinds = selection.columns(database, connection)
        columns = sorted({rule.column for rule in rules} & kinds.keys())
        user_ids = sorted({one for found in people.values() for one in found})
        rows = selection.look_up(connection, kinds[selection.user_id_column], columns, user_ids) if columns else {}
    loaded = Loaded(missing=sorted({rule.column for rule in rules} - kinds.keys()))
    for rule in rules:
        if rule.column in columns:
            place = columns.index(rule.column)
            loaded.values[rule.guid] = {guid: _found(rule.type, rows, place, ids) for guid, ids in people.items()}
    return loaded


def columns_of(database: ForeignDatabase, selection: Selection) -> list[Column]:
    """Its columns, by what some of its rows look like. Rules take them as they are: nothing is filtered or aggregated."""
    with database.reading() as connection:
        names = selection.columns(database, connection)
        some = selection.some(connection, SAMPLE)
    texts = {name: [text for row in some if (text := text_of(row.get(name))) is not None] for name in names}
    return [Column(name, type_of(found), (), ()) for name, found in texts.items()]


def rows_of(database: ForeignDatabase, selection: Selection, limit: int) -> list[dict[str, str | None]]:
    """Some of its rows, as text."""
    with database.reading() as connection:
        return [{name: _shown(cell) for name, cell in row.items()} for row in selection.some(connection, limit)]


def preview(
    store: IdentityStore, database: ForeignDatabase, selection: Selection, rule: ColumnRule, guids: Sequence[str] | None
) -> dict[str, Found]:
    """What the rule makes of these profiles; without any, of a few people who stand in some of the rows."""
    profiles = _people_in(store, database, selection) if guids is None else list(guids)
    people = user_ids_of(store, profiles)
    found = load(database, selection, [rule], people).values.get(rule.guid, {})
    return {guid: found.get(guid, NOTHING) for guid in profiles}


def _people_in(store: IdentityStore, database: ForeignDatabase, selection: Selection) -> list[str]:
    with database.reading() as connection:
        some = selection.some(connection, SAMPLE)
    user_ids = {text for row in some if (text := text_of(row.get(selection.user_id_column)))}
    with store.reading() as connection:
        return sorted(homes_of(connection, sorted(user_ids)))[:PROFILES]


def _found(type: PropertyType, rows: Mapping[str, list[Cells]], place: int, user_ids: Sequence[str]) -> Found:
    """A value, and how many userIds before it had none that could be read: no value of the type, or several ones."""
    left_out = 0
    for user_id in user_ids:
        found = rows.get(user_id, [])
        cells = [row[place] for row in found if row[place] is not None]
        values = {value_of(cell, type) for cell in cells}
        if found is not TOO_MANY and len(values) == 1 and None not in values:
            return values.pop(), left_out
        left_out += found is TOO_MANY or bool(cells)
    return None, left_out


def _shown(cell: Any) -> str | None:
    text = text_of(cell)
    return text if text is None or len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
