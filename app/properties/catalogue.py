"""The catalogue: sources and property rules, made and changed by people. A changed rule is computed anew for everybody."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import current_app

from app.models import EVENTS_APP, App, Loading, Lookup, PropertyRule, Source, begin_writing, db
from app.properties.databases import check_column, check_source
from app.properties.rules import Refused as Refused
from app.properties.rules import Rule, rule_of
from backends.event import new_guid, now

OWN_KEYS = ("guid", "userId", "anonymousId")
"""What profiles are found by anyway."""

KEY = r"^[^\0/\s]{1,191}\Z"
"""What a property may be called, so that it can stand in a path."""

USER, TRAIT = "user", "trait"
"""Who made a rule: a person, or the data of an identify event."""

SELECTION = ("table", "schema", "query", "userIdColumn", "refreshSeconds")
"""What the options of an sql app's source may be."""

OPTIONS = {"column": "column", "aggregation": "aggregation", "window_days": "windowDays"}

Row = TypeVar("Row")


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


def create_source(app_guid: str, name: str, event_type: str | None = None, **options: Any) -> Source:
    """A source of the events of one type; or, of an sql app, of its table or query (options as in app.foreign.selection).
    Raises Refused."""
    moment = now()
    row = Source(guid=new_guid("src"), app_guid=app_guid, name=name, event_type=event_type)
    row.options = {one: options[one] for one in SELECTION if options.get(one) is not None}
    row.created_at = row.updated_at = moment
    _check_selection(row)

    def write() -> Source:
        _app(app_guid)
        db.session.add(row)
        if event_type is None:
            db.session.add(Loading(source_guid=row.guid, reached="", refreshed_at=moment, failures=0))
        return row

    return written(write, "name", name)


def change_source(guid: str, name: str | None = None, refresh_seconds: int | None = None) -> Source | None:
    """None if there is no such source. Raises Refused."""

    def write() -> Source | None:
        if (row := db.session.get(Source, guid)) is not None:
            if refresh_seconds is not None and row.event_type is not None:
                raise Refused("refreshSeconds", "that is for sources of sql apps: those of events are right at once")
            row.name, row.updated_at = name or row.name, now()
            row.options = {**row.options, **({"refreshSeconds": refresh_seconds} if refresh_seconds else {})}
        return row

    return written(write, "name", name or "")


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
    for model in (Loading, Lookup):
        db.session.execute(sa.delete(model).where(model.source_guid == guid))
    db.session.commit()
    return True


def create_rule(values: Mapping[str, Any]) -> PropertyRule:
    """A rule; `values` as `draft_rule` takes them. One that a trait made gives way to it. Raises Refused."""
    check_column(values["source_guid"], values["column"])

    def write() -> PropertyRule:
        _remove_trait(values["key"])
        row, source = _drafted(values)
        check(rule_of(row, source))
        db.session.add(row)
        return row

    return written(write, "key", values["key"])


def change_rule(guid: str, changes: Mapping[str, Any]) -> PropertyRule | None:
    """Change a rule, which is computed anew for everybody then. None if there is none. Raises Refused."""
    if (known := db.session.get(PropertyRule, guid)) is not None:
        check_column(known.source_guid, changes.get("column"))

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

    return written(write, "key", changes.get("key", ""))


def delete_rule(guid: str) -> bool:
    """Whether there was one. Its values go with the worker."""
    begin_writing()
    row = db.session.get(PropertyRule, guid, with_for_update=True)
    if row is not None:
        db.session.delete(row)
    db.session.commit()
    return row is not None


def draft_rule(values: Mapping[str, Any]) -> Rule:
    """The rule as it would be: key, type, is_unique, is_array, source_guid, column, aggregation, window_days, filters
    ([{key, op, match}]). Nothing is written. Raises Refused."""
    check_column(values["source_guid"], values["column"])
    row, source = _drafted(values)
    rule = rule_of(row, source)
    check(rule)
    return rule


def check(rule: Rule) -> None:
    """Raises Refused if the rule makes no sense."""
    if rule.key in own_keys():
        raise Refused("key", f"{rule.key!r} is what profiles are known by anyway: choose another one")
    if problem := rule.problem():
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


def _app(guid: str) -> App:
    row = db.session.get(App, guid)
    if row is None:
        raise Refused("appGuid", f"there is no app {guid!r}: GET /api/v1/apps lists them")
    return row


def _check_selection(row: Source) -> None:
    """Refuse what is no source of such an app, and what is not there."""
    is_sql = _app(row.app_guid).kind != "events"
    if not is_sql:
        if row.event_type is None:
            raise Refused("eventType", "a source of events needs it: the type of its events")
        if row.options:
            raise Refused(min(row.options), "that is for sources of sql apps")
        return
    if row.event_type is not None:
        raise Refused("eventType", "that is for sources of events: of an sql app say the table, or a query")
    if ("table" in row.options) == ("query" in row.options):
        raise Refused("table", "say a table or a query, one of the two")
    if "userIdColumn" not in row.options:
        raise Refused("userIdColumn", "a source of an sql app needs it: the column with the userId")
    if ";" in row.options.get("query", ""):
        raise Refused("query", "a query is one statement: send it without any ';'")
    check_source(row)


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


def written(write: Callable[[], Row], field: str, value: str) -> Row:
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
