"""How the service does."""

from marshmallow import fields

from app.openapi.answers.forms import Answer, count, many, moment, one_of, text


class Worker(Answer):
    """A process that stores events."""

    name = text()
    state = text()
    lastSeen = moment(allow_none=True)


class Status(Answer):
    """How the service does; null is what can't be known, because its dependency is away."""

    waitingEvents = count(allow_none=True)
    oldestWaitingSeconds = fields.Float(required=True, allow_none=True)
    unassociated = count("rows that the scan has yet to look at; counted up to 100,000", allow_none=True)
    unassociable = count("rows that are about nobody; counted up to 100,000", allow_none=True)
    deadLetters = count(allow_none=True)
    repoints = count("identifiers whose events are to be given to another profile", allow_none=True)
    refreshes = count("profiles whose properties are to be computed, each source counting", allow_none=True)
    conflicts = count("values of unique properties that another profile has; counted up to 100,000", allow_none=True)
    failingSources = count("sources of sql apps that can't be loaded", allow_none=True)
    workers = many(Worker)
    dependencies = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class Health(Answer):
    """Whether the process answers."""

    status = one_of("ok")


class Readiness(Answer):
    """Whether events can be accepted."""

    status = one_of("ok", "unavailable")
    dependencies = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
