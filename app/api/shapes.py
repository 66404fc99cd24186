"""Shapes: how records look in JSON (04-http, "Shapes")."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.identity.profiles import ProfileRecord
from app.models import ApiKey, App, DeadLetter, Loading, PropertyRule, Source
from app.properties.failing import Failing
from app.properties.preview import Column
from app.properties.reading import Known
from backends.event import Event

Json = dict[str, Any]


def event_shape(event: Event, profile_guid: str | None, state: str = "stored") -> Json:
    """An event, on the profile to which it belongs now."""
    return {
        "guid": event.guid,
        "messageId": event.message_id,
        "producerGuid": event.producer_guid,
        "profileGuid": profile_guid,
        "type": event.type,
        "userId": event.user_id,
        "anonymousId": event.anonymous_id,
        "ipAddress": event.ip_address,
        "occurredAt": event.occurred_at,
        "createdAt": event.created_at,
        "updatedAt": event.updated_at or event.created_at,
        "profileAssociatedAt": event.profile_associated_at,
        "data": event.data,
        "state": state,
    }


def profile_shape(profile: ProfileRecord, properties: Mapping[str, Known]) -> Json:
    """A profile with its identifiers and properties."""
    return {
        "guid": profile.guid,
        "identifiers": identifier_shapes(profile),
        "properties": {key: property_shape(known) for key, known in properties.items()},
        "createdAt": profile.created_at,
        "updatedAt": profile.updated_at,
    }


def property_shape(known: Known) -> Json:
    """A value, when and by which rule it was computed; and, if it should be unique, which other profile has it."""
    shape = {"value": known.value, "updatedAt": known.computed_at, "rule": known.rule_guid}
    return {**shape, "conflict": known.conflict} if known.conflict else shape


def app_shape(app: App, failing: Sequence[Failing] = ()) -> Json:
    """An app, without how to get in; `failing` are those of its sources that can't be loaded."""
    options = {name: app.options.get(name) for name in ("scheme", "host", "port", "database", "sslmode")}
    return {
        "guid": app.guid,
        "name": app.name,
        "kind": app.kind,
        **options,
        "failures": [{"source": one.source, **failure_shape(one.loading)} for one in failing],
        "createdAt": app.created_at,
        "updatedAt": app.updated_at,
    }


def source_shape(source: Source, loading: Loading | None = None) -> Json:
    """A source; of an sql app, with how its loading goes."""
    options = {name: source.options.get(name) for name in ("table", "schema", "query", "userIdColumn", "refreshSeconds")}
    return {
        "guid": source.guid,
        "appGuid": source.app_guid,
        "name": source.name,
        "eventType": source.event_type,
        **options,
        "refreshedAt": loading.refreshed_at if loading else None,
        "failure": failure_shape(loading) if loading and loading.failure else None,
        "createdAt": source.created_at,
        "updatedAt": source.updated_at,
    }


def failure_shape(loading: Loading) -> Json:
    """What is wrong with a source, since when, and when it is asked again."""
    return {"message": loading.failure, "at": loading.failed_at, "retryAt": loading.retry_at}


def column_shape(column: Column) -> Json:
    """A column of a source, and what can be asked of it."""
    return {
        "key": column.key,
        "type": column.type.value,
        "operators": [one.value for one in column.operators],
        "aggregations": [one.value for one in column.aggregations],
    }


def rule_shape(rule: PropertyRule) -> Json:
    """A property rule, and how far it is computed."""
    return {
        "guid": rule.guid,
        "key": rule.key,
        "type": rule.type,
        "unique": rule.is_unique,
        "isArray": rule.is_array,
        "sourceGuid": rule.source_guid,
        "column": rule.options.get("column"),
        "aggregation": rule.options.get("aggregation"),
        "windowDays": rule.options.get("windowDays"),
        "filters": rule.filters,
        "origin": rule.origin,
        "backfill": {
            "state": "done" if rule.backfilled_at else "running",
            "profiles": rule.backfilled_profiles,
            "finishedAt": rule.backfilled_at,
        },
        "createdAt": rule.created_at,
        "updatedAt": rule.updated_at,
    }


def identifier_shapes(profile: ProfileRecord) -> list[Json]:
    """The userIds first, then the devices."""
    return [{"kind": kind, "value": value} for kind, value in profile.identifiers]


def dead_letter_shape(letter: DeadLetter, event: Event) -> Json:
    """A parked event with what it did."""
    return {
        "guid": letter.guid,
        "reason": letter.reason,
        "createdAt": letter.created_at,
        "event": event_shape(event, None, "dead"),
    }


def key_shape(key: ApiKey) -> Json:
    """An API key, without the key."""
    return {
        "guid": key.guid,
        "name": key.name,
        "permissions": key.permissions,
        "origins": key.origins,
        "rateLimit": key.rate_limit,
        "createdAt": key.created_at,
        "updatedAt": key.updated_at,
        "revokedAt": key.revoked_at,
    }
