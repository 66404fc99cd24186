"""What identity rests on: identifiers with their homes, claims, merges, what is still to be re-pointed, who is forgotten."""

from sqlalchemy import JSON, BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Moment, Seen, db


class Profile(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A profile guid and what it was made for: that says where it leads when it is nobody's home any more."""

    __tablename__ = "profiles"

    guid: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    value: Mapped[str]
    created_at: Mapped[str] = mapped_column(Moment)


class Identifier(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A userId (kind `user`) or anonymousId (kind `anonymous`) and its home profile; a device may be without one."""

    __tablename__ = "identifiers"

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    home: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[str] = mapped_column(Moment)


class Claim(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """An anonymousId was seen together with a userId, first on the event that `seen` names.

    `origin` is empty for a claim by stored events, `expired` for one by events that retention deleted since, `link` for one of
    an id that equals the userId, by a stored link; else the guid of the merge that made the claim.
    The userId is empty where a deleted person was: an anonymous mark.
    """

    __tablename__ = "claims"
    __table_args__ = (
        Index("claims_in_order", "anonymous_id", "seen"),
        Index("claims_by_user", "user_id"),
    )

    anonymous_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True, default="")
    seen: Mapped[str] = mapped_column(Seen)


class Merge(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """An explicit statement: `child` (a root user, or a device) is `parent` (a root user). A revert deletes the row."""

    __tablename__ = "merges"
    __table_args__ = (Index("merges_by_child", "kind", "child"), Index("merges_by_parent", "parent"))

    guid: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    child: Mapped[str]
    parent: Mapped[str]
    created_at: Mapped[str] = mapped_column(Moment)


class Repoint(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """The events of this identifier may be on a profile that is no longer theirs.

    `version` grows with each reason; the row is deleted only at the version that was read.
    `taken_until` keeps a second worker off while one is at it.
    """

    __tablename__ = "repoints"
    __table_args__ = (Index("repoints_in_order", "created_at"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[str] = mapped_column(Moment)
    taken_until: Mapped[str | None] = mapped_column(Moment)


class Deletion(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A person or device whose events are being deleted: all that were received before `created_at`.

    `users` are userIds, `devices` parts of devices' events as [anonymousId, since, until] (`Event.seen`, None: open).
    """

    __tablename__ = "deletions"

    guid: Mapped[str] = mapped_column(primary_key=True)
    users: Mapped[list[str]] = mapped_column(JSON)
    devices: Mapped[list[list[str | None]]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(Moment)


class Suppression(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A userId (kind `user`) or anonymousId (kind `anonymous`) of which no event is stored any more.

    `refused` counts the events that were not stored for it; one that a crash let come twice counts twice.
    """

    __tablename__ = "suppressions"

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    refused: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[str] = mapped_column(Moment)
