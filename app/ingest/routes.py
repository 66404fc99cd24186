"""POST /api/v1/track and /api/v1/batch."""

from typing import Any

from flask import Blueprint, Response

from app.answers import ApiError, answer, error_body
from app.auth import authenticate
from app.ingest.acceptance import Acceptance, Rejected
from app.ingest.body import read_json
from app.ingest.browsers import allow_browsers
from app.ingest.intake import acceptor, append, common_of
from app.ingest.schemas import moment
from app.metrics.routes import web_metrics
from app.services import services

blueprint = Blueprint("ingest", __name__)
blueprint.after_request(allow_browsers)


@blueprint.post("/api/v1/track", strict_slashes=False)
def track() -> Response:
    """One event (the seed's `Grouparoo.track`)."""
    shared = services()
    raw, size = read_json(shared.settings.max_body_bytes)
    key = authenticate(raw)
    common = common_of(key)
    try:
        event, warnings = acceptor().accept(raw, common, size > shared.settings.max_event_bytes)
    except Rejected as rejected:
        web_metrics().rejected(rejected.reason)
        raise ApiError("invalid_event", 400, str(rejected), rejected.details) from None
    append([event], key)
    body: dict[str, Any] = {"event": {"guid": event.guid, "createdAt": event.created_at}}
    return answer({**body, "warnings": warnings} if warnings else body, 202)


@blueprint.post("/api/v1/batch", strict_slashes=False)
def batch() -> Response:
    """Many events; each is taken or refused on its own."""
    shared = services()
    raw, size = read_json(shared.settings.max_body_bytes)
    key = authenticate(raw)
    listed, sent_at = _events_of(raw, shared.settings.max_events_per_body)
    common = common_of(key, moment(sent_at) if sent_at is not None else None, len(listed))
    accepted, outcomes = _accept_each(listed, common, size > shared.settings.max_event_bytes)
    if not accepted:
        raise ApiError("invalid_event", 400, "none of the events is valid", {"events": outcomes})
    append(accepted, key)
    return answer({"accepted": len(accepted), "rejected": len(listed) - len(accepted), "events": outcomes}, 202)


def _accept_each(listed: list[Any], common: Acceptance, is_large: bool) -> tuple[list[Any], list[dict[str, Any]]]:
    accept = acceptor().accept
    accepted, outcomes = [], []
    for index, raw in enumerate(listed):
        try:
            event, warnings = accept(raw, common, is_large)
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
