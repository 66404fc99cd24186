"""Suppressed ids."""

from app.openapi.answers.forms import Answer, count, following, many, moment, one, one_of, text


class Suppression(Answer):
    """An id of which nothing is stored."""

    kind = one_of("user", "anonymous")
    value = text()
    refusedEvents = count("events of it that were not stored")
    createdAt = moment()


class SuppressionAnswer(Answer):
    """The suppressed id."""

    suppression = one(Suppression)


class SuppressionPage(Answer):
    """Suppressed ids, in order."""

    suppressions = many(Suppression)
    next = following()


class Released(Answer):
    """An id of which events are stored again."""

    kind = one_of("user", "anonymous")
    value = text()
    state = one_of("released")


class ReleasedAnswer(Answer):
    """The released id."""

    suppression = one(Released)
