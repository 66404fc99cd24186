"""Shapes: how records look in JSON (04-http, "Shapes")."""

from typing import Any

from app.identity.profiles import ProfileRecord
from app.models import ApiKey, DeadLetter
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


def profile_shape(profile: ProfileRecord) -> Json:
    """A profile with its identifiers."""
    return {
        "guid": profile.guid,
        "identifiers": identifier_shapes(profile),
        "properties": {},
        "createdAt": profile.created_at,
        "updatedAt": profile.updated_at,
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
