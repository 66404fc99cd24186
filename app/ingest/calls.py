"""Calls: the routes of all dialects, and the one way that a request of any of them goes."""

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import NotFound

from app.answers import ApiError, answer, http_error, own_form, register_errors
from app.auth import find_key, key_in_headers
from app.config import InvalidSettings, Settings
from app.ingest import dialects as package
from app.ingest.acceptance import Acceptance, Rejected
from app.ingest.addresses import kept_address
from app.ingest.body import read_bytes
from app.ingest.browsers import allow_browsers
from app.ingest.contexts import make_room
from app.ingest.decoding import decode, decode_data
from app.ingest.dialect import Call, Dialect, Result, members
from app.ingest.guids import content_id
from app.ingest.intake import acceptor, append, common_of
from app.ingest.schemas import moment
from app.ingest.times import now_ms
from app.metrics.routes import web_metrics
from app.services import services
from backends.event import MAX_ID_LENGTH, Event

METHODS = "GET, POST, OPTIONS"
LATENCY_MS = 2_000
"""For so long a request may be under way. Less is no fault of the client's clock: then the app's times stay as they are."""

ALL, NONE = "all", "none"


class Speaker(NamedTuple):
    """A dialect that has the route, and what the route tells of there."""

    dialect: Dialect
    told: str


def names() -> list[str]:
    """Of all dialects there are: the modules of app/ingest/dialects."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def register(app: Flask, settings: Settings) -> None:
    """Add the routes of the dialects that DIALECTS names. Raises InvalidSettings for one that is none."""
    known = names()
    if unknown := settings.dialects - {*known, ALL, NONE}:
        raise InvalidSettings(f"DIALECTS has {min(unknown)!r}: choose from {', '.join([ALL, NONE, *known])}")
    spoken = known if ALL in settings.dialects else [name for name in known if name in settings.dialects]
    app.register_blueprint(make_blueprint([import_module(f"{package.__name__}.{name}").DIALECT for name in spoken]))
    app.register_error_handler(NotFound, _answer_unmatched)


def make_blueprint(dialects: Iterable[Dialect]) -> Blueprint:
    """The routes of these dialects."""
    blueprint = Blueprint("dialects", __name__)
    routes: dict[tuple[str, str], list[Speaker]] = {}
    for dialect in dialects:
        for method, paths in (("POST", dialect.posts), ("GET", dialect.gets)):
            for path, told in paths.items():
                routes.setdefault((method, path), []).append(Speaker(dialect, told))
        dialect.register(blueprint)
    for (method, path), speakers in routes.items():
        endpoint = f"{method} {path}".replace(".", "_")
        blueprint.add_url_rule(path, endpoint, partial(_answer_call, speakers), methods=[method], strict_slashes=False)
    blueprint.after_request(partial(allow_browsers, methods=METHODS))
    register_errors(blueprint, _refuse)
    return blueprint


def _answer_call(speakers: Sequence[Speaker]) -> Response:
    """1. Decode. 2. Whose language, and whose key. 3. Take or refuse each event on its own. 4. Hand over, and answer."""
    g.dialect = speakers[0].dialect
    if request.method == "HEAD":  # somebody looks at a link: that tells of nothing
        return answer({})
    body, fields, size = _read()
    dialect, told = next((one for one in speakers if one.dialect.speaks(body)), speakers[0])
    g.dialect = dialect
    g.call = call = Call(told, body, fields, size, now_ms())
    key = find_key(dialect.key(call) or key_in_headers())
    listed = dialect.events(call)
    _check_number(len(listed))
    sent_at = dialect.sent_at(call)
    sent_ms = moment(sent_at) if sent_at is not None else None
    common = replace(common_of(key, sent_ms, len(listed)), received_ms=call.received_ms, latency_ms=LATENCY_MS)
    accepted, results = _take_each(dialect, call, listed, common)
    if accepted:
        append(accepted, key)
    elif listed:
        raise ApiError("invalid_event", 400, f"none of the events is valid: {results[0].refusal}")
    return dialect.success(call, results)


def _read() -> tuple[Any, dict[str, str], int]:
    """The body, the fields of form and query, and the body's length."""
    fields = {_plain(name): _plain(value) for name, value in request.args.items()}
    if request.method == "GET":
        data = fields.pop("data", None)
        return (decode_data(data), fields, len(data)) if data is not None else (None, fields, 0)
    raw = read_bytes(services().settings.max_dialect_body_bytes)
    body, form = decode(raw)
    return body, {**fields, **{_plain(name): _plain(value) for name, value in form.items()}}, len(raw)


def _plain(text: str) -> str:
    """No database keeps a NUL."""
    return text.replace("\0", "\ufffd")


def _check_number(events: int) -> None:
    at_most = services().settings.max_events_per_body
    if events > at_most:
        raise ApiError("too_many_events", 413, f"the body has {events} events: send {at_most} at the most")


def _take_each(
    dialect: Dialect, call: Call, listed: Sequence[Any], common: Acceptance
) -> tuple[list[Event], list[Result]]:
    """Each is taken or refused on its own; its size is that of what the SDK sent."""
    take, settings = acceptor(), services().settings
    is_large = call.size > settings.max_event_bytes
    accepted, results = [], []
    for one in listed:
        try:
            if is_large:
                take.check_size(one)
            raw = _converted(dialect, call, one)
            told = replace(common, needs_id=False) if members(raw).get("isNobodys") else common
            event, _ = take.accept(raw, told, is_large=False)
        except Rejected as rejected:
            web_metrics().rejected(rejected.reason)
            results.append(Result(one, str(rejected)))
            continue
        ip = raw.get("ipAddress")
        address = kept_address(ip, settings.ip_addresses) if isinstance(ip, str) else None
        accepted.append(event._replace(ip_address=address) if address else event)
        results.append(Result(one, None))
    return accepted, results


def _converted(dialect: Dialect, call: Call, one: Any) -> Any:
    """The event as ours; what is no object is left to the schema to refuse."""
    if not isinstance(one, dict):
        return one
    raw = dialect.convert(one, call)
    make_room(members(raw.get("data")), services().settings.max_data_keys)
    raw["messageId"] = _message_id(raw.get("messageId"))
    return raw


def _message_id(told: Any) -> Any:
    """SDKs' ids have many forms, and none is a reason to refuse an event."""
    if isinstance(told, str) and len(told) > MAX_ID_LENGTH:
        return content_id(told)
    return told if isinstance(told, str | int | float) and not isinstance(told, bool) else None


def _refuse(error: ApiError) -> Response:
    dialect: Dialect = g.get("dialect") or Dialect()
    return dialect.refusal(error, g.get("call"))


def _answer_unmatched(error: NotFound) -> Response:
    """A path that is nobody's: an SDK in a page shall learn that, and not take it for an outage and try again."""
    response = own_form(http_error(error))
    is_ours = request.url_rule is not None or request.path.startswith("/api/v1/")
    return response if is_ours else allow_browsers(response, METHODS)
