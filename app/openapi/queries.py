"""Queries: the parameters of every route, as marshmallow schemas. They are read, and refused, by app.api.parameters."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.parameters import LIMIT_DEFAULT, LIMIT_MOST
from app.api.volume import LENGTHS, MOST
from app.exporting.lines import FORMS

DATA = {
    "in": "query",
    "name": "data",
    "description": "`data.KEY=VALUE`: only events with this value under this key of their data; any number of them",
    "style": "form",
    "explode": True,
    "schema": {
        "type": "object",
        "patternProperties": {r"^data\.[A-Za-z]+$": {"type": "string"}},
        "additionalProperties": False,
        "example": {"data.path": "/"},
    },
}
"""Parameters whose names the client chooses."""


def word(about: str) -> fields.String:
    """A text to look for."""
    return fields.String(metadata={"description": about})


def moment(about: str, name: str) -> fields.Field[Any]:
    """A moment; what it is called is no name in Python."""
    form = "; ISO 8601, or seconds or milliseconds since 1970"
    metadata = {"description": about + form, "format": "date-time"}
    return fields.String(data_key=name, metadata=metadata)


class Limit(Schema):
    """A part of a list."""

    limit = fields.Integer(
        validate=validate.Range(min=1),
        metadata={"description": f"records on a page; more than {LIMIT_MOST} is cut to that", "default": LIMIT_DEFAULT},
    )


class Page(Limit):
    """A page of a list."""

    after = word("`next` of the page before")


class _Filters(Schema):
    type = word("only events of this type")
    userId = word("only events with this userId")
    anonymousId = word("only events with this anonymousId")
    messageId = word("only events with this messageId, whichever key sent them")
    since = moment("only events that occurred then or later", "from")
    until = moment("only events that occurred before", "to")
    associated = fields.String(
        validate=validate.OneOf(["true", "false"]), metadata={"description": "only events with, or without, a profile"}
    )


class ProfileEvents(_Filters, Page):
    """Events of a profile."""


class Events(ProfileEvents):
    """Events."""

    profileGuid = word("only events of this profile")


class EventExport(_Filters):
    """All events."""

    profileGuid = word("only events of this profile")
    format = fields.String(validate=validate.OneOf(FORMS), metadata={"default": FORMS[0]})
    after = word("the guid of the last event received, whole: the export goes on behind it")


class _Segment(Schema):
    filter = word("only profiles for which it holds: `purchases > 3 and last_seen within 30 days`")
    sort = word("the key of a property to sort by, descending with a `-` before it; by default in order of guids")


class Profiles(_Segment, Page):
    """Profiles."""

    count = fields.String(
        validate=validate.OneOf(["true", "false"]), metadata={"description": "tell how many there are on all pages"}
    )


class SegmentExport(_Segment):
    """All profiles of a segment."""

    format = fields.String(validate=validate.OneOf(FORMS), metadata={"default": FORMS[0]})
    after = word("the guid of the last profile received, whole: the export goes on behind it")


class ProfileExport(Schema):
    """All that is held."""

    after = word("the guid of the last event received, whole: the export goes on behind it")


class Volume(Schema):
    """A time span in intervals."""

    interval = fields.String(validate=validate.OneOf(list(LENGTHS)), metadata={"default": "hour"})
    type = word("only events of this type")
    since = moment(f"where to begin, rounded down; at most {MOST} intervals before `to`", "from")
    until = moment("where to end, rounded up; by default now", "to")


class ProfileExplanation(Schema):
    """What to explain."""

    event = word("explain where this event belongs, not the profile")


class Deletion(Schema):
    """How to forget."""

    suppress = fields.String(
        validate=validate.OneOf(["true", "false"]), metadata={"description": "store nothing of them from now on"}
    )


class DeadLetters(Page):
    """Dead letters."""

    userId = word("only those with this userId")
    anonymousId = word("only those with this anonymousId")
    since = moment("only those parked then or later", "from")
    until = moment("only those parked before", "to")
