"""API keys: making, revoking and rotating them. A key is shown once; only its SHA-256 is stored."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.models import ApiKey, begin_writing, db, newest
from backends.event import MAX_ID_LENGTH, new_guid, now

PERMISSIONS = {
    "events:write": "send events",
    "events:write:anonymous": "send events without a userId",
    "events:read": "read events",
    "profiles:read": "read profiles",
    "profiles:write": "merge, revert and delete profiles",
    "dead-letters:read": "read dead letters",
    "dead-letters:write": "retry and drop dead letters",
    "keys:read": "list API keys",
    "keys:write": "make, revoke and rotate API keys",
    "apps:read": "read apps, sources and property rules",
    "apps:write": "change apps, sources and property rules",
    "status:read": "see how the service does",
}
"""Topic and mode, as in Grouparoo. A key grants only what it has."""

MAX_RATE_LIMIT = 1_000_000_000

ORIGIN = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@\0]{1,191}/?|null)\s*\Z")
"""As browsers send it, but for what create_key takes off: scheme, host and port (RFC 6454), or 'null'."""


class UnknownPermission(ValueError):
    """Raised when a permission is not one of PERMISSIONS; the message lists them."""


class UnusableName(ValueError):
    """Raised when a key's name is empty or too long."""


class UnusableOrigin(ValueError):
    """Raised when an origin can't be one."""


def hash_key(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(
    name: str, permissions: Iterable[str], origins: Iterable[str] = (), rate_limit: int | None = None
) -> tuple[ApiKey, str]:
    """Make a key; returns the row, and the key itself, which nobody can look up later.

    `rate_limit` is in events a minute. Raises UnknownPermission, UnusableName or UnusableOrigin.
    """
    _check_name(name)
    wanted = list(permissions)
    if unknown := [permission for permission in wanted if permission not in PERMISSIONS]:
        raise UnknownPermission(f"unknown permissions {', '.join(unknown)}: there are {', '.join(PERMISSIONS)}")
    key, moment = secrets.token_urlsafe(32), now()
    begin_writing()
    row = ApiKey(
        guid=new_guid("key"),
        name=name,
        key_hash=hash_key(key),
        permissions=wanted,
        origins=_as_sent(origins),
        rate_limit=rate_limit,
        created_at=moment,
        updated_at=moment,
    )
    db.session.add(row)
    db.session.commit()
    return row, key


def list_keys() -> list[ApiKey]:
    """All keys, the revoked ones too, oldest first."""
    return list(db.session.scalars(sa.select(ApiKey).order_by(ApiKey.created_at, ApiKey.guid)))


def read_page(limit: int, after: tuple[str, ...] | None = None) -> list[ApiKey]:
    """Up to `limit` keys, newest first by (createdAt, guid), from behind `after` on."""
    return newest(ApiKey, limit, after)


def find_key(guid: str) -> ApiKey | None:
    """The key of that guid, revoked or not."""
    return db.session.get(ApiKey, guid)


def change_key(guid: str, **changes: Any) -> ApiKey | None:
    """Change `name`, `origins` or `rate_limit`; within ten seconds every process goes by them. None if there is none.

    Raises UnusableName or UnusableOrigin.
    """
    if "name" in changes:
        _check_name(changes["name"])
    if "origins" in changes:
        changes["origins"] = _as_sent(changes["origins"])
    begin_writing()
    row = db.session.get(ApiKey, guid)
    if row is not None and changes:
        for name, value in changes.items():
            setattr(row, name, value)
        row.updated_at = now()
        db.session.commit()
    return row


def revoke_key(guid: str) -> ApiKey | None:
    """Revoke a key; within ten seconds no process takes it any more. None if there is none of that guid."""
    begin_writing()
    row = db.session.get(ApiKey, guid)
    if row is not None and row.revoked_at is None:
        row.revoked_at = row.updated_at = now()
        db.session.commit()
    return row


def rotate_key(guid: str) -> tuple[ApiKey, str] | None:
    """Give the producer a new key under the same guid; the old one ends within ten seconds. None if there is none."""
    begin_writing()
    row = db.session.get(ApiKey, guid)
    if row is None or row.revoked_at is not None:
        return None
    key = secrets.token_urlsafe(32)
    row.key_hash, row.updated_at = hash_key(key), now()
    db.session.commit()
    return row, key


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_ID_LENGTH:
        raise UnusableName(f"the name has {len(name)} characters: give it 1 to {MAX_ID_LENGTH}")


def _as_sent(origins: Iterable[str]) -> list[str]:
    """As browsers send them."""
    given = list(origins)
    for origin in given:
        if not ORIGIN.match(origin):
            raise UnusableOrigin(f"{origin!r} is no origin: give one like 'https://shop.example'")
    return [origin.strip().rstrip("/").lower() for origin in given]
