"""Apps, and whether the database of one lets us in."""

from marshmallow import fields

from app.openapi.answers.forms import Answer, Deleted, count, following, many, moment, one, one_of, text


class Failure(Answer):
    """What keeps an sql app's source from being loaded."""

    message = text("names the app, and what is wrong")
    at = moment("when it was asked last")
    retryAt = moment("until when nobody asks again; null: it is asked as usual", allow_none=True)


class SourceFailure(Failure):
    """Which source can't be loaded, and why."""

    source = text("its name")


class App(Answer):
    """Where data comes from. What leads to a database is null for the events."""

    guid = text()
    name = text()
    kind = one_of("events", "sql")
    scheme = text(allow_none=True)
    host = text(allow_none=True)
    port = count(allow_none=True)
    database = text(allow_none=True)
    sslmode = text(allow_none=True)
    failures = many(SourceFailure)
    createdAt = moment()
    updatedAt = moment()


class AppAnswer(Answer):
    """One app."""

    app = one(App)


class AppPage(Answer):
    """Apps, newest first."""

    apps = many(App)
    next = following()


class DeletedAppAnswer(Answer):
    """The deleted app."""

    app = one(Deleted)


class Test(Answer):
    """Whether a database lets us in."""

    works = fields.Boolean(required=True)
    message = text("what is wrong", allow_none=True)


class TestAnswer(Answer):
    """The outcome of a test."""

    test = one(Test)
