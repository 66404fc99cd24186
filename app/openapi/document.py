"""The document: made from the routes of the app, its views' words, and OPERATIONS."""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from app.api.shapes import Json
from app.ingest import schemas as ingest
from app.ingest.schemas import Converted, EventSchema
from app.openapi.answers.events import EventExplanation
from app.openapi.answers.forms import Error
from app.openapi.answers.profiles import ProfileExplanation
from app.openapi.operations import JSON, OPEN, OPERATIONS, PERMISSIONS_INSIDE, Operation
from app.openapi.queries import DATA
from backends.event import MAX_ID_LENGTH

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")

ERRORS = {
    400: "The request can't be understood; the message says why.",
    401: "There is no key, or it is unknown or was revoked.",
    403: "The key lacks a permission, or may not be used from this origin.",
    404: "There is no such thing.",
    409: "It can't be done as things stand.",
    413: "The body, or what it unpacks to, is too large.",
    415: "The body is packed in a way that is not known here.",
    422: "A field of the body is wrong; `details` has the messages by field.",
    429: "The key's rate limit is spent.",
    503: "A service that this one needs is away; nothing was done.",
}
TOO_LONG: Json = {
    "description": "The request line is longer than 65,536 bytes: gunicorn says so itself, in HTML.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
WITH_KEY = (401, 403, 429, 503)
"""What every route that needs a key may answer."""

KEYS: Mapping[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key as the user, and no password"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "writeKey": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
}

_ID = {"type": ["string", "number", "boolean"], "maxLength": MAX_ID_LENGTH}
_CONVERTED: Mapping[Callable[[Any], Any], Json] = {
    ingest.event_type: {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH},
    ingest.identifier: _ID,
    ingest.message_id: {**_ID, "type": ["string", "number"]},
    ingest.session_id: {"type": ["string", "number", "boolean", "object", "array"], "description": "kept if it is text"},
    ingest.moment: {"type": ["string", "number"], "description": "ISO 8601, or seconds or milliseconds since 1970"},
    ingest.event_data: {"type": "object", "description": "values are stored as text, null is left out"},
}
"""What the functions of the ingest schema take, in JSON Schema."""


def make_document(app: Flask) -> Json:
    """The OpenAPI 3.1 document of the app's routes. Raises KeyError for a route that OPERATIONS lacks."""
    plugin = MarshmallowPlugin(schema_name_resolver=lambda schema: _class_of(schema).__name__)
    spec = APISpec(
        title="Grouparoo Events",
        version=_version(),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": "Collects events, works out whose they are, and keeps one profile per person."},
    )
    assert plugin.converter
    plugin.converter.add_attribute_function(_converted)  # type: ignore[no-untyped-call]
    for name, scheme in KEYS.items():
        spec.components.security_scheme(name, scheme)
    spec.components.schema("Event", schema=EventSchema)
    spec.components.schema("Batch", {"anyOf": [_list_of_events(), _object_of_events()]})
    spec.components.schema("ProfileExplanation", schema=ProfileExplanation)
    spec.components.schema("EventExplanation", schema=EventExplanation)
    spec.components.schema("ProfileExplained", _object(explanation={"anyOf": ["ProfileExplanation", "EventExplanation"]}))
    for status, about in ERRORS.items():
        spec.components.response(str(status), _answer(about, Error, (JSON,)) | _retry_after(status))
    for rule in sorted(our_routes(app), key=lambda rule: rule.rule):
        methods = [method for method in METHODS if method in (rule.methods or ())]
        if methods:
            view = app.view_functions[rule.endpoint]
            described = {method.lower(): _describe(rule, view, OPERATIONS[rule.endpoint]) for method in methods}
            spec.path(path=_path(rule), parameters=list(_path_parameters(rule)), operations=described)
    return spec.to_dict()


def our_routes(app: Flask) -> Iterator[Rule]:
    """All routes but the dialects': these are their makers' to describe (docs/dialects.md)."""
    return (rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("dialects."))


def permissions_of(endpoint: str, view: object) -> tuple[str, ...]:
    """The permissions that the route asks for; all of them are needed."""
    found: tuple[str, ...] = getattr(view, "permissions", PERMISSIONS_INSIDE.get(endpoint, ()))
    return found


def _describe(rule: Rule, view: Callable[..., Any], operation: Operation) -> Json:
    words = (view.__doc__ or "").strip()
    permissions = permissions_of(rule.endpoint, view)
    is_open = rule.endpoint in OPEN
    errors = {*operation.errors, *(() if is_open else WITH_KEY)} - operation.answers.keys()
    described: Json = {
        "tags": [operation.tag],
        "operationId": rule.endpoint.removeprefix("api.").replace(".", "_"),
        "summary": words.partition("\n")[0],
        "description": "\n\n".join([words, *([f"Needs {' and '.join(permissions)}."] if permissions else [])]),
        "security": [] if is_open else [{name: list(permissions)} for name in KEYS],
        "parameters": _parameters(operation),
        "responses": {
            **{str(status): _answer("As asked.", shape, operation.content) for status, shape in operation.answers.items()},
            **{str(status): str(status) for status in sorted(errors)},
            "414": TOO_LONG,
        },
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    return described


def _parameters(operation: Operation) -> list[Json]:
    of_schema: list[Json] = [{"in": "query", "schema": operation.query}] if operation.query else []
    return [*of_schema, DATA] if operation.takes_data else of_schema


def _answer(about: str, shape: type[Schema] | str | None, content: tuple[str, ...]) -> Json:
    return {"description": about, "content": {one: {"schema": shape or _anything(one)} for one in content}}


def _anything(content: str) -> Json:
    return {"type": "object"} if content == JSON else {"type": "string"}


def _retry_after(status: int) -> Json:
    if status not in (429, 503):
        return {}
    return {"headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}}


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _path_parameters(rule: Rule) -> Iterator[Json]:
    for name in re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", rule.rule):
        yield {"in": "path", "name": name, "required": True, "schema": {"type": "string", "minLength": 1}}


def _list_of_events() -> Json:
    return {"type": "array", "items": "Event", "minItems": 1}


def _object_of_events() -> Json:
    sent_at = _CONVERTED[ingest.moment]
    return {**_object(events=_list_of_events(), sentAt=sent_at), "required": ["events"]}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _converted(_converter: object, field: fields.Field[Any], **_: Any) -> Json:
    """For apispec: what a field of the ingest schema takes."""
    if not isinstance(field, Converted):
        return {}
    taken = _CONVERTED[field.convert]
    types = taken["type"] if isinstance(taken["type"], list) else [taken["type"]]
    return {**taken, "type": [*types, "null"]} if field.allow_none else taken


def _class_of(schema: Any) -> type:
    return schema if isinstance(schema, type) else type(schema)


def _version() -> str:
    try:
        return version("grouparoo-events")
    except PackageNotFoundError:  # not installed, only there
        return "unreleased"
