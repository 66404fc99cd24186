"""Current homes, in SQL: which of them are profiles as things stand, though nothing may have been re-pointed yet."""

import sqlalchemy as sa

from app.identity.rule import DELETED, Policy
from app.identity.view import claims_table, identifiers, merges


def may_be_current(policy: Policy) -> sa.ColumnElement[bool]:
    """Whether the home of an identifier is a profile: of a user that was not merged away, or of a device that is nobody's.

    Where `is_doubtful` it may be none all the same.
    """
    # As subqueries in an OR these are asked row by row. As joins PostgreSQL takes what they leave for one row, and does
    # with the others what it would do with that one.
    is_merged = sa.exists().where(merges.c.kind == "user", merges.c.child == identifiers.c.value)
    is_nobodys = sa.func.coalesce(_claimant(policy), DELETED) == DELETED
    of_user = sa.and_(identifiers.c.kind == "user", sa.not_(is_merged))
    return sa.or_(of_user, sa.and_(identifiers.c.kind == "anonymous", is_nobodys))


def is_doubtful(policy: Policy) -> sa.ColumnElement[bool]:
    """Whether several userIds claim a device of which some were merged: they may be one person."""
    if policy is Policy.FIRST:
        return sa.false()
    merged = sa.and_(merges.c.kind == "user", merges.c.child == claims_table.c.user_id)
    here = sa.and_(identifiers.c.kind == "anonymous", claims_table.c.anonymous_id == identifiers.c.value)
    return sa.exists().where(here, merged)


def _claimant(policy: Policy) -> sa.ScalarSelect[str]:
    """The userId to whom a device belongs by its claims, DELETED (or NULL) if it belongs to none."""
    theirs, user_id = claims_table.c.anonymous_id == identifiers.c.value, claims_table.c.user_id
    if policy is Policy.FIRST:
        return sa.select(user_id).where(theirs).order_by(claims_table.c.seen).limit(1).scalar_subquery()
    first, last = sa.func.min(user_id), sa.func.max(user_id)
    return sa.select(sa.case((first == last, first), else_=DELETED)).where(theirs).scalar_subquery()
