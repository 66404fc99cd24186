"""What is answered to those who send events."""

from marshmallow import fields

from app.openapi.answers.forms import Answer, Problem, count, many, moment, one, text


class AcceptedEvent(Answer):
    """What an accepted event is called."""

    guid = text()
    createdAt = moment()


class TrackAnswer(Answer):
    """An event was accepted."""

    event = one(AcceptedEvent)
    warnings = fields.List(fields.String(), metadata={"description": "what was not taken as it was sent"})


class Outcome(Answer):
    """What became of one event of a batch: it has a guid, or an error."""

    index = count("its place in the batch")
    guid = fields.String()
    error = fields.Nested(Problem)
    warnings = fields.List(fields.String())


class BatchAnswer(Answer):
    """Each event was taken or refused on its own."""

    accepted = count()
    rejected = count()
    events = many(Outcome)
