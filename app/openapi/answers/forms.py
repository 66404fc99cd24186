"""Forms: what answers are made of; and the one form of every error (04-http, "Shapes")."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

Field = fields.Field[Any]


class Answer(Schema):
    """An answer has these fields and no others."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE


def text(about: str = "", **options: Any) -> Field:
    """A text that is always there."""
    return fields.String(required=True, metadata={"description": about} if about else {}, **options)


def moment(about: str = "", **options: Any) -> Field:
    """A Timestamp that is always there."""
    metadata = {"format": "date-time", **({"description": about} if about else {})}
    return fields.String(required=True, metadata=metadata, **options)


def one_of(*words: str) -> Field:
    """One of a few words."""
    return text(validate=validate.OneOf(words))


def count(about: str = "", **options: Any) -> Field:
    """A number of things."""
    metadata = {"description": about} if about else {}
    return fields.Integer(required=True, validate=validate.Range(min=0), metadata=metadata, **options)


def one(schema: type[Schema], **options: Any) -> Field:
    """Another shape in this one."""
    return fields.Nested(schema, required=True, **options)


def many(schema: type[Schema]) -> Field:
    """Any number of another shape."""
    return fields.List(fields.Nested(schema), required=True)


def texts(about: str = "") -> Field:
    """Any number of texts."""
    return fields.List(fields.String(), required=True, metadata={"description": about} if about else {})


def following() -> Field:
    """A cursor."""
    return text("where the next page begins (`after`); null behind the last one", allow_none=True)


class Problem(Answer):
    """What went wrong."""

    code = text("for programs")
    message = text("for people: what and why")
    details = fields.Dict(keys=fields.String(), required=True, metadata={"description": "what the message names, by name"})


class Error(Answer):
    """The one form of every error."""

    error = one(Problem)


class Deleted(Answer):
    """What is no more."""

    guid = text()
    state = one_of("deleted")
