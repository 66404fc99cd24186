"""DeadLetter: an event that could not be stored, kept with its reason."""

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import LongText, Moment, db


class DeadLetter(db.Model):  # type: ignore[name-defined, misc]  # as ApiKey
    """A parked event: `event` is its JSON as it stood in the stream, `reason` says what it did."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index("dead_letters_by_user", "user_id"),
        Index("dead_letters_by_device", "anonymous_id"),
    )

    guid: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str | None]
    anonymous_id: Mapped[str | None]
    event: Mapped[list[object]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[str] = mapped_column(Moment)
