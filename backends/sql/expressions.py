"""What our SQL says beyond SQLAlchemy's words; each dialect says it in its own way (see `dialects`)."""

from typing import Any

import sqlalchemy as sa


class sound_moment(sa.sql.functions.ReturnTypeFromArgs[Any]):
    """A moment that a person may have written, as a Moment should be stored; NULL if a Timestamp can't say it."""

    inherit_cache = True


class canonical_moment(sa.sql.functions.GenericFunction[str]):
    """A stored moment as `Timestamp` text, or NULL."""

    type = sa.String()
    inherit_cache = True


class moment_now(sa.sql.functions.GenericFunction[Any]):
    """The database's own clock, as it is stored in a Moment."""

    inherit_cache = True


class seconds_ago(sa.sql.functions.GenericFunction[Any]):
    """The moment so many seconds before now."""

    inherit_cache = True


class moment_of_text(sa.sql.functions.GenericFunction[Any]):
    """A `Timestamp` that came as text among other values, as a Moment is stored."""

    inherit_cache = True


class random_guid(sa.sql.functions.GenericFunction[str]):
    """A prefix and a UUIDv4 made by the database, for people who write SQL."""

    type = sa.String()
    inherit_cache = True


class default_now(sa.sql.functions.GenericFunction[Any]):
    """`moment_now` as a column's default."""

    inherit_cache = True


class filter_only(sa.sql.functions.ReturnTypeFromArgs[Any]):
    """A column where it shall narrow what an index found, not choose the index."""

    inherit_cache = True
