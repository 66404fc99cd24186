"""RudderStack's SDKs for servers and browsers: Segment's language, with traits in the context (09-sdks)."""

from typing import Any

from flask import Blueprint, Response, request

from app.answers import answer
from app.auth import find_key, key_in_headers
from app.ingest.intake import may_write
from app.ingest.segment_spec import CALLS, SegmentSpec

_SILENT = {"errors": {"enabled": False}, "metrics": {"enabled": False}}


class RudderStack(SegmentSpec):
    """As the spec has it."""

    posts = {"/v1/batch": "", **{f"/v1/{kind}": kind for kind in CALLS}}

    def register(self, blueprint: Blueprint) -> None:
        """What a page asks its control plane for."""
        blueprint.add_url_rule("/sourceConfig", "source_config", _source_config, methods=["GET"], strict_slashes=False)


def _source_config() -> Response:
    """Without this, the browser's SDK never sends. The key stands in the query too."""
    key = key_in_headers() or request.args.get("writeKey")
    found = find_key(key)
    may_write(found)
    source: dict[str, Any] = {
        "id": found.guid,
        "name": "Grouparoo Events",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "grouparoo",
        "connections": [],
        "destinations": [],
        "config": {"statsCollection": _SILENT},
    }
    return answer({"source": source})


DIALECT = RudderStack()
