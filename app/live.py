"""Events told live, as they are stored: the worker publishes them while somebody listens. Nobody waits for a listener."""

import logging
from collections.abc import Callable, Iterator, Sequence

import orjson
import redis

from app.logs import kind_of
from backends.errors import BackendUnavailable
from backends.event import Event

log = logging.getLogger(__name__)

CHANNEL = "events:stored"
IDLE_S = 1.0


class Announcer:
    """The worker's side."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def announce(self, stored: Callable[[], Sequence[Event]]) -> None:
        """Publish these events if anybody listens; `stored` is asked only then. What fails here concerns no event."""
        try:
            ((_, listeners),) = self._client.pubsub_numsub(CHANNEL)
            if listeners and (events := stored()):
                self._client.publish(CHANNEL, orjson.dumps([event[:11] for event in map(tuple, events)]))
        except (redis.RedisError, BackendUnavailable) as error:
            log.warning("could not tell those who listen: %s", kind_of(error))


def listen(client: redis.Redis) -> Iterator[Event | None]:
    """The events that are stored from now on; None where there was none for a second. Raises redis.RedisError."""
    with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]  # redis-py's own
        subscription.subscribe(CHANNEL)
        while True:
            message = subscription.get_message(timeout=IDLE_S)
            if message is None:
                yield None
            elif message["type"] == "message":
                yield from (Event(*fields) for fields in orjson.loads(message["data"]))
