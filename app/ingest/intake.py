"""Intake: what every ingest route does around its events, whoever's language they are in."""

from typing import cast

import redis
from flask import current_app, request

from app.auth import Key, forbidden
from app.ingest.acceptance import Acceptance, Acceptor
from app.ingest.addresses import kept_address
from app.metrics.routes import web_metrics
from app.services import services
from app.stream import BufferFull, RateLimited
from backends.event import Event


def may_write(key: Key) -> bool:
    """Whether the key may send events with a userId; if not, those without. Raises ApiError (403) where it may send none."""
    may_identify = "events:write" in key.permissions
    if not may_identify and "events:write:anonymous" not in key.permissions:
        raise forbidden("events:write")
    return may_identify


def common_of(key: Key, sent_ms: int | None = None, expected: int = 1) -> Acceptance:
    """What the events of this request have in common. Raises ApiError (403)."""
    may_identify = may_write(key)
    address = kept_address(request.remote_addr, services().settings.ip_addresses)
    return Acceptance(key.guid, address, may_identify, sent_ms, expected)


def append(events: list[Event], key: Key) -> None:
    """Let Redis have the events, in one round trip. Raises RateLimited, BufferFull or redis.RedisError: then it has none."""
    metrics = web_metrics()
    try:
        services().stream.append(events, key.limit)
    except (RateLimited, BufferFull, redis.RedisError) as error:
        metrics.rejected("rate_limited" if isinstance(error, RateLimited) else "unavailable", len(events))
        raise
    metrics.accepted(len(events))


def acceptor() -> Acceptor:
    """The app's one."""
    return cast(Acceptor, current_app.extensions["acceptor"])
