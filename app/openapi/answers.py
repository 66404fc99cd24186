"""Answers: the shape of every JSON answer, as marshmallow schemas (04-http, "Shapes")."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from app.api.volume import LENGTHS

Field = fields.Field[Any]


class Answer(Schema):
    """An answer has these fields and no others."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE


def text(about: str = "", **options: Any) -> Field:
    """A text that is always there."""
    return fields.String(required=True, metadata={"description": about} if about else {}, **options)


def moment(about: str = "", **options: Any) -> Field:
    """A Timestamp that is always there."""
    metadata = {"format": "date-time", **({"description": about} if about else {})}
    return fields.String(required=True, metadata=metadata, **options)


def one_of(*words: str) -> Field:
    """One of a few words."""
    return text(validate=validate.OneOf(words))


def count(about: str = "", **options: Any) -> Field:
    """A number of things."""
    metadata = {"description": about} if about else {}
    return fields.Integer(required=True, validate=validate.Range(min=0), metadata=metadata, **options)


def one(schema: type[Schema], **options: Any) -> Field:
    """Another shape in this one."""
    return fields.Nested(schema, required=True, **options)


def many(schema: type[Schema]) -> Field:
    """Any number of another shape."""
    return fields.List(fields.Nested(schema), required=True)


def texts(about: str = "") -> Field:
    """Any number of texts."""
    return fields.List(fields.String(), required=True, metadata={"description": about} if about else {})


def following() -> Field:
    """A cursor."""
    return text("where the next page begins (`after`); null behind the last one", allow_none=True)


class Problem(Answer):
    """What went wrong."""

    code = text("for programs")
    message = text("for people: what and why")
    details = fields.Dict(keys=fields.String(), required=True, metadata={"description": "what the message names, by name"})


class Error(Answer):
    """The one form of every error."""

    error = one(Problem)


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


class Identifier(Answer):
    """A userId or anonymousId."""

    kind = one_of("user", "anonymous")
    value = text()


class Property(Answer):
    """What a rule made of a profile's events."""

    value = fields.Raw(required=True, metadata={"description": "a text, a number, true or false, or a list of these"})
    updatedAt = moment("as of when it was computed")
    rule = text("the guid of the rule")
    conflict = fields.String(metadata={"description": "the profile that has this value of a unique property already"})


class Profile(Answer):
    """A person, or a device not yet known to be a person's."""

    guid = text()
    identifiers = many(Identifier)
    properties = fields.Dict(keys=fields.String(), values=fields.Nested(Property), required=True)
    createdAt = moment()
    updatedAt = moment()


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


class ProfileExplanation(Answer):
    """What holds a profile together."""

    profileGuid = text()
    owner = one(Identifier)
    identifiers = many(Identifier)
    claims = many(Claim)
    merges = many(Merge)


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


class DeadLetter(Answer):
    """An event that could not be stored."""

    guid = text()
    reason = text()
    createdAt = moment("when it was parked")
    event = one(StoredEvent)


class Interval(Answer):
    """How many events occurred in an interval."""

    start = moment()
    count = count()


class Worker(Answer):
    """A process that stores events."""

    name = text()
    state = text()
    lastSeen = moment(allow_none=True)


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


class Volume(Answer):
    """How many events occurred when."""

    interval = one_of(*LENGTHS)
    since = moment(data_key="from")
    until = moment(data_key="to")
    volume = many(Interval)


class EventExplained(Answer):
    """An explanation."""

    explanation = one(EventExplanation)


class ProfileAnswer(Answer):
    """One profile."""

    profile = one(Profile)


class ProfilePage(Answer):
    """Profiles, in the wanted order."""

    profiles = many(Profile)
    next = following()
    count = fields.Integer(
        validate=validate.Range(min=0), metadata={"description": "how many there are on all pages; with `count=true` only"}
    )


class Identifiers(Answer):
    """What a profile is known by."""

    identifiers = many(Identifier)


class Properties(Answer):
    """A profile's properties, by key."""

    properties = fields.Dict(keys=fields.String(), values=fields.Nested(Property), required=True)


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


class Test(Answer):
    """Whether a database lets us in."""

    works = fields.Boolean(required=True)
    message = text("what is wrong", allow_none=True)


class TestAnswer(Answer):
    """The outcome of a test."""

    test = one(Test)


class AppAnswer(Answer):
    """One app."""

    app = one(App)


class AppPage(Answer):
    """Apps, newest first."""

    apps = many(App)
    next = following()


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


class Deleted(Answer):
    """What is no more."""

    guid = text()
    state = one_of("deleted")


class DeletedAppAnswer(Answer):
    """The deleted app."""

    app = one(Deleted)


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


class Filter(Answer):
    """A condition on the events that count."""

    key = text()
    op = text()
    match = fields.String()


class Backfill(Answer):
    """How far a rule is computed for everybody."""

    state = one_of("running", "done")
    profiles = count("for which it was computed so far")
    finishedAt = moment(allow_none=True)


class PropertyRule(Answer):
    """How a property is made of a source."""

    guid = text()
    key = text()
    type = text()
    unique = fields.Boolean(required=True)
    isArray = fields.Boolean(required=True)
    sourceGuid = text()
    column = text(allow_none=True)
    aggregation = text(allow_none=True)
    windowDays = count("null: of all time", allow_none=True)
    filters = many(Filter)
    origin = one_of("user", "trait")
    backfill = one(Backfill)
    createdAt = moment()
    updatedAt = moment()


class PropertyRuleAnswer(Answer):
    """One rule."""

    propertyRule = one(PropertyRule)


class PropertyRuleShown(PropertyRuleAnswer):
    """One rule, and how many strings it could not read."""

    leftOut = count("values that are none of the rule's type, over all profiles")


class PropertyRulePage(Answer):
    """Rules, newest first."""

    propertyRules = many(PropertyRule)
    next = following()


class DeletedRuleAnswer(Answer):
    """The deleted rule."""

    propertyRule = one(Deleted)


class Previewed(Answer):
    """What a rule would make of a profile."""

    profileGuid = text()
    value = fields.Raw(required=True, allow_none=True)
    leftOut = count("values that are none of the rule's type")


class RulePreviewed(Answer):
    """What a rule would make of a few profiles."""

    values = many(Previewed)


class MadeMerge(Answer):
    """A merge that was decided; the worker carries it out."""

    guid = text()
    profileGuid = text()
    source = text(data_key="from")


class MergeAnswer(Answer):
    """The merge; null if the two are one profile already."""

    merge = one(MadeMerge, allow_none=True)


class RevertedMerge(Answer):
    """A merge that was taken back."""

    guid = text()
    state = one_of("reverted")


class RevertAnswer(Answer):
    """The merge that was taken back."""

    merge = one(RevertedMerge)


class Deletion(Answer):
    """A deletion that was decided; the worker carries it out."""

    guid = text()


class DeletionAnswer(Answer):
    """The deletion."""

    deletion = one(Deletion)


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
