"""Profiles, what is known of them, and what was decided about them: merges and deletions."""

from marshmallow import fields, validate

from app.openapi.answers.events import Claim, Identifier, Merge
from app.openapi.answers.forms import Answer, following, many, moment, one, one_of, text


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


class ProfileExplanation(Answer):
    """What holds a profile together."""

    profileGuid = text()
    owner = one(Identifier)
    identifiers = many(Identifier)
    claims = many(Claim)
    merges = many(Merge)


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
