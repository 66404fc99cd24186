"""Segment's SDKs for servers and browsers (09-sdks)."""

from flask import Blueprint, Response, request

from app.answers import answer
from app.auth import find_key
from app.ingest.intake import may_write
from app.ingest.segment_spec import CALLS, SegmentSpec


class Segment(SegmentSpec):
    """As the spec has it."""

    posts = {
        "/v1/batch": "",
        "/v1/import": "",
        "/v1/b": "",
        **{f"/v1/{kind}": kind for kind in CALLS},
        **{f"/v1/{kind[0]}": kind for kind in CALLS},
    }

    def register(self, blueprint: Blueprint) -> None:
        """What a page asks its CDN for."""
        blueprint.add_url_rule("/v1/projects/<key>/settings", "settings", _settings, methods=["GET"], strict_slashes=False)


def _settings(key: str) -> Response:
    """Without these, analytics.js does not start. They lead it to the host that it has them from."""
    may_write(find_key(key))
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0].strip()
    sender = {"apiKey": key, "apiHost": f"{request.host}/v1", "protocol": "http" if scheme == "http" else "https"}
    return answer({"integrations": {"Segment.io": sender}})


DIALECT = Segment()
