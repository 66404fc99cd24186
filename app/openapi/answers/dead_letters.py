"""Events that could not be stored."""

from app.openapi.answers.events import StoredEvent
from app.openapi.answers.forms import Answer, following, many, moment, one, one_of, text


class DeadLetter(Answer):
    """An event that could not be stored."""

    guid = text()
    reason = text()
    createdAt = moment("when it was parked")
    event = one(StoredEvent)


class DeadLetterAnswer(Answer):
    """One dead letter."""

    deadLetter = one(DeadLetter)


class DeadLetterPage(Answer):
    """Dead letters, newest first."""

    deadLetters = many(DeadLetter)
    next = following()


class HandledDeadLetter(Answer):
    """What became of a dead letter."""

    guid = text()
    state = one_of("queued", "dropped")


class HandledDeadLetterAnswer(Answer):
    """What became of a dead letter."""

    deadLetter = one(HandledDeadLetter)
