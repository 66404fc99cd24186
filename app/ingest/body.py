"""From a request's bytes to JSON: capped, unzipped, and without characters that no database keeps."""

import json
import math
import re
import zlib
from typing import Any

import orjson
from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from app.answers import ApiError

_GZIP_MAGIC = b"\x1f\x8b"
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*+)\\u0000")
_LONG_INTEGER = re.compile(rb"[:,\[]\s*-?[0-9]{19}")
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_MOST_STRUCTURES = 250_000
"""So many lists and objects a body may have: one that is small when it is compressed could take much memory otherwise."""

_MAX_DIGITS = 4300
"""Python reads and writes no longer integer, for the time that it takes (sys.set_int_max_str_digits)."""


def read_json(max_bytes: int) -> tuple[Any, int]:
    """The body's JSON, whatever its content type says (a beacon says text/plain), and its length in bytes.

    Raises ApiError (400, 413, 415).
    """
    raw = read_bytes(max_bytes)
    return parse_json(raw), len(raw)


def read_bytes(max_bytes: int) -> bytes:
    """The body, unzipped. Raises ApiError (400, 413, 415)."""
    request.max_content_length = max_bytes + 1  # werkzeug cuts a chunked body there without a word
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(max_bytes) from None
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if raw.startswith(_GZIP_MAGIC) or encoding in ("gzip", "x-gzip"):
        return _unpacked(raw, zlib.MAX_WBITS | 16, max_bytes)
    if encoding == "deflate":
        return _unpacked(raw, zlib.MAX_WBITS, max_bytes)
    if encoding not in ("", "identity"):
        raise ApiError("unsupported_encoding", 415, f"the body is {encoding[:40]!r}: send it as it is, or as gzip or deflate")
    return raw


def _too_large(max_bytes: int) -> ApiError:
    return ApiError("body_too_large", 413, f"the body has more than {max_bytes} bytes: send fewer events at once")


def _unpacked(raw: bytes, window: int, max_bytes: int) -> bytes:
    """Decompress no more than is allowed: what a bomb holds beyond is never made."""
    stream = zlib.decompressobj(window)
    try:
        unpacked = stream.decompress(raw, max_bytes + 1)
    except zlib.error as error:
        raise ApiError("invalid_body", 400, f"the body can't be decompressed: {error}") from None
    if len(unpacked) > max_bytes:
        raise _too_large(max_bytes)
    if not stream.eof:
        raise ApiError("invalid_body", 400, "the compressed body ends too early")
    return unpacked


def parse_json(raw: bytes) -> Any:
    """JSON as databases keep it. Raises ApiError (400, 413)."""
    if len(raw) > _MOST_STRUCTURES and raw.count(b"[") + raw.count(b"{") > _MOST_STRUCTURES:
        raise ApiError("body_too_large", 413, f"the body has over {_MOST_STRUCTURES} lists and objects: send fewer at once")
    if b"\\u0000" in raw:
        raw = _NUL.sub(rb"\1\\ufffd", raw)  # PostgreSQL keeps no NUL
    if _has_long_integer(raw):  # orjson would round it, and two ids become one
        return _parsed_slowly(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parsed_slowly(raw)


def _has_long_integer(raw: bytes) -> bool:
    # The first look takes a tenth of the second's time, and is nearly always enough.
    return b"0" * 19 in raw.translate(_DIGITS_TO_ZERO) and _LONG_INTEGER.search(raw) is not None


def _parsed_slowly(raw: bytes) -> Any:
    """The standard library takes what orjson refuses of valid JSON: lone surrogates and very long numbers."""
    try:
        parsed = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_int=_integer, parse_float=_fraction)
        return _scrubbed(parsed)
    except RecursionError:
        raise ApiError("invalid_body", 400, "the body is nested too deeply") from None
    except ValueError as error:
        raise ApiError("invalid_body", 400, f"the body is not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_DIGITS else text


def _fraction(text: str) -> float | str:
    """What a float can't hold stays as it is written."""
    value = float(text)
    return value if math.isfinite(value) else text


def _scrubbed(value: Any) -> Any:
    """Lone surrogates become U+FFFD: no UTF-8 has them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrubbed(one) for one in value]
    if isinstance(value, dict):
        return {_scrubbed(key): _scrubbed(one) for key, one in value.items()}
    return value
