"""ApiKey: a producer's credential."""

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Moment, db


class ApiKey(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes its base class at run time
    """The seed's `apiKeys`: who may do what. The key itself is shown once and never stored."""

    __tablename__ = "api_keys"

    guid: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    origins: Mapped[list[str]] = mapped_column(JSON, default=list)
    rate_limit: Mapped[int | None]
    """So many events, and requests of other kinds, may come with it in a minute; None: any number."""
    created_at: Mapped[str] = mapped_column(Moment)
    updated_at: Mapped[str] = mapped_column(Moment)
    revoked_at: Mapped[str | None] = mapped_column(Moment)
