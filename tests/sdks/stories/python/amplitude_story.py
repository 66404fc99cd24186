"""amplitude-analytics; the second argument is "http" (POST /2/httpapi) or "batch" (POST /batch).

Its timer sends, as in most apps. It loses track of what it sends on a connection that closes without an answer: there is
neither a callback nor another attempt.
"""

import sys

from amplitude import Amplitude, BaseEvent, Config, EventOptions, Identify
from visitor import Visitor

FORGOTTEN_S = 8
PATHS = {"http": "/2/httpapi", "batch": "/batch"}
visitor = Visitor()


def is_done(event: BaseEvent, code: int, message: str | None) -> None:
    """Its callback, which tells of success and of failure."""
    if code != 200:
        properties = event["event_properties"] or {}
        visitor.given_up.append(properties.get("step", event["event_type"]))
    visitor.arrived()


url = visitor.url + PATHS[sys.argv[2]]
use_batch = sys.argv[2] == "batch"
client = Amplitude(visitor.key, Config(server_url=url, use_batch=use_batch, flush_interval_millis=200, callback=is_done))


def track(event_type: str, properties: dict[str, object], **fields: object) -> None:
    client.track(BaseEvent(event_type, event_properties=properties, **fields))
    visitor.wait_for(str(properties["step"]), FORGOTTEN_S)


track("page", {"step": "home"}, device_id=visitor.anonymous_id)
track("page", {"step": "pricing"}, device_id=visitor.anonymous_id)
identify = Identify()
for name, value in visitor.traits.items():
    identify.set(name, value)
client.identify(identify, EventOptions(user_id=visitor.user_id, device_id=visitor.anonymous_id))
visitor.wait_for("sign-in", FORGOTTEN_S)
track("purchase", visitor.order, user_id=visitor.user_id, time=visitor.bought_ms)
track("page", {"step": "thanks"}, user_id=visitor.user_id)
client.shutdown()
visitor.end()
