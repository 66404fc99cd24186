"""The catalogue: sources and property rules, made and changed by people. A changed rule is computed anew for everybody."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import current_app

from app.models import EVENTS_APP, App, PropertyRule, Source, begin_writing, db
from app.properties.rules import EventRule, problem_of, rule_of
from backends.event import new_guid, now

OWN_KEYS = ("guid", "userId", "anonymousId")
"""What profiles are found by anyway."""

KEY = r"^[^\0/\s]{1,191}\Z"
"""What a property may be called, so that it can stand in a path."""

USER, TRAIT = "user", "trait"
"""Who made a rule: a person, or the data of an identify event."""

OPTIONS = {"column": "column", "aggregation": "aggregation", "window_days": "windowDays"}

Row = TypeVar("Row")


class Refused(ValueError):
    """Raised when a field can't be what it was to be: `field`, and the message."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InUse(Exception):
    """Raised when something can't go because something else is made of it."""


def delete_app(guid: str) -> bool:
    """Whether there was one. Raises InUse: the events stay, and so does what sources are made of."""
    begin_writing()
    row = db.session.get(App, guid, with_for_update=True)
    if row is None:
        return False
    names = list(db.session.scalars(sa.select(Source.name).where(Source.app_guid == guid).limit(5)))
    if guid == EVENTS_APP or names:
        db.session.rollback()
        reason = f"sources are made of it: {', '.join(names)}. Delete them first" if names else "it is built in"
        raise InUse(f"the app {guid!r} can't be deleted: {reason}")
    db.session.delete(row)
    db.session.commit()
    return True


def create_source(app_guid: str, name: str, event_type: str) -> Source:
    """A source of the events of one type. Raises Refused."""
    moment = now()
    row = Source(guid=new_guid("src"), app_guid=app_guid, name=name, event_type=event_type, options={})
    row.created_at = row.updated_at = moment

    def write() -> Source:
        if db.session.get(App, app_guid) is None:
            raise Refused("appGuid", f"there is no app {app_guid!r}: GET /api/v1/apps lists them")
        db.session.add(row)
        return row

    return _written(write, "name", name)


def rename_source(guid: str, name: str) -> Source | None:
    """None if there is no such source. Raises Refused."""

    def write() -> Source | None:
        if (row := db.session.get(Source, guid)) is not None:
            row.name, row.updated_at = name, now()
        return row

    return _written(write, "name", name)


def delete_source(guid: str) -> bool:
    """Whether there was one. Raises InUse while rules are made of it."""
    begin_writing()
    row = db.session.get(Source, guid, with_for_update=True)
    if row is None:
        return False
    keys = list(db.session.scalars(sa.select(PropertyRule.key).where(PropertyRule.source_guid == guid).limit(5)))
    if keys:
        db.session.rollback()
        raise InUse(f"rules are made of the source {row.name!r}: {', '.join(keys)}. Delete them first")
    db.session.delete(row)
    db.session.commit()
    return True


def create_rule(values: Mapping[str, Any]) -> PropertyRule:
    """A rule; `values` as `draft_rule` takes them. One that a trait made gives way to it. Raises Refused."""

    def write() -> PropertyRule:
        _remove_trait(values["key"])
        row, source = _drafted(values)
        check(rule_of(row, source))
        db.session.add(row)
        return row

    return _written(write, "key", values["key"])


def change_rule(guid: str, changes: Mapping[str, Any]) -> PropertyRule | None:
    """Change a rule, which is computed anew for everybody then. None if there is none. Raises Refused."""

    def write() -> PropertyRule | None:
        row = db.session.get(PropertyRule, guid, with_for_update=True)
        if row is None:
            return None
        if changes.get("key", row.key) != row.key:
            _remove_trait(changes["key"])
        _set(row, changes)
        source = _source(row.source_guid)
        check(rule_of(row, source))
        row.version += 1
        _begin_backfill(row)
        return row

    return _written(write, "key", changes.get("key", ""))


def delete_rule(guid: str) -> bool:
    """Whether there was one. Its values go with the worker."""
    begin_writing()
    row = db.session.get(PropertyRule, guid, with_for_update=True)
    if row is not None:
        db.session.delete(row)
    db.session.commit()
    return row is not None


def draft_rule(values: Mapping[str, Any]) -> EventRule:
    """The rule as it would be: key, type, is_unique, is_array, source_guid, column, aggregation, window_days, filters
    ([{key, op, match}]). Nothing is written. Raises Refused."""
    row, source = _drafted(values)
    rule = rule_of(row, source)
    check(rule)
    return rule


def check(rule: EventRule) -> None:
    """Raises Refused if the rule makes no sense."""
    if rule.key in own_keys():
        raise Refused("key", f"{rule.key!r} is what profiles are known by anyway: choose another one")
    if problem := problem_of(rule):
        raise Refused(*problem)


def own_keys() -> tuple[str, ...]:
    """What no property can be called, for profiles are known by it anyway."""
    return (*OWN_KEYS, current_app.extensions["grouparoo"].settings.user_id_property)


def _remove_trait(key: str) -> None:
    """What people make takes the place of what was made by itself."""
    made = sa.delete(PropertyRule).where(PropertyRule.key == key, PropertyRule.origin == TRAIT)
    db.session.execute(made, execution_options={"synchronize_session": False})


def _drafted(values: Mapping[str, Any]) -> tuple[PropertyRule, Source]:
    source = _source(values["source_guid"])
    row = PropertyRule(guid=new_guid("rul"), source_guid=source.guid, origin=USER, version=1, options={})
    row.is_unique = row.is_array = False
    row.filters = []
    _set(row, values)
    row.created_at = now()
    _begin_backfill(row)
    return row, source


def _source(guid: str) -> Source:
    row = db.session.get(Source, guid)
    if row is None:
        raise Refused("sourceGuid", f"there is no source {guid!r}: GET /api/v1/sources lists them")
    return row


def _set(row: PropertyRule, values: Mapping[str, Any]) -> None:
    for name in ("key", "type", "is_unique", "is_array", "filters"):
        if name in values:
            setattr(row, name, values[name])
    told = {OPTIONS[name]: value for name, value in values.items() if name in OPTIONS}
    row.options = {**row.options, **told}


def _begin_backfill(row: PropertyRule) -> None:
    row.backfilled_to, row.backfilled_profiles, row.backfilled_at = "", 0, None
    row.updated_at = now()
    row.swept_to = row.updated_at if row.options.get("windowDays") else None


def _written(write: Callable[[], Row], field: str, value: str) -> Row:
    begin_writing()
    try:
        row = write()
        db.session.commit()
    except sa.exc.IntegrityError:
        db.session.rollback()
        raise Refused(field, f"there is another one called {value!r}") from None
    except Refused:
        db.session.rollback()
        raise
    return row
