"""Services: what one process holds open, found by every part through the Flask app."""

from dataclasses import dataclass
from typing import cast

import redis
from flask import Flask, current_app

from app.config import Settings
from app.stream import EventStream
from backends.base import EventBackend


@dataclass(frozen=True)
class Services:
    """Made once by create_app; nothing in it connects before it is used."""

    settings: Settings
    redis: redis.Redis
    stream: EventStream
    backend: EventBackend

    def register(self, app: Flask) -> None:
        """Let `services()` find these inside this app."""
        app.extensions["grouparoo"] = self


def services() -> Services:
    """The services of the app whose context we are in."""
    return cast(Services, current_app.extensions["grouparoo"])
