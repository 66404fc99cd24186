"""Mixpanel's SDKs for servers and browsers: events, and updates of profiles and groups (09-sdks)."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from app.ingest.contexts import add_context, properties
from app.ingest.dialect import Call, Dialect, Raw, Result, members, unusable
from app.ingest.links import Ids, linked

EVENTS, PEOPLE, GROUPS = "events", "people", "groups"
_PATHS = {"/track": EVENTS, "/engage": PEOPLE, "/groups": GROUPS}

TYPES = {"$identify": "identify", "$create_alias": "alias", "$merge": "alias"}
"""Their names for what has a word here; every other name stays as it is."""

SERVERS = ("python", "node", "php", "ruby", "go", "jdk")
"""`mp_lib` of SDKs that never tell of a sign-in by itself: their updates of a profile name nothing but a distinct_id."""

_LEFT_OUT = ("token", "distinct_id", "time", "ip", "$insert_id", "$user_id", "$device_id")
_OF_UPDATE = ("$token", "$distinct_id", "$user_id", "$device_id", "$group_key", "$group_id", "$time", "$ip", "$set")
_FIRST_MILLISECONDS = 100_000_000_000


class Mixpanel(Dialect):
    """The key is in each event."""

    posts = {**_PATHS, "/import": EVENTS}
    gets = _PATHS

    def key(self, call: Call) -> str | None:
        """`token` of the first event's properties, `$token` of the first update."""
        first = members(next(iter(self.events(call)), None))
        found = (members(first.get("properties")).get("token"), first.get("$token"))
        return next((one for one in found if isinstance(one, str)), None)

    def events(self, call: Call) -> Sequence[Any]:
        """A list, or one."""
        if not isinstance(call.body, dict | list):
            raise unusable("data with an event or a list of events")
        return call.body if isinstance(call.body, list) else [call.body]

    def sent_at(self, call: Call) -> Any:
        """mixpanel-browser has it in the query."""
        return call.fields.get("_")

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """An event, or by its route an update."""
        return _event(event) if call.told == EVENTS else _update(event, call.told)

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """JSON where `verbose` asks for it, in the form or in the query; else the text `1`."""
        if call.fields.get("verbose") == "1":
            return super().success(call, results)
        return Response("1", content_type="text/plain")


def _event(event: dict[str, Any]) -> Raw:
    told = properties(event.get("properties"))
    name = event.get("event")
    kind = TYPES.get(name, name) if isinstance(name, str) else name
    data = {key: value for key, value in told.items() if key not in _LEFT_OUT}
    if kind == "identify":
        told_beside, data = data, {}
        add_context(data, told_beside)
    ids = _ids(name, told)
    raw = {"type": kind, "data": data, "messageId": told.get("$insert_id"), "ipAddress": told.get("ip")}
    return raw | ids.of_event(data) | _time(told.get("time"), raw["messageId"])


def _update(update: dict[str, Any], told: str) -> Raw:
    """What is set is the traits; every other operation stands below the context, for it means more than its value."""
    data = properties(update.get("$set"))
    add_context(data, {key: value for key, value in update.items() if key not in _OF_UPDATE})
    raw = {"data": data, "ipAddress": update.get("$ip")} | _time(update.get("$time"), None)
    if told == PEOPLE:
        theirs = {**update, "distinct_id": update.get("$distinct_id")}
        return raw | {"type": "identify"} | _ids(None, theirs).of_event(data)
    kind, name = update.get("$group_key"), update.get("$group_id")
    data |= {"groupId": name, "groupType": kind}
    return raw | {"type": "group", "anonymousId": f"{kind}:{name}" if name is not None else None}


def _ids(name: Any, told: Mapping[str, Any]) -> Ids:
    """Whose a distinct_id is can be seen in browsers, by what stands beside it. Else it may be either kind."""
    distinct, device, user = _plain(told.get("distinct_id")), _plain(told.get("$device_id")), told.get("$user_id")
    if name == "$identify":
        return linked(told.get("$identified_id") or distinct, _plain(told.get("$anon_distinct_id")) or device)
    if name == "$create_alias":
        return linked(told.get("alias"), distinct)
    if name == "$merge":
        ids = told.get("$distinct_ids")
        other, *users = [_plain(one) for one in ids] if isinstance(ids, list) and ids else [distinct]
        return linked(users[-1], other) if users else Ids(None, other)
    if user is not None:
        return Ids(user, device, is_link=distinct == user and told.get("mp_lib") in SERVERS)
    return Ids(None, distinct if distinct is not None else device)


def _plain(distinct: Any) -> Any:
    """The device's id as `$device_id` has it."""
    return distinct.removeprefix("$device:") if isinstance(distinct, str) else distinct


def _time(told: Any, message_id: Any) -> Raw:
    """Seconds, or milliseconds from mixpanel-node, which sends no id of the message; in whole seconds much is the same."""
    is_fine = isinstance(told, int | float) and (told >= _FIRST_MILLISECONDS or told % 1 != 0)
    return {"ocurredAt" if message_id is None and is_fine else "occurredAt": told}


DIALECT = Mixpanel()
