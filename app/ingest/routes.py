"""POST /api/v1/track and /api/v1/batch."""

from typing import Any, cast

import redis
from flask import Blueprint, Response, current_app, request

from app.answers import ApiError, answer, error_body
from app.auth import Key, authenticate, forbidden
from app.ingest.acceptance import Acceptance, Acceptor, Rejected
from app.ingest.addresses import kept_address
from app.ingest.body import read_json
from app.ingest.schemas import moment
from app.metrics.routes import web_metrics
from app.services import services
from app.stream import BufferFull, RateLimited
from backends.event import Event

blueprint = Blueprint("ingest", __name__)


@blueprint.post("/api/v1/track", strict_slashes=False)
def track() -> Response:
    """One event (the seed's `Grouparoo.track`)."""
    shared = services()
    raw, size = read_json(shared.settings.max_body_bytes)
    key = authenticate(raw)
    common = _common(key)
    try:
        event, warnings = _acceptor().accept(raw, common, size > shared.settings.max_event_bytes)
    except Rejected as rejected:
        web_metrics().rejected(rejected.reason)
        raise ApiError("invalid_event", 400, str(rejected), rejected.details) from None
    _append([event], key)
    body: dict[str, Any] = {"event": {"guid": event.guid, "createdAt": event.created_at}}
    return answer({**body, "warnings": warnings} if warnings else body, 202)


@blueprint.post("/api/v1/batch", strict_slashes=False)
def batch() -> Response:
    """Many events; each is taken or refused on its own."""
    shared = services()
    raw, size = read_json(shared.settings.max_body_bytes)
    key = authenticate(raw)
    listed, sent_at = _events_of(raw, shared.settings.max_events_per_body)
    common = _common(key, moment(sent_at) if sent_at is not None else None, len(listed))
    accepted, outcomes = _accept_each(listed, common, size > shared.settings.max_event_bytes)
    if not accepted:
        raise ApiError("invalid_event", 400, "none of the events is valid", {"events": outcomes})
    _append(accepted, key)
    return answer({"accepted": len(accepted), "rejected": len(listed) - len(accepted), "events": outcomes}, 202)


@blueprint.after_request
def allow_browsers(response: Response) -> Response:
    """CORS with credentials: sendBeacon sends them, so that '*' will not do (Fetch standard, "CORS protocol")."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is not None:
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "Retry-After"
        headers["Vary"] = "Origin"
        if request.method == "OPTIONS":
            response.status_code = 204
            asked = request.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "authorization, content-type")
            headers["Access-Control-Allow-Headers"] = asked
            headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
            headers["Access-Control-Max-Age"] = "7200"
    return response


def _append(events: list[Event], key: Key) -> None:
    metrics = web_metrics()
    try:
        services().stream.append(events, key.limit)
    except (RateLimited, BufferFull, redis.RedisError) as error:
        metrics.rejected("rate_limited" if isinstance(error, RateLimited) else "unavailable", len(events))
        raise
    metrics.accepted(len(events))


def _accept_each(listed: list[Any], common: Acceptance, is_large: bool) -> tuple[list[Any], list[dict[str, Any]]]:
    acceptor = _acceptor()
    accepted, outcomes = [], []
    for index, raw in enumerate(listed):
        try:
            event, warnings = acceptor.accept(raw, common, is_large)
        except Rejected as rejected:
            web_metrics().rejected(rejected.reason)
            outcomes.append({"index": index, "error": error_body("invalid_event", str(rejected), rejected.details)})
            continue
        accepted.append(event)
        outcome: dict[str, Any] = {"index": index, "guid": event.guid}
        if warnings:
            outcome["warnings"] = warnings
        outcomes.append(outcome)
    return accepted, outcomes


def _events_of(raw: Any, at_most: int) -> tuple[list[Any], Any]:
    """The list of events in a body, and when it says that it was sent."""
    listed, sent_at = (raw.get("events"), raw.get("sentAt")) if isinstance(raw, dict) else (raw, None)
    if not isinstance(listed, list) or not listed:
        raise ApiError("invalid_body", 400, 'send {"events": [...]} or a list, with at least one event')
    if len(listed) > at_most:
        raise ApiError("too_many_events", 413, f"the body has {len(listed)} events: send {at_most} at the most")
    return listed, sent_at


def _common(key: Key, sent_ms: int | None = None, expected: int = 1) -> Acceptance:
    may_identify = "events:write" in key.permissions
    if not may_identify and "events:write:anonymous" not in key.permissions:
        raise forbidden("events:write")
    address = kept_address(request.remote_addr, services().settings.ip_addresses)
    return Acceptance(key.guid, address, may_identify, sent_ms, expected)


def _acceptor() -> Acceptor:
    return cast(Acceptor, current_app.extensions["acceptor"])
