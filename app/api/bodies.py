"""Bodies: what a manager sends, read by a marshmallow schema and refused by field."""

from collections.abc import Iterator
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from app.answers import ApiError
from app.api.refusals import invalid_body
from app.api.shapes import Json
from app.ingest.body import read_json
from app.keys import MAX_RATE_LIMIT, ORIGIN, PERMISSIONS
from app.services import services
from backends.event import MAX_ID_LENGTH

MAX_ORIGINS = 100


_IS_NAME = validate.Length(1, MAX_ID_LENGTH, error="a name of this length can't be taken: send {min} to {max} characters")
_IS_ID = validate.Length(1, MAX_ID_LENGTH, error="an id of this length can't be taken: send {min} to {max} characters")
_IS_ORIGIN = validate.Regexp(ORIGIN, error="{input!r} is no origin: send one like 'https://shop.example'")
_IS_PERMISSION = validate.OneOf(list(PERMISSIONS), error="there is no permission {input!r}; there are {choices}")
_IS_RATE = validate.Range(1, MAX_RATE_LIMIT, error="{input}: send {min} to {max} events a minute, or null for any number")


class _Body(Schema):
    class Meta:
        """marshmallow's options."""

        unknown = RAISE


class MergeBody(_Body):
    """Which profile to take in."""

    source = fields.String(required=True, data_key="from", metadata={"description": "the guid of the profile to take in"})


class SuppressionBody(_Body):
    """The id of which nothing shall be stored: one of the two."""

    user_id = fields.String(data_key="userId", validate=_IS_ID, metadata={"description": "a userId"})
    anonymous_id = fields.String(data_key="anonymousId", validate=_IS_ID, metadata={"description": "an anonymousId"})

    @validates_schema
    def check_one(self, data: Json, **_: Any) -> None:
        """Raises ValidationError unless there is exactly one."""
        if len(data) != 1:
            raise ValidationError("send a userId or an anonymousId, one of the two", "userId")


class KeyChanges(_Body):
    """What can be changed of an API key; its permissions can't."""

    name = fields.String(validate=_IS_NAME, metadata={"description": "who uses it"})
    origins = fields.List(
        fields.String(validate=_IS_ORIGIN),
        validate=validate.Length(max=MAX_ORIGINS),
        metadata={"description": "the origins of web pages that it may be used from; none means any"},
    )
    rate_limit = fields.Integer(
        strict=True,
        allow_none=True,
        data_key="rateLimit",
        validate=_IS_RATE,
        metadata={"description": "events a minute; null: any number"},
    )


class NewKey(KeyChanges):
    """An API key to be made."""

    name = fields.String(required=True, validate=_IS_NAME, metadata={"description": "who uses it"})
    permissions = fields.List(
        fields.String(validate=_IS_PERMISSION),
        required=True,
        validate=validate.Length(1),
        metadata={"description": "what it may do: of that which the asking key may do itself"},
    )


def read_body(schema: Schema) -> Json:
    """The body's fields. Raises ApiError: 400 if it is no JSON object, 422 naming each field that is wrong."""
    body, _ = read_json(services().settings.max_body_bytes)
    if not isinstance(body, dict):
        raise invalid_body(f"the body must be a JSON object with {', '.join(map(_name, schema.fields.values()))}")
    return load_body(schema, body)


def load_body(schema: Schema, body: Json) -> Json:
    """The fields of a body. Raises ApiError (422) naming each field that is wrong."""
    try:
        loaded: Json = schema.load(body)
    except ValidationError as error:
        details = {name: list(_texts(found)) for name, found in error.messages_dict.items()}
        message = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in details.items())
        raise ApiError("invalid_field", 422, message, details) from None
    return loaded


def _name(field: fields.Field[Any]) -> str:
    return field.data_key or str(field.name)


def _texts(found: Any) -> Iterator[str]:
    """The messages of a field, and those of what is in it."""
    if isinstance(found, dict):
        for inner in found.values():
            yield from _texts(inner)
    elif isinstance(found, list):
        yield from map(str, found)
