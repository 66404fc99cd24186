"""What is to be looked up in sql apps, and how that goes (05-properties)."""

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import LongText, Moment, db


class Lookup(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """What an sql source knows of this profile's person is to be looked up. `version` grows with each reason."""

    __tablename__ = "lookups"

    source_guid: Mapped[str] = mapped_column(primary_key=True)
    profile_guid: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer)


class Loading(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """How the loading from an sql source goes: one worker at a time is at it, until `taken_until`.

    `reached` is the last profile, in order of guids, that was refreshed since `begun_at`; when all are, `begun_at` becomes
    `refreshed_at`. `failure` is what is wrong, if anything is; after `failures` in a row nobody asks again before `retry_at`.
    """

    __tablename__ = "loadings"

    source_guid: Mapped[str] = mapped_column(primary_key=True)
    taken_until: Mapped[str | None] = mapped_column(Moment)
    begun_at: Mapped[str | None] = mapped_column(Moment)
    reached: Mapped[str] = mapped_column(default="")
    refreshed_at: Mapped[str | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    failure: Mapped[str | None] = mapped_column(LongText)
    failed_at: Mapped[str | None] = mapped_column(Moment)
    retry_at: Mapped[str | None] = mapped_column(Moment)
