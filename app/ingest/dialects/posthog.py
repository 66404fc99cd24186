"""PostHog's SDKs for servers and browsers, capture v1 included (09-sdks)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Blueprint, Response, request

from app.answers import answer
from app.auth import find_key
from app.ingest.contexts import add_context, properties
from app.ingest.dialect import Call, Dialect, Raw, Result, members, unusable
from app.ingest.intake import may_write
from app.ingest.links import Ids, linked

CAPTURE_V1 = "capture v1"

TYPES = {
    "$identify": "identify",
    "$set": "identify",
    "$groupidentify": "group",
    "$create_alias": "alias",
    "$merge_dangerously": "alias",
}
"""Their names for what has a word here; every other name stays as it is."""

TRAITS = {"identify": "$set", "group": "$group_set"}
"""Whose members are the traits."""

COOKIELESS = "$posthog_cookieless"
"""What a page of posthog-js that may keep no cookies says for every visitor's id: nobody's."""

_LEFT_OUT = ("token", "distinct_id", "$ip")
_FLAGS = {"supportedCompression": ["gzip-js"], "featureFlags": {}, "sessionRecording": False}


class PostHog(Dialect):
    """The key is in the body, or in the first event."""

    posts = {"/batch": "", "/e": "", "/i/v0/e": "", "/capture": "", "/i/v1/analytics/events": CAPTURE_V1}

    def key(self, call: Call) -> str | None:
        """`api_key` of an envelope; else `token`, of the event or of its properties."""
        envelope = members(call.body)
        first = members(next(iter(self.events(call)), None))
        of_event = (first.get("api_key"), first.get("token"), members(first.get("properties")).get("token"))
        found = (envelope.get("api_key"), envelope.get("token"), *of_event)
        return next((one for one in found if isinstance(one, str)), None)

    def events(self, call: Call) -> Sequence[Any]:
        """`{"batch": [...]}`, a bare list, or one event."""
        found = call.body.get("batch", [call.body]) if isinstance(call.body, dict) else call.body
        if not isinstance(found, list):
            raise unusable('an event, a list of events, or {"batch": [...]}')
        return found

    def sent_at(self, call: Call) -> Any:
        """The envelope's; posthog-js has it in the query.

        Capture v1 has it in a header: its `created_at` stays the same over all attempts.
        """
        if call.told == CAPTURE_V1:
            return request.headers.get("PostHog-Request-Timestamp")
        envelope = members(call.body)
        told = (envelope.get("sent_at"), envelope.get("sentAt"), call.fields.get("_"))
        return next((one for one in told if one), None)

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """posthog-js 1.130 tells no times, but how long before the request it was."""
        told = properties(event.get("properties"))
        for name in ("$set", "$set_once"):
            if isinstance(event.get(name), dict):
                told[name] = {**members(told.get(name)), **event[name]}
        called = event.get("event")
        kind = TYPES.get(called, called) if isinstance(called, str) else called
        data = _data(kind, {key: value for key, value in told.items() if key not in _LEFT_OUT})
        distinct = event.get("distinct_id") or told.get("distinct_id")
        is_nobodys = distinct == COOKIELESS
        ids = _ids(called, None if is_nobodys else distinct, {key: one for key, one in told.items() if one != COOKIELESS})
        raw = ids.of_event(data) | {"type": kind, "data": data, "messageId": event.get("uuid"), "ipAddress": told.get("$ip")}
        raw["isNobodys"] = is_nobodys
        offset = event.get("offset")
        if event.get("timestamp") is None and isinstance(offset, int | float):
            return raw | {"occurredAt": call.received_ms - offset, "sentAt": call.received_ms}
        return raw | {"occurredAt": event.get("timestamp")}

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """Capture v1 wants to hear of each event."""
        if call.told != CAPTURE_V1:
            return super().success(call, results)
        outcomes = ((members(one.event).get("uuid"), _outcome(one.refusal)) for one in results)
        return answer({"results": {uuid: outcome for uuid, outcome in outcomes if isinstance(uuid, str)}})

    def register(self, blueprint: Blueprint) -> None:
        """What a page asks for before and between its events: there are no flags, and nothing is recorded."""
        for path in ("/flags", "/decide"):
            blueprint.add_url_rule(path, path[1:], _flags, methods=["POST"], strict_slashes=False)
        blueprint.add_url_rule("/array/<key>/config", "config", _config, methods=["GET"], strict_slashes=False)
        blueprint.add_url_rule("/array/<key>/config.js", "config_js", _config_script, methods=["GET"])


def _outcome(refusal: str | None) -> dict[str, str]:
    return {"result": "ok"} if refusal is None else {"result": "drop", "details": refusal}


def _data(kind: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Of an identify or group event the traits, and all else below the context; else the properties as they are."""
    if not isinstance(kind, str) or kind not in TRAITS:
        return told
    data = properties(told.pop(TRAITS[kind], None))
    for name, key in (("$group_key", "groupId"), ("$group_type", "groupType")):
        if told.get(name) is not None:
            data[key] = told.pop(name)
    add_context(data, told)
    return data


def _ids(name: Any, distinct: Any, told: Mapping[str, Any]) -> Ids:
    """Whose a distinct_id is can be seen only where there is a device: in posthog-js. Else it may be either kind."""
    device = told.get("$device_id")
    if name == "$identify":
        return linked(distinct, told.get("$anon_distinct_id"))
    if name == "$merge_dangerously":
        return linked(distinct, told.get("alias"))
    if name == "$create_alias":
        return linked(*_alias(distinct, told))
    if device is None or distinct == device or told.get("$is_identified") is False:
        return Ids(None, distinct)
    return Ids(distinct, device)


def _alias(distinct: Any, told: Mapping[str, Any]) -> tuple[Any, Any]:
    """Which of the two is the user differs: posthog-python and posthog-js name it as the alias, the others do not.

    Capture v1 names the library in a header.
    """
    alias = told.get("alias")
    library = told.get("$lib") or request.headers.get("PostHog-Sdk-Info", "").partition("/")[0]
    return (alias, distinct) if library in ("posthog-python", "web") else (distinct, alias)


def _flags() -> Response:
    return answer(_FLAGS)


def _config(key: str) -> Response:
    may_write(find_key(key))
    return answer(_FLAGS)


def _config_script(key: str) -> Response:
    """The same as a script: a key that is known has no characters that could end the text it stands in."""
    may_write(find_key(key))
    config = orjson.dumps({"config": _FLAGS, "siteApps": []}).decode()
    script = f'(window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {{}})["{key}"] = {config};'
    return Response(script, content_type="text/javascript")


DIALECT = PostHog()
