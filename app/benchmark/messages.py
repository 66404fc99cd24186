"""Messages: made-up visitors, each an event that no server has seen before, in the words of a route."""

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from urllib3.util import make_headers

Json = dict[str, Any]

VISITORS = 1000
SIGNED_IN = 0.3
PATHS = ("/", "/about", "/products/1", "/products/2", "/basket", "/checkout")


@dataclass(frozen=True)
class Message:
    """What happened: somebody, perhaps known by name, looked at a page."""

    type: str
    user_id: str | None
    anonymous_id: str
    message_id: str
    data: dict[str, str]


@dataclass(frozen=True)
class Route:
    """How a route is spoken: its path, whether it takes many at once, the body of some messages, the headers of a key."""

    path: str
    is_batch: bool
    body: Callable[[list[Message]], Any]
    headers: Callable[[str], Mapping[str, str]]


class Visitors:
    """A run's visitors. All its events have one type of its own, so that they can be told from others."""

    def __init__(self, seed: int | None = None) -> None:
        self.run = uuid.uuid4().hex[:12]
        self.type = f"bench-{self.run}"
        self._chance = random.Random(seed)

    def message(self) -> Message:
        """The next thing that one of them does."""
        number = self._chance.randrange(VISITORS)
        user = f"{self.run}-user-{number}" if self._chance.random() < SIGNED_IN else None
        data = {"path": self._chance.choice(PATHS), "loadTime": str(self._chance.randrange(50, 2000))}
        return Message(self.type, user, f"{self.run}-device-{number}", str(uuid.uuid4()), data)


def _own(message: Message) -> Json:
    ids = {"userId": message.user_id, "anonymousId": message.anonymous_id, "messageId": message.message_id}
    return {"type": message.type, **{name: value for name, value in ids.items() if value}, "data": message.data}


def _segment(message: Message) -> Json:
    return {
        "type": "track",
        "event": message.type,
        "userId": message.user_id,
        "anonymousId": message.anonymous_id,
        "messageId": message.message_id,
        "properties": message.data,
    }


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _basic(key: str) -> Mapping[str, str]:
    return make_headers(basic_auth=f"{key}:")


ROUTES = {
    "/api/v1/batch": Route("/api/v1/batch", True, lambda some: [_own(one) for one in some], _bearer),
    "/api/v1/track": Route("/api/v1/track", False, lambda some: _own(some[0]), _bearer),
    "/v1/batch": Route("/v1/batch", True, lambda some: {"batch": [_segment(one) for one in some]}, _basic),
}
"""Ours (04-http), and Segment's HTTP API, which others speak too: the key is the user of Basic, without a password."""
