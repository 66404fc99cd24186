"""Sources, what stands in them, and what can be asked of it."""

from marshmallow import fields

from app.openapi.answers.apps import Failure
from app.openapi.answers.events import StoredEvent
from app.openapi.answers.forms import Answer, Deleted, count, following, many, moment, one, text, texts


class Source(Answer):
    """A selection in an app."""

    guid = text()
    appGuid = text()
    name = text()
    eventType = text("the type of its events; null for sources of sql apps", allow_none=True)
    table = text(allow_none=True)
    schema = text(allow_none=True)
    query = text(allow_none=True)
    userIdColumn = text("where the userId stands", allow_none=True)
    refreshSeconds = count("how often everybody is looked up anew; null: as the settings say", allow_none=True)
    refreshedAt = moment("when the last whole refresh of everybody began, or the source was made", allow_none=True)
    failure = one(Failure, allow_none=True)
    createdAt = moment()
    updatedAt = moment()


class SourceAnswer(Answer):
    """One source."""

    source = one(Source)


class SourcePage(Answer):
    """Sources, newest first."""

    sources = many(Source)
    next = following()


class DeletedSourceAnswer(Answer):
    """The deleted source."""

    source = one(Deleted)


class Preview(Answer):
    """The newest events of a source, or some rows of an sql app's, as text."""

    events = fields.List(fields.Nested(StoredEvent))
    rows = fields.List(fields.Dict(keys=fields.String(), values=fields.String(allow_none=True)))


class Column(Answer):
    """A column of a source, and what can be asked of it."""

    key = text()
    type = text("what its newest values look like")
    operators = texts("for filters")
    aggregations = texts()


class Columns(Answer):
    """The columns of a source."""

    columns = many(Column)
