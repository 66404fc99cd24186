"""Operations: what each route takes and answers. The words come from the views, the permissions from `requires`."""

from collections.abc import Mapping
from dataclasses import dataclass

from marshmallow import Schema

from app.api.app_bodies import AppChanges, NewApp
from app.api.bodies import KeyChanges, MergeBody, NewKey, SuppressionBody
from app.api.property_bodies import NewRule, NewSource, RuleChanges, RulePreview, SourceChanges
from app.openapi import queries
from app.openapi.answers import apps, dead_letters, events, health, ingest, keys, profiles, rules, sources, suppressions

JSON = "application/json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Operation:
    """One method of one route. `answers` are those that are no errors: JSON of this schema, or anything (None).

    A schema may be named that app.openapi.document makes, where marshmallow has no word for it.
    `errors` are those besides the ones that every route with a key may answer.
    """

    tag: str
    answers: Mapping[int, type[Schema] | str | None]
    errors: tuple[int, ...] = ()
    query: type[Schema] | None = None
    takes_data: bool = False
    body: type[Schema] | str | None = None
    content: tuple[str, ...] = (JSON,)


OPERATIONS: Mapping[str, Operation] = {
    "ingest.track": Operation("ingest", {202: ingest.TrackAnswer}, (400, 413, 415), body="Event"),
    "ingest.batch": Operation("ingest", {202: ingest.BatchAnswer}, (400, 413, 415), body="Batch"),
    "clients.script": Operation("clients", {200: None}, (404,), content=("text/javascript",)),
    "health.live": Operation("health", {200: health.Health}),
    "health.ready": Operation("health", {200: health.Readiness, 503: health.Readiness}),
    "metrics.show": Operation("health", {200: None}, content=("text/plain", "application/openmetrics-text")),
    "api.events.list_all": Operation("events", {200: events.EventPage}, (400,), queries.Events, takes_data=True),
    "api.events.types": Operation("events", {200: events.Types}, (400,)),
    "api.events.volume": Operation("events", {200: events.Volume}, (400,), queries.Volume),
    "api.events.export": Operation(
        "events", {200: None}, (400, 404), queries.EventExport, takes_data=True, content=(NDJSON, "text/csv")
    ),
    "api.events.show": Operation("events", {200: events.EventAnswer}, (400, 404)),
    "api.events.explain": Operation("events", {200: events.EventExplained}, (400, 404)),
    "api.profiles.list_all": Operation("profiles", {200: profiles.ProfilePage}, (400,), queries.Profiles),
    "api.profiles.export_all": Operation(
        "profiles", {200: None}, (400, 404), queries.SegmentExport, content=(NDJSON, "text/csv")
    ),
    "api.profiles.show": Operation("profiles", {200: profiles.ProfileAnswer}, (400, 404)),
    "api.profiles.show_by": Operation("profiles", {200: profiles.ProfileAnswer}, (400, 404)),
    "api.profiles.events": Operation(
        "profiles", {200: events.EventPage}, (400, 404), queries.ProfileEvents, takes_data=True
    ),
    "api.profiles.identifiers": Operation("profiles", {200: profiles.Identifiers}, (400, 404)),
    "api.profiles.properties": Operation("profiles", {200: profiles.Properties}, (400, 404)),
    "api.profiles.explain": Operation(
        "profiles", {200: "ProfileExplained"}, (400, 404), queries.ProfileExplanation
    ),
    "api.profiles.export": Operation("profiles", {200: None}, (400, 404), queries.ProfileExport, content=(NDJSON,)),
    "api.profiles.merge": Operation(
        "profiles", {202: profiles.MergeAnswer}, (400, 404, 409, 413, 415, 422), body=MergeBody
    ),
    "api.profiles.revert": Operation("profiles", {202: profiles.RevertAnswer}, (400, 404)),
    "api.profiles.delete": Operation("profiles", {202: profiles.DeletionAnswer}, (400, 404), queries.Deletion),
    "api.apps.list_all": Operation("properties", {200: apps.AppPage}, (400,), queries.Page),
    "api.apps.create": Operation("properties", {201: apps.AppAnswer}, (400, 413, 415, 422), body=NewApp),
    "api.apps.show": Operation("properties", {200: apps.AppAnswer}, (400, 404)),
    "api.apps.change": Operation(
        "properties", {200: apps.AppAnswer}, (400, 404, 409, 413, 415, 422), body=AppChanges
    ),
    "api.apps.test": Operation("properties", {200: apps.TestAnswer}, (400, 404, 409)),
    "api.apps.delete": Operation("properties", {200: apps.DeletedAppAnswer}, (400, 404, 409)),
    "api.sources.list_all": Operation("properties", {200: sources.SourcePage}, (400,), queries.Page),
    "api.sources.create": Operation(
        "properties", {201: sources.SourceAnswer}, (400, 413, 415, 422), body=NewSource
    ),
    "api.sources.show": Operation("properties", {200: sources.SourceAnswer}, (400, 404)),
    "api.sources.change": Operation(
        "properties", {200: sources.SourceAnswer}, (400, 404, 413, 415, 422), body=SourceChanges
    ),
    "api.sources.delete": Operation("properties", {200: sources.DeletedSourceAnswer}, (400, 404, 409)),
    "api.sources.show_preview": Operation("properties", {200: sources.Preview}, (400, 404, 409), queries.Limit),
    "api.sources.show_columns": Operation("properties", {200: sources.Columns}, (400, 404, 409)),
    "api.property_rules.list_all": Operation("properties", {200: rules.PropertyRulePage}, (400,), queries.Page),
    "api.property_rules.create": Operation(
        "properties", {201: rules.PropertyRuleAnswer}, (400, 413, 415, 422), body=NewRule
    ),
    "api.property_rules.preview": Operation(
        "properties", {200: rules.RulePreviewed}, (400, 409, 413, 415, 422), body=RulePreview
    ),
    "api.property_rules.show": Operation("properties", {200: rules.PropertyRuleShown}, (400, 404)),
    "api.property_rules.change": Operation(
        "properties", {200: rules.PropertyRuleAnswer}, (400, 404, 413, 415, 422), body=RuleChanges
    ),
    "api.property_rules.delete": Operation("properties", {200: rules.DeletedRuleAnswer}, (400, 404)),
    "api.suppressions.list_all": Operation("suppressions", {200: suppressions.SuppressionPage}, (400,), queries.Page),
    "api.suppressions.add": Operation(
        "suppressions", {201: suppressions.SuppressionAnswer}, (400, 413, 415, 422), body=SuppressionBody
    ),
    "api.suppressions.remove": Operation("suppressions", {200: suppressions.ReleasedAnswer}, (400, 404)),
    "api.keys.list_all": Operation("keys", {200: keys.KeyPage}, (400,), queries.Page),
    "api.keys.create": Operation("keys", {201: keys.ShownKey}, (400, 413, 415, 422), body=NewKey),
    "api.keys.show": Operation("keys", {200: keys.KeyAnswer}, (400, 404)),
    "api.keys.change": Operation("keys", {200: keys.KeyAnswer}, (400, 404, 413, 415, 422), body=KeyChanges),
    "api.keys.rotate": Operation("keys", {200: keys.ShownKey}, (400, 404, 409)),
    "api.keys.revoke": Operation("keys", {200: keys.KeyAnswer}, (400, 404)),
    "api.dead_letters.list_all": Operation("dead-letters", {200: dead_letters.DeadLetterPage}, (400,), queries.DeadLetters),
    "api.dead_letters.show": Operation("dead-letters", {200: dead_letters.DeadLetterAnswer}, (400, 404)),
    "api.dead_letters.retry": Operation("dead-letters", {202: dead_letters.HandledDeadLetterAnswer}, (400, 404)),
    "api.dead_letters.drop": Operation("dead-letters", {200: dead_letters.HandledDeadLetterAnswer}, (400, 404)),
    "api.status.show": Operation("health", {200: health.Status}, (400,)),
    "openapi.document": Operation("documentation", {200: None}),
    "openapi.page": Operation("documentation", {200: None}, content=("text/html",)),
    "openapi.asset": Operation("documentation", {200: None}, (404,), content=("text/javascript", "text/css")),
}
"""By endpoint."""

OPEN = ("clients.script", "health.live", "health.ready", "openapi.document", "openapi.page", "openapi.asset")
"""Endpoints that need no key. /metrics needs none where METRICS_PUBLIC says so."""

PERMISSIONS_INSIDE = {"ingest.track": ("events:write",), "ingest.batch": ("events:write",), "metrics.show": ("status:read",)}
"""What is asked for inside the view, because it depends on the event or on the settings."""
