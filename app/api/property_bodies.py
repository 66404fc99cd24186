"""Bodies of sources and property rules."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from app.models import EVENTS_APP
from app.properties.catalogue import KEY
from app.properties.types import PropertyType
from backends.aggregation import Aggregation, Operator
from backends.event import MAX_ID_LENGTH

MOST_FILTERS = 20
MOST_DAYS = 36_500
MOST_PROFILES = 20
MOST_CHARACTERS = 20_000

_COLUMN = r"^(occurredAt|ipAddress|type|userId|data\.[^\0]{1,191})\Z"
_IS_NAME = validate.Length(1, MAX_ID_LENGTH, error="a name of this length can't be taken: send {min} to {max} characters")
_IS_KEY = validate.Regexp(
    KEY, error="{input!r} can't be a key: send 1 to 191 characters, no blanks and no slashes"
)
_IS_TYPE = validate.OneOf([one.value for one in PropertyType], error="there is no type {input!r}; there are {choices}")
_IS_EVENT_COLUMN = validate.Regexp(
    _COLUMN, error="there is no column {input!r}; there are occurredAt, ipAddress, type, userId and data.KEY"
)
_IS_COLUMN = validate.Regexp(r"^[^\0]{1,196}\Z", error="{input!r} is no column: GET /api/v1/sources/GUID/columns lists them")
_IS_AGGREGATION = validate.OneOf(
    [one.value for one in Aggregation], error="there is no aggregation {input!r}; there are {choices}"
)
_IS_OPERATOR = validate.OneOf([one.value for one in Operator], error="there is no operator {input!r}; there are {choices}")
_IS_INTERVAL = validate.Range(60, 30 * 86_400, error="{input}: send {min} to {max} seconds")
_IS_TEXT = validate.Regexp(r"^[^\0]*\Z", error="a text can't hold a NUL")


class _Body(Schema):
    class Meta:
        """marshmallow's options."""

        unknown = RAISE


def _refresh_seconds(**options: Any) -> fields.Integer:
    about = {"description": "how often everybody is looked up anew in an sql app's source; without it, as the settings say"}
    return fields.Integer(strict=True, validate=_IS_INTERVAL, metadata=about, **options)


class FilterBody(_Body):
    """A condition on the events that count."""

    key = fields.String(required=True, validate=_IS_EVENT_COLUMN, metadata={"description": "a column"})
    op = fields.String(required=True, validate=_IS_OPERATOR)
    match = fields.String(validate=_IS_TEXT, metadata={"description": "what to compare with; numbers as text, too"})


class NewSource(_Body):
    """A source to be made: the events of one type, or an sql app's table or query with its column for the userId."""

    app_guid = fields.String(data_key="appGuid", load_default=EVENTS_APP, metadata={"description": "of which app"})
    name = fields.String(required=True, validate=_IS_NAME)
    event_type = fields.String(
        data_key="eventType", validate=[_IS_NAME, _IS_TEXT], metadata={"description": "of the events: the type"}
    )
    table = fields.String(validate=_IS_COLUMN, metadata={"description": "of an sql app: a table or view"})
    schema = fields.String(validate=_IS_COLUMN, metadata={"description": "where that is, if not where the user looks first"})
    query = fields.String(
        validate=[validate.Length(1, MOST_CHARACTERS), _IS_TEXT],
        metadata={"description": "in place of a table: a SELECT, with one row a userId"},
    )
    userIdColumn = fields.String(validate=_IS_COLUMN, metadata={"description": "of an sql app: the column with the userId"})
    refreshSeconds = _refresh_seconds()


class SourceChanges(_Body):
    """What can be changed of a source."""

    name = fields.String(validate=_IS_NAME)
    refresh_seconds = _refresh_seconds(data_key="refreshSeconds")


class RuleChanges(_Body):
    """What can be changed of a rule: all but its source."""

    key = fields.String(validate=_IS_KEY, metadata={"description": "what the property is called"})
    type = fields.String(validate=_IS_TYPE)
    is_unique = fields.Boolean(data_key="unique", truthy={True}, falsy={False})
    is_array = fields.Boolean(data_key="isArray", truthy={True}, falsy={False})
    column = fields.String(validate=_IS_COLUMN)
    aggregation = fields.String(
        validate=_IS_AGGREGATION, metadata={"description": "needed for rules of events; those of sql sources have none"}
    )
    window_days = fields.Integer(
        strict=True,
        allow_none=True,
        data_key="windowDays",
        validate=validate.Range(1, MOST_DAYS, error="{input}: send {min} to {max} days, or null for all time"),
        metadata={"description": "only the events of the last so many days; null: of all time"},
    )
    filters = fields.List(
        fields.Nested(FilterBody),
        validate=validate.Length(max=MOST_FILTERS),
        metadata={"description": "conditions, all of which hold for the events that count"},
    )


class NewRule(RuleChanges):
    """A property rule to be made."""

    key = fields.String(required=True, validate=_IS_KEY, metadata={"description": "what the property is called"})
    type = fields.String(required=True, validate=_IS_TYPE)
    source_guid = fields.String(required=True, data_key="sourceGuid")
    column = fields.String(required=True, validate=_IS_COLUMN)


class RulePreview(NewRule):
    """A rule that is not made, and the profiles to show it for."""

    profile_guids = fields.List(
        fields.String(),
        data_key="profileGuids",
        validate=validate.Length(1, MOST_PROFILES),
        metadata={"description": "without it, the last few that had such an event"},
    )
