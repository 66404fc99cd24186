"""Findings, and the examination that makes them: every check in a thread of its own, so that what hangs holds up no other."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from enum import StrEnum
from typing import NamedTuple

import redis
import sqlalchemy as sa
from flask import Flask

from app.background import begin
from app.services import Services, services
from backends.errors import BackendError

WAIT_S = 5


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """What was looked at, how it is, and, unless it is well, what to do."""

    subject: str
    level: Level
    told: str
    advice: str = ""


Check = Callable[[Services], Iterator[Finding]]


def fine(subject: str, told: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Level.OK, told)


def warn(subject: str, told: str, advice: str) -> Finding:
    """It works, and may not for long, or not as it should."""
    return Finding(subject, Level.WARNING, told, advice)


def wrong(subject: str, told: str, advice: str) -> Finding:
    """It does not work, or events may be lost."""
    return Finding(subject, Level.ERROR, told, advice)


def examine(app: Flask, checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """The findings of all checks, (subject, check), in their order, within about WAIT_S."""
    ends_at = time.monotonic() + WAIT_S
    asked = [(subject, begin(_asking(app, subject, check))) for subject, check in checks]
    return [finding for subject, future in asked for finding in _outcome(subject, future, ends_at)]


def _asking(app: Flask, subject: str, check: Check) -> Callable[[], list[Finding]]:
    def ask() -> list[Finding]:
        with app.app_context():
            try:
                return list(check(services()))
            except (redis.RedisError, sa.exc.SQLAlchemyError, BackendError, OSError) as error:
                return [wrong(subject, f"can't be looked at: {type(error).__name__}", "see whether what it rests on is there")]

    return ask


def _outcome(subject: str, future: Future[list[Finding]], ends_at: float) -> list[Finding]:
    try:
        return future.result(max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        return [wrong(subject, f"no answer within {WAIT_S} s", "see whether it hangs, or can't be reached from here")]
