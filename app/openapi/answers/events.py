"""Events, their types, how many there are, and why each belongs to its profile."""

from marshmallow import fields

from app.api.volume import LENGTHS
from app.openapi.answers.forms import Answer, count, following, many, moment, one, one_of, text, texts


class StoredEvent(Answer):
    """An event."""

    guid = text()
    messageId = text(allow_none=True)
    producerGuid = text("of the API key that sent it", allow_none=True)
    profileGuid = text("of the profile that it belongs to now", allow_none=True)
    type = text()
    userId = text(allow_none=True)
    anonymousId = text(allow_none=True)
    ipAddress = text(allow_none=True)
    occurredAt = moment()
    createdAt = moment()
    updatedAt = moment()
    profileAssociatedAt = moment(allow_none=True)
    data = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    state = one_of("stored", "dead", "queued")


class EventAnswer(Answer):
    """One event."""

    event = one(StoredEvent)


class EventPage(Answer):
    """Events, newest first."""

    events = many(StoredEvent)
    next = following()


class Types(Answer):
    """Types of events."""

    types = texts()


class Interval(Answer):
    """How many events occurred in an interval."""

    start = moment()
    count = count()


class Volume(Answer):
    """How many events occurred when."""

    interval = one_of(*LENGTHS)
    since = moment(data_key="from")
    until = moment(data_key="to")
    volume = many(Interval)


class Identifier(Answer):
    """A userId or anonymousId."""

    kind = one_of("user", "anonymous")
    value = text()


class Claim(Answer):
    """The fact that an anonymousId was seen together with a userId, or was stated to be theirs by a merge."""

    anonymousId = text()
    userId = text("null where a deleted person was", allow_none=True)
    person = text("the userId that this one was merged into", allow_none=True)
    occurredAt = moment(allow_none=True)
    createdAt = moment()
    eventGuid = text(allow_none=True)
    mergeGuid = text(allow_none=True)


class Merge(Answer):
    """A statement that two known people, or a device and a person, are one."""

    guid = text()
    source = one(Identifier, data_key="from")
    into = one(Identifier)
    createdAt = moment()


class EventExplanation(Answer):
    """Why an event belongs to its profile."""

    eventGuid = text()
    rule = text()
    owner = one(Identifier, allow_none=True)
    profileGuid = text(allow_none=True)
    person = text(allow_none=True)
    claims = many(Claim)
    merges = many(Merge)


class EventExplained(Answer):
    """An explanation."""

    explanation = one(EventExplanation)
