"""Previewing: what a source has and what a rule would make, whichever app the source is of. Nothing is written."""

from collections.abc import Sequence

from app.models import Source, db
from app.properties import columns, preview
from app.properties.columns import selection_of
from app.properties.databases import database_of_source
from app.properties.preview import Column
from app.properties.rules import ColumnRule, EventRule, Rule
from app.properties.values import Found
from app.services import services


def columns_of_source(source: Source) -> list[Column]:
    """The columns of the source. Raises AppUnavailable."""
    if source.event_type is not None:
        return preview.columns_of(services().backend, source.event_type)
    selection = selection_of(source)
    return columns.columns_of(database_of_source(source), selection)


def rows_of_source(source: Source, limit: int) -> list[dict[str, str | None]]:
    """Some rows of an sql app's source. Raises AppUnavailable."""
    selection = selection_of(source)
    return columns.rows_of(database_of_source(source), selection, limit)


def previewed(rule: Rule, profile_guids: Sequence[str] | None) -> dict[str, Found]:
    """What the rule would make of these profiles; without any, of a few. Raises AppUnavailable."""
    shared = services()
    if isinstance(rule, EventRule):
        return preview.values_of(shared.backend, rule, profile_guids)
    assert isinstance(rule, ColumnRule)
    source = db.session.get(Source, rule.source_guid)
    assert source is not None, "the rule was made of it just now"
    selection = selection_of(source)
    return columns.preview(shared.identity, database_of_source(source), selection, rule, profile_guids)
