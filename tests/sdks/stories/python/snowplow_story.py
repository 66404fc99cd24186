"""snowplow-tracker; the second argument is "post" or "get"."""

import sys

from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, Subject, Tracker
from visitor import Visitor

visitor = Visitor()
emitter = Emitter(
    visitor.url,
    protocol="http",
    method=sys.argv[2],
    batch_size=1,
    max_retry_delay_seconds=2,
    on_success=lambda events: [visitor.arrived() for _ in events],
)
subject = Subject().set_domain_user_id(visitor.anonymous_id)
tracker = Tracker("story", emitter, subject, visitor.key)


def describe(name: str, data: dict[str, object], at_ms: int | None = None) -> None:
    tracker.track(SelfDescribing(SelfDescribingJson(f"iglu:shop/{name}/jsonschema/1-0-0", data), true_timestamp=at_ms))
    visitor.wait_for(name)


def view(step: str) -> None:
    tracker.track(PageView(f"https://shop.example/?step={step}", step))
    visitor.wait_for(step)


view("home")
view("pricing")
subject.set_user_id(visitor.user_id)
describe("sign-in", visitor.traits)
describe("purchase", visitor.order, visitor.bought_ms)
view("thanks")
visitor.end()
