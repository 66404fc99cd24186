"""Bodies of sql apps. What they say of a user and a password is never shown again, in errors neither."""

from marshmallow import RAISE, Schema, fields, validate

from app.foreign.place import PORTS, SSLMODES
from backends.event import MAX_ID_LENGTH

_IS_NAME = validate.Length(1, MAX_ID_LENGTH, error="a name of this length can't be taken: send {min} to {max} characters")
_IS_SCHEME = validate.OneOf(list(PORTS), error="there is no scheme {input!r}; there are {choices}")
_IS_HOST = validate.Length(1, 253, error="a host of this length can't be taken: send {min} to {max} characters")
_IS_PORT = validate.Range(1, 65_535, error="{input}: send {min} to {max}")
_IS_DATABASE = validate.Regexp(r"^[^\0]{1,1000}\Z", error="send 1 to 1,000 characters, and no NUL")
_IS_SECRET = validate.Regexp(r"^[^\0]{0,1000}\Z", error="send at most 1,000 characters, and no NUL")
_IS_SSLMODE = validate.OneOf(SSLMODES, error="there is no sslmode {input!r}; there are {choices}")


class AppChanges(Schema):
    """What can be changed of an sql app."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE

    name = fields.String(validate=_IS_NAME)
    scheme = fields.String(validate=_IS_SCHEME)
    host = fields.String(validate=_IS_HOST, metadata={"description": "a name or an address"})
    port = fields.Integer(strict=True, validate=_IS_PORT, metadata={"description": "without it, the scheme's usual one"})
    database = fields.String(validate=_IS_DATABASE)
    user = fields.String(validate=_IS_SECRET, metadata={"description": "is not shown again"})
    password = fields.String(
        validate=_IS_SECRET, metadata={"description": "is not shown again; to be sent with a change of where it goes"}
    )
    sslmode = fields.String(validate=_IS_SSLMODE)
    test = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "false: don't ask the database whether it lets us in"}
    )


class NewApp(AppChanges):
    """An sql app to be made: a database of one's own, read only."""

    name = fields.String(required=True, validate=_IS_NAME)
    kind = fields.String(validate=validate.Equal("sql", error="an app to be made is of the kind 'sql'"))
    scheme = fields.String(required=True, validate=_IS_SCHEME)
    database = fields.String(required=True, validate=_IS_DATABASE)
