"""Services: what one process holds open, found by every part through the Flask app."""

import logging
from dataclasses import dataclass
from typing import cast

import redis
from flask import Flask, current_app

from app.config import Settings
from app.identity.rule import Policy
from app.identity.store import IdentityStore
from app.models import db
from app.stream import EventStream
from backends.base import EventBackend

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Made once by create_app; nothing in it connects before it is used."""

    settings: Settings
    redis: redis.Redis
    stream: EventStream
    backend: EventBackend

    @property
    def identity(self) -> IdentityStore:
        """Who is who: on the database of the app whose context we are in."""
        return IdentityStore(db.engine, Policy(self.settings.shared_device_policy))

    def wake(self, job: str) -> None:
        """Let a worker carry out what was decided. It is written down: while Redis is away, the schedule sees to it."""
        try:
            self.stream.wake(job)
        except redis.RedisError:
            log.warning("could not wake the worker for %s; the schedule will", job)

    def register(self, app: Flask) -> None:
        """Let `services()` find these inside this app."""
        app.extensions["grouparoo"] = self


def services() -> Services:
    """The services of the app whose context we are in."""
    return cast(Services, current_app.extensions["grouparoo"])
