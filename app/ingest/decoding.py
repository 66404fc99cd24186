"""Decoding: the body of an SDK's request, by its bytes, for their headers do not say what they are (09-sdks, rule 9)."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.answers import ApiError
from app.ingest.body import parse_json

MAX_FIELDS = 100
_HAS_DATA = re.compile(rb"(?:\A|&)data=")
_HALF_OF_PAIR = re.compile(rb"\xed[\xa0-\xbf]")
_JSON = ("{", "[")
_STANDARD = str.maketrans(" -_", "++/")
"""To Base64's standard alphabet, from the one for URLs; a blank was a plus that nobody encoded."""


def decode(raw: bytes) -> tuple[Any, Mapping[str, str]]:
    """The JSON in a body, and the fields of the form that it stood in. Raises ApiError (400).

    1. JSON. 2. A form with `data`, which is JSON or Base64 of it. 3. Base64 of JSON.
    """
    if raw.lstrip()[:1] in (b"{", b"["):
        return parse_json(raw), {}
    text = raw.decode(errors="replace")
    if not _HAS_DATA.search(raw):
        return decode_data(text), {}
    try:
        fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ApiError("invalid_body", 400, f"the form has more than {MAX_FIELDS} fields") from None
    return decode_data(fields.pop("data")), fields


def decode_data(text: str) -> Any:
    """JSON, or Base64 of it, of either alphabet, padded or not. Raises ApiError (400)."""
    text = text.strip(" \t\r\n")
    if text.startswith(_JSON):
        return parse_json(text.encode(errors="replace"))
    packed = text.translate(_STANDARD).rstrip("=")
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except ValueError:
        raise ApiError("invalid_body", 400, "the body is neither JSON, nor a form with data, nor Base64 of JSON") from None
    return parse_json(_with_whole_pairs(raw) if _HALF_OF_PAIR.search(raw) else raw)


def _with_whole_pairs(raw: bytes) -> bytes:
    """UTF-8. mixpanel-browser writes what is beyond U+FFFF, an emoji, as two surrogates of three bytes each (CESU-8)."""
    try:
        halves = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
