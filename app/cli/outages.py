"""Outages: what ends a command, because something is away or broken, is told in one line."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import redis
import sqlalchemy as sa

from app.cli.terminal import fail
from app.logs import kind_of
from backends.errors import BackendUnavailable

log = logging.getLogger(__name__)

ADVICE = "`flask --app app doctor` says what to do"


def guarded(command: click.Command) -> click.Command:
    """The same command, or group of commands; nothing that it raises is shown as a traceback."""

    def invoke(ctx: click.Context) -> Any:
        with told():
            return type(command).invoke(command, ctx)

    twin = copy.copy(command)
    twin.invoke = invoke  # type: ignore[method-assign]  # a class of ours for each kind of command would say no more
    return twin


@contextmanager
def told() -> Iterator[None]:
    """End the command with 1 and one line on stderr. Errors' own words are left out: they may hold ids and passwords."""
    try:
        yield
    except redis.RedisError as error:
        fail(f"Redis can't be used ({kind_of(error)}): {ADVICE}")
    except BackendUnavailable as error:
        fail(f"the events' database can't be used ({kind_of(error.__cause__ or error)}): {ADVICE}")
    except sa.exc.SQLAlchemyError as error:
        fail(f"the database can't be used ({kind_of(error)}): {ADVICE}")
    except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise
    except OSError as error:
        fail(f"{error.strerror or kind_of(error)}: {error.filename or 'no file is concerned'}")
    except Exception as error:
        log.debug("a command failed", exc_info=error)
        fail(f"a bug: {kind_of(error)}; LOG_LEVEL=DEBUG shows where")
