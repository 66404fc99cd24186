"""mixpanel, in the idiom of its "simplified id merge": $device_id and $user_id on the events after the sign-in.

Its alias() asks its maker's own host, whatever it is told, and can't be tried.
"""

from mixpanel import Consumer, Mixpanel
from visitor import Visitor

visitor = Visitor()
urls = {f"{name}_url": f"{visitor.url}/{path}" for name, path in (("events", "track"), ("people", "engage"))}
client = Mixpanel(visitor.key, Consumer(**urls))
device = {"$device_id": visitor.anonymous_id}
both = {**device, "$user_id": visitor.user_id}


def track(who: str, event: str, properties: dict[str, object]) -> None:
    visitor.attempt(str(properties["step"]), lambda: client.track(who, event, properties))


track(f"$device:{visitor.anonymous_id}", "page", {**device, "step": "home"})
track(f"$device:{visitor.anonymous_id}", "page", {**device, "step": "pricing"})
track(visitor.user_id, "sign-in", {**both, **visitor.traits})
visitor.attempt("people", lambda: client.people_set(visitor.user_id, {**visitor.traits, "step": "people"}))
track(visitor.user_id, "purchase", {**both, **visitor.order, "time": visitor.bought_at.timestamp()})
track(visitor.user_id, "page", {**both, "step": "thanks"})
visitor.end()
