"""Snowplow's trackers: every value is text (09-sdks; docs.snowplow.io, "Snowplow Tracker Protocol")."""

import re
from collections.abc import Sequence
from typing import Any

from flask import Response, request

from app.answers import ApiError
from app.ingest.contexts import CONTEXT, add_context, properties
from app.ingest.decoding import decode_data
from app.ingest.dialect import Call, Dialect, Raw, Result, listed, members
from app.ingest.dialects.pixel import gif

TYPES = {"pv": "page_view", "pp": "page_ping", "tr": "transaction", "ti": "transaction_item"}
"""By `e`. A structured event is named by its action, a self-describing one by its schema."""

FIELDS = {
    "url": "url",
    "page": "title",
    "refr": "referrer",
    **{"se_ca": "category", "se_ac": "action", "se_la": "label", "se_pr": "property", "se_va": "value"},
    **{"pp_mix": "minX", "pp_max": "maxX", "pp_miy": "minY", "pp_may": "maxY"},
    **{"tr_id": "orderId", "tr_af": "affiliation", "tr_tt": "total", "tr_tx": "tax", "tr_sh": "shipping"},
    **{"tr_ci": "city", "tr_st": "state", "tr_co": "country", "tr_cu": "currency"},
    **{"ti_id": "orderId", "ti_sk": "sku", "ti_nm": "name", "ti_ca": "category", "ti_pr": "price", "ti_qu": "quantity"},
    "ti_cu": "currency",
}
"""What the parameters of an event are called in its data; all others stand below the context by their own names."""

_HERE = {*FIELDS, "e", "eid", "aid", "uid", "duid", "dtm", "ttm", "stm", "ip", "ue_px", "ue_pr", "cx", "co"}
_SCHEMA = re.compile(r"iglu:[^/]+/([^/]+)/")


class Snowplow(Dialect):
    """The key is the app's id, `aid`, of each event."""

    posts = {"/com.snowplowanalytics.snowplow/tp2": "post"}
    gets = {"/i": "get"}

    def key(self, call: Call) -> str | None:
        """Of the first event."""
        found = members(next(iter(self.events(call)), None)).get("aid")
        return found if isinstance(found, str) else None

    def events(self, call: Call) -> Sequence[Any]:
        """`{"data": [...]}`, or the query."""
        if call.told == "get":
            return [dict(call.fields)]
        return listed(call.body, "data", '{"schema": ..., "data": [...]}')

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """`ttm` is when it happened, whatever the device's clock says; `dtm` is by that clock, as `stm` is."""
        true_time = event.get("ttm")
        kind, data = _told(event)
        return {
            "type": kind,
            "userId": event.get("uid"),
            "anonymousId": event.get("duid") or event.get("nuid"),
            "occurredAt": true_time or event.get("dtm"),
            "sentAt": call.received_ms if true_time else event.get("stm"),
            "messageId": event.get("eid"),
            "data": data,
            "ipAddress": event.get("ip"),
        }

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """A GET may be an image."""
        return gif() if request.method == "GET" else super().success(call, results)


def _told(event: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Type and data."""
    code = event.get("e")
    data = {name: event[key] for key, name in FIELDS.items() if event.get(key) is not None}
    kind = TYPES.get(code, code) if isinstance(code, str) else code
    if code == "se":
        kind = event.get("se_ac")
    elif code == "ue":
        described = members(members(_json(event, "ue_px", "ue_pr")).get("data"))
        kind = _name(described.get("schema"))
        data = {**properties(described.get("data")), f"{CONTEXT}.schema": described.get("schema")}
    for one in _contexts(event):
        add_context(data, members(one.get("data")), f"{CONTEXT}.{_name(one.get('schema'))}")
    add_context(data, {name: value for name, value in event.items() if name not in _HERE})
    return kind, data


def _contexts(event: dict[str, Any]) -> list[dict[str, Any]]:
    found = members(_json(event, "cx", "co")).get("data")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _json(event: dict[str, Any], *names: str) -> Any:
    """What the first of these parameters holds, Base64 or not; None if it can't be read."""
    text = next((event[name] for name in names if isinstance(event.get(name), str)), "")
    try:
        return decode_data(text)
    except ApiError:
        return None


def _name(schema: Any) -> str | None:
    """Of `iglu:com.acme/signed_up/jsonschema/1-0-0`: signed_up."""
    found = _SCHEMA.match(schema) if isinstance(schema, str) else None
    return found[1] if found else None


DIALECT = Snowplow()
