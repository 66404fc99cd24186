"""SegmentSpec: the language of Segment's HTTP API, which several makers' SDKs speak (segment.com/docs/connections/spec)."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.ingest.contexts import CONTEXT, add_context, properties
from app.ingest.dialect import Call, Dialect, Raw, listed, members, unusable

ROOT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "track": (),
    "page": ("name", "category"),
    "screen": ("name", "category"),
    "identify": (),
    "group": ("groupId",),
    "alias": ("previousId",),
}
"""The kinds of calls, and what goes into the data of each beside its properties or traits."""

CALLS = tuple(ROOT_FIELDS)
TRAITS = ("identify", "group")

BROWSERS = {"analytics.js", "RudderLabs JavaScript SDK"}
"""`context.library.name` of SDKs that run where the request comes from: its address is the user's."""


class SegmentSpec(Dialect):
    """Events of one of CALLS, alone or in a batch. The key is Basic's user, and in the body of some."""

    def key(self, call: Call) -> str | None:
        """`writeKey`."""
        found = members(call.body).get("writeKey")
        return found if isinstance(found, str) else None

    def events(self, call: Call) -> Sequence[Any]:
        """`{"batch": [...]}`, or one event."""
        if not isinstance(call.body, dict):
            raise unusable('an event, or {"batch": [...]}')
        if "batch" in call.body:
            return listed(call.body, "batch", '{"batch": [...]}')
        return [call.body]

    def sent_at(self, call: Call) -> Any:
        """The envelope's; an event that comes alone has its own."""
        return call.body.get("sentAt")

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """`timestamp` goes before `originalTimestamp`, which is when the SDK queued it (rudder-node sends both)."""
        kind = event.get("type") or call.told
        context = members(event.get("context"))
        library = members(context.get("library")).get("name")
        is_of_browser = isinstance(library, str) and library in BROWSERS
        return {
            "type": event.get("event") if kind == "track" else kind,
            "userId": event.get("userId"),
            "anonymousId": _other_id(event) if kind == "alias" else event.get("anonymousId"),
            "occurredAt": event.get("timestamp") or event.get("originalTimestamp"),
            "sentAt": event.get("sentAt"),
            "messageId": event.get("messageId"),
            "data": _data(kind, event, context),
            "ipAddress": None if is_of_browser else context.get("ip"),
        }


def _data(kind: Any, event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Traits stand in `traits`, in `context.traits`, or in both. The address is no data: IP_ADDRESSES has a say in it."""
    about = {name: value for name, value in context.items() if name != "ip"}
    if kind == "identify":
        data = properties(about.pop("traits", None)) | properties(event.get("traits"))
    else:
        data = properties(event.get("traits" if kind == "group" else "properties"))
    for name in ROOT_FIELDS.get(kind, ()) if isinstance(kind, str) else ():
        if event.get(name) is not None:
            data[name] = event[name]
    if kind in TRAITS and event.get("properties"):
        add_context(data, properties(event["properties"]), f"{CONTEXT}.properties")
    if about:
        add_context(data, about)
    return data


def _other_id(event: dict[str, Any]) -> Any:
    """An alias of an id with itself, as browsers send it after an identify, links nothing."""
    previous = event.get("previousId")
    return event.get("anonymousId") if previous is None or previous == event.get("userId") else previous
