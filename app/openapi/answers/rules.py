"""Property rules, how far they are computed, and what one would make of some profiles."""

from marshmallow import fields

from app.openapi.answers.forms import Answer, Deleted, count, following, many, moment, one, one_of, text


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
