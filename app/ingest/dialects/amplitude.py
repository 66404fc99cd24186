"""Amplitude's SDKs for servers and browsers (09-sdks; amplitude.com/docs/apis/analytics/http-v2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from app.answers import ApiError, answer
from app.ingest.contexts import CONTEXT, add_context, properties
from app.ingest.dialect import SUCCESS, Call, Dialect, Raw, Result, listed, members

TYPES = {"$identify": "identify", "$groupidentify": "group"}
"""Their names for what has a word here; every other name stays as it is."""

TRAITS = {"identify": "user_properties", "group": "group_properties"}
"""Whose `$set`, and members that are no operation, are the traits."""

_SALE = ("price", "quantity", "revenue", "productId", "revenueType", "currency")
"""What is told of an event beside its properties."""

_HERE = ("event_type", "user_id", "device_id", "time", "insert_id", "event_properties", "ip", "api_key", *_SALE)
_PEER = "$remote"
_NO_KEY = (401, 403)
_THROTTLED: Mapping[str, Any] = {"throttled_devices": {}, "throttled_users": {}, "exceeded_daily_quota_users": {}}


class Amplitude(Dialect):
    """The key is in the body. The SDKs read of an answer its `code`, not its status."""

    posts = {"/2/httpapi": "", "/batch": ""}

    def speaks(self, body: Any) -> bool:
        """PostHog's `/batch` has `batch`."""
        return "events" in members(body)

    def key(self, call: Call) -> str | None:
        """`api_key`."""
        found = members(call.body).get("api_key")
        return found if isinstance(found, str) else None

    def events(self, call: Call) -> Sequence[Any]:
        """`{"events": [...]}`."""
        return listed(call.body, "events", '{"events": [...]}')

    def sent_at(self, call: Call) -> Any:
        """The client's clock."""
        return members(call.body).get("client_upload_time")

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """A user_id and a device_id on one event are the link: there is no alias."""
        name = event.get("event_type")
        kind = TYPES.get(name, name) if isinstance(name, str) else name
        return {
            "type": kind,
            "userId": event.get("user_id"),
            "anonymousId": event.get("device_id"),
            "occurredAt": event.get("time"),
            "messageId": event.get("insert_id"),
            "data": _data(kind, event),
            "ipAddress": None if event.get("ip") == _PEER else event.get("ip"),
        }

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """Without `code` they send again."""
        accepted = sum(one.refusal is None for one in results)
        sizes = {"events_ingested": accepted, "payload_size_bytes": call.size}
        return answer({**SUCCESS, **sizes, "server_upload_time": call.received_ms})

    def refusal(self, error: ApiError, call: Call | None) -> Response:
        """A key is refused with 400, for they send again on 401; and a 400 says of which events or which field it is."""
        if error.status in _NO_KEY:
            error = ApiError(error.code, 400, f"Invalid API key: {error.message}")
        body = {"code": error.status, "error": error.message, "message": error.message, "status": 0}
        indexes = list(range(len(self.events(call)))) if call and self.speaks(call.body) and _is_list(call) else []
        if error.status == 400:
            of_events = error.code == "invalid_event"
            fields = {"events_with_invalid_fields": {"events": indexes}} if of_events else {"missing_field": "events"}
            body |= {"missing_field": None, "events_with_invalid_fields": {}, **fields}
        if error.status == 429:
            body |= {**_THROTTLED, "throttled_events": indexes}
        return answer(body, error.status)


def _is_list(call: Call) -> bool:
    return isinstance(call.body["events"], list)


def _data(kind: Any, event: dict[str, Any]) -> dict[str, Any]:
    """Of an identify or group event the traits; else the properties and the sale. All that else is told is context."""
    about = dict(event)
    if isinstance(kind, str) and kind in TRAITS:
        data, operations = _traits(about.pop(TRAITS[kind], None))
        add_context(data, operations)
        add_context(data, properties(event.get("event_properties")), f"{CONTEXT}.event_properties")
        data |= _group(members(about.pop("groups", None))) if kind == "group" else {}
    else:
        data = properties(event.get("event_properties"))
    data |= {name: event[name] for name in _SALE if event.get(name) is not None}
    add_context(data, {name: value for name, value in about.items() if name not in _HERE})
    return data


def _traits(found: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is set, and the other operations."""
    told = properties(found)
    plain = {name: value for name, value in told.items() if not name.startswith("$")}
    operations = {name: value for name, value in told.items() if name.startswith("$") and name != "$set"}
    return {**plain, **properties(told.get("$set"))}, operations


def _group(groups: Mapping[str, Any]) -> dict[str, Any]:
    kind, name = next(iter(groups.items()), (None, None))
    return {"groupType": kind, "groupId": name}


DIALECT = Amplitude()
