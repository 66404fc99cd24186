"""posthog; the second argument is its capture mode, v0 (POST /batch/) or v1 (POST /i/v1/analytics/events)."""

import sys

from posthog import Posthog
from visitor import Visitor

visitor = Visitor()
client = Posthog(
    visitor.key,
    host=visitor.url,
    on_error=lambda _, batch: visitor.given_up.extend(one["properties"].get("step", one["event"]) for one in batch),
    capture_mode=sys.argv[2],
)

client.capture("$pageview", distinct_id=visitor.anonymous_id, properties={"step": "home"})
client.flush()
client.capture("$pageview", distinct_id=visitor.anonymous_id, properties={"step": "pricing"})
client.flush()
client.alias(visitor.anonymous_id, visitor.user_id)
client.flush()
client.set(distinct_id=visitor.user_id, properties=visitor.traits)
client.flush()
client.capture("purchase", distinct_id=visitor.user_id, properties=visitor.order, timestamp=visitor.bought_at)
client.capture("$pageview", distinct_id=visitor.user_id, properties={"step": "thanks"})
client.flush()
client.shutdown()
visitor.end()
