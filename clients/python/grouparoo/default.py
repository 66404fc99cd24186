"""The client that `init` makes, for programs that need just one: `grouparoo.track(…)` from anywhere."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from grouparoo.client import Client

log = logging.getLogger("grouparoo")

P = ParamSpec("P")
R = TypeVar("R")

_client: Client | None = None


def _made(make: Callable[P, Client]) -> Callable[P, Client]:
    @wraps(make)
    def init(*args: P.args, **kwargs: P.kwargs) -> Client:
        """Make the client that the functions of this module use, of Client's arguments. The one before it is shut down."""
        global _client
        before, _client = _client, make(*args, **kwargs)
        if before:
            before.shutdown()
        return _client

    return init


def _forwarded(method: Callable[Concatenate[Client, P], R]) -> Callable[P, R | None]:
    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if _client is None:
            log.warning("%s was called before init: nothing was sent", method.__name__)
            return None
        return method(_client, *args, **kwargs)

    return call


init = _made(Client)
track = _forwarded(Client.track)
identify = _forwarded(Client.identify)
page = _forwarded(Client.page)
flush = _forwarded(Client.flush)
shutdown = _forwarded(Client.shutdown)
