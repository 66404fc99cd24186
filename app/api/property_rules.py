"""Property rules over HTTP: what turns events into something to know about a person."""

from flask import Blueprint

from app.api.apps import page
from app.api.bodies import read_body
from app.api.parameters import check_parameters
from app.api.property_bodies import NewRule, RuleChanges, RulePreview
from app.api.refusals import invalid_field, unknown
from app.api.shapes import Json, rule_shape
from app.api.sources import check_may_look_into, saying_what_is_away
from app.auth import requires
from app.identity import profiles
from app.models import PropertyRule, Source, db
from app.properties import catalogue
from app.properties.previewing import previewed
from app.properties.reading import left_out_of
from app.services import services
from app.stream import BACKFILL, LOAD

routes = Blueprint("property_rules", __name__)


@routes.get("/property-rules")
@requires("apps:read")
def list_all() -> Json:
    """All rules, the newest first."""
    found, following = page(PropertyRule)
    return {"propertyRules": [rule_shape(row) for row in found], "next": following}


@routes.post("/property-rules")
@requires("apps:write")
def create() -> tuple[Json, int]:
    """Make a rule; it is computed for everybody, beginning now."""
    check_parameters([])
    try:
        row = catalogue.create_rule(read_body(NewRule()))
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    _wake()
    return {"propertyRule": rule_shape(row)}, 201


@routes.post("/property-rules/preview")
@requires("apps:read", "profiles:read")
def preview() -> Json:
    """What the rule would make of a few profiles; nothing is written. Of an sql app's source, for keys with apps:write."""
    check_parameters([])
    body = read_body(RulePreview())
    profile_guids = _present(body.pop("profile_guids", None))
    if (source := db.session.get(Source, body["source_guid"])) is not None:
        check_may_look_into(source)
    try:
        rule = catalogue.draft_rule(body)
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    with saying_what_is_away():
        found = previewed(rule, profile_guids)
    return {"values": [{"profileGuid": guid, "value": value, "leftOut": left} for guid, (value, left) in found.items()]}


@routes.get("/property-rules/<guid>")
@requires("apps:read")
def show(guid: str) -> Json:
    """One rule, how far it is computed, and how many strings it could not read."""
    check_parameters([])
    row = db.session.get(PropertyRule, guid)
    if row is None:
        raise unknown("property rule", guid)
    return {"propertyRule": rule_shape(row), "leftOut": left_out_of(services().identity, guid)}


@routes.patch("/property-rules/<guid>")
@requires("apps:write")
def change(guid: str) -> Json:
    """Change a rule; it is computed anew for everybody."""
    check_parameters([])
    try:
        row = catalogue.change_rule(guid, read_body(RuleChanges()))
    except catalogue.Refused as error:
        raise invalid_field(error.field, str(error)) from None
    if row is None:
        raise unknown("property rule", guid)
    _wake()
    return {"propertyRule": rule_shape(row)}


@routes.delete("/property-rules/<guid>")
@requires("apps:write")
def delete(guid: str) -> Json:
    """Delete a rule; its properties are gone at once."""
    check_parameters([])
    if not catalogue.delete_rule(guid):
        raise unknown("property rule", guid)
    _wake()
    return {"propertyRule": {"guid": guid, "state": "deleted"}}


def _present(guids: list[str] | None) -> list[str] | None:
    """The profiles that these guids lead to. Raises ApiError (422) for one that was never a profile's."""
    if guids is None:
        return None
    found = {guid: profiles.find(services().identity, guid) for guid in guids}
    if missing := [guid for guid, profile in found.items() if profile is None]:
        raise invalid_field("profileGuids", f"there is no profile {missing[0]!r}")
    return [profile.guid for profile in found.values() if profile]


def _wake() -> None:
    """Whichever job computes it."""
    services().wake(BACKFILL)
    services().wake(LOAD)
