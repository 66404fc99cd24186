"""Explaining: which rule, claims and merges make an event, or an identifier, belong to its profile."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.api.shapes import Json, identifier_shapes
from app.identity import profiles
from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.rule import DELETED, EXPIRED, LINK
from app.identity.view import claims_table, merges, roots_of
from app.services import services
from backends.event import Event
from backends.sql.rows import among

CLAIMS_SHOWN = 100
NOT_LOOKED_AT = "nobody has looked at the event yet: the next scan does"
NAMES_NOBODY = "the event names nobody"


def explain_event(event: Event) -> Json:
    """Why the event belongs to its profile."""
    explanation = profiles.explain(services().identity, event)
    owner, devices = explanation.owner, [event.anonymous_id] if event.anonymous_id is not None else []
    rule = owner.reason.value if owner else NAMES_NOBODY
    with services().identity.reading() as connection:
        claims = _claims_of(connection, devices)
        users = {claim["userId"] for claim in claims} | {event.user_id}
        return {
            "eventGuid": event.guid,
            "rule": rule if event.profile_associated_at else NOT_LOOKED_AT,
            "owner": {"kind": owner.kind, "value": owner.value} if owner else None,
            "profileGuid": explanation.profile_guid if event.profile_guid else None,
            "person": explanation.person,
            "claims": claims,
            "merges": _merges_above(connection, {user for user in users if user is not None}, devices),
        }


def explain_profile(profile: ProfileRecord) -> Json:
    """What holds the profile together: identifiers, claims on its devices, and merges with the guids to revert them by."""
    kind, value = profile.owner
    with services().identity.reading() as connection:
        users = set(subtree(connection, [value])) if kind == "user" else set()
        devices = devices_claimed_by(connection, users) if users else {value}
        return {
            "profileGuid": profile.guid,
            "owner": {"kind": kind, "value": value},
            "identifiers": identifier_shapes(profile),
            "claims": _claims_of(connection, devices),
            "merges": _merges_above(connection, users, devices),
        }


def _claims_of(connection: sa.Connection, devices: Iterable[str]) -> list[Json]:
    """The earliest claims on the devices, in order of time."""
    wanted = among(connection.dialect.name, claims_table.c.anonymous_id, devices)
    statement = sa.select(claims_table).where(wanted).order_by(claims_table.c.seen).limit(CLAIMS_SHOWN)
    found = list(connection.execute(statement))
    roots = roots_of(connection, {row.user_id for row in found})
    return [claim_shape(row, roots.get(row.user_id, row.user_id)) for row in found]


def claim_shape(row: sa.Row[Any], person: str) -> Json:
    occurred_at, created_at, guid = row.seen.split(" ", 2)
    merge_guid = row.origin if row.origin not in ("", EXPIRED, LINK) else None
    return {
        "anonymousId": row.anonymous_id,
        "userId": row.user_id if row.user_id != DELETED else None,
        "person": person if row.user_id != DELETED else None,
        "occurredAt": occurred_at if not merge_guid else None,
        "createdAt": created_at,
        "eventGuid": guid if not merge_guid else None,
        "mergeGuid": merge_guid,
    }


def _merges_above(connection: sa.Connection, users: Iterable[str], devices: Iterable[str]) -> list[Json]:
    """The merges by which these users and devices became somebody else's, step by step."""
    found = _merges_of(connection, "anonymous", set(devices))
    step = set(users) | {row.parent for row in found}
    seen: set[str] = set()
    while step:
        rows = _merges_of(connection, "user", step)
        found += rows
        seen |= step
        step = {row.parent for row in rows} - seen
    return [merge_shape(row) for row in sorted(found, key=lambda row: (row.created_at, row.guid))]


def _merges_of(connection: sa.Connection, kind: str, children: set[str]) -> list[sa.Row[Any]]:
    wanted = among(connection.dialect.name, merges.c.child, children)
    return list(connection.execute(sa.select(merges).where(merges.c.kind == kind, wanted)))


def merge_shape(row: sa.Row[Any]) -> Json:
    return {
        "guid": row.guid,
        "from": {"kind": row.kind, "value": row.child},
        "into": {"kind": "user", "value": row.parent},
        "createdAt": row.created_at,
    }
