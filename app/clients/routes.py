"""GET /clients/<name>: the scripts under static/, which clients/js/build.js makes."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, request

blueprint = Blueprint("clients", __name__)

STATIC = Path(__file__).parent / "static"
NAMES = ("grouparoo.js", "grouparoo.mjs")

MAX_AGE_S = 3600
STALE_S = 86_400
"""A page gets a new version within an hour, or with its second load after that: browsers ask again in the background."""


@dataclass(frozen=True)
class Script:
    """A script, plain and zipped, with tags by content: every machine that serves it has the same."""

    plain: bytes
    zipped: bytes
    tag: str


@blueprint.get("/clients/<name>")
def script(name: str) -> Response:
    """The JavaScript client: a classic script, or a module."""
    if name not in NAMES:
        abort(404)
    found = _read(name)
    is_zipped = request.accept_encodings["gzip"] > 0
    response = Response(found.zipped if is_zipped else found.plain, content_type="text/javascript; charset=utf-8")
    if is_zipped:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{found.tag}-gzip" if is_zipped else found.tag)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}, stale-while-revalidate={STALE_S}"
    # For any page, those included that check what they load (integrity=…) or are isolated from other origins.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.make_conditional(request)
    return response


@cache
def _read(name: str) -> Script:
    plain = (STATIC / name).read_bytes()
    return Script(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:32])
