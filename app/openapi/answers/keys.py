"""API keys; the key itself is shown once."""

from app.openapi.answers.forms import Answer, count, following, many, moment, one, text, texts


class Key(Answer):
    """An API key, without the key itself."""

    guid = text()
    name = text()
    permissions = texts()
    origins = texts()
    rateLimit = count("events a minute; null: any number", allow_none=True)
    createdAt = moment()
    updatedAt = moment()
    revokedAt = moment(allow_none=True)


class KeyAnswer(Answer):
    """One API key."""

    key = one(Key)


class KeyPage(Answer):
    """API keys, newest first."""

    keys = many(Key)
    next = following()


class ShownKey(Answer):
    """An API key with the key itself, which nobody can look up later."""

    key = one(Key)
    apiKey = text("the key, shown this once")
