"""segment-analytics-python, Segment's older analytics-python, and rudder-sdk-python, whose clients have the same methods.

The second argument is the module of the client: segment.analytics.client, analytics.client or rudderstack.analytics.client.
"""

import sys
from importlib import import_module

from visitor import Visitor

visitor = Visitor()
client = import_module(sys.argv[2]).Client(
    visitor.key,
    host=visitor.url,
    on_error=lambda _, batch: visitor.given_up.extend((one.get("properties") or {}).get("step", one["type"]) for one in batch),
)

client.page(anonymous_id=visitor.anonymous_id, name="Home", properties={"step": "home"})
client.flush()
client.page(anonymous_id=visitor.anonymous_id, name="Pricing", properties={"step": "pricing"})
client.flush()
client.identify(visitor.user_id, visitor.traits, anonymous_id=visitor.anonymous_id)
client.flush()
client.alias(visitor.anonymous_id, visitor.user_id)
client.flush()
client.track(visitor.user_id, "purchase", visitor.order, timestamp=visitor.bought_at)
client.page(visitor.user_id, name="Thanks", properties={"step": "thanks"})
client.flush()
client.shutdown()
visitor.end()
