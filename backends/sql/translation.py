"""The one door where the drivers' errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg2
import sqlalchemy as sa

from backends.errors import BackendUnavailable, EventsRefused
from backends.sql.engine import is_deadlock, is_outage, is_refusal, outage_text


class Deadlock(BackendUnavailable):
    """Raised when the database chose our transaction to end a deadlock."""


@contextmanager
def translated() -> Iterator[None]:
    """Within it, what SQLAlchemy and the drivers raise becomes BackendUnavailable, EventsRefused, or is a bug."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        _raise_ours(error)
    except psycopg2.Error as error:  # COPY goes past SQLAlchemy
        wrapped = sa.exc.DBAPIError.instance("COPY", {}, error, psycopg2.Error)
        assert isinstance(wrapped, sa.exc.DBAPIError)
        wrapped.__cause__ = error  # as where SQLAlchemy wraps it: a trace names the driver's own class
        _raise_ours(wrapped)
    except sa.exc.TimeoutError as error:
        raise BackendUnavailable(str(error)) from error
    except ValueError as error:  # the drivers' word for text that can't be sent: NUL, half a surrogate pair
        raise EventsRefused(str(error)) from error


def _raise_ours(error: sa.exc.DBAPIError) -> NoReturn:
    if is_deadlock(error):
        raise Deadlock(outage_text(error)) from error
    if is_outage(error):
        raise BackendUnavailable(outage_text(error)) from error
    if is_refusal(error):
        raise EventsRefused(str(error.orig).strip()) from error
    raise error
