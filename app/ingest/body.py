"""From a request's bytes to JSON: capped, unzipped, and without characters that no database keeps."""

import json
import zlib
from typing import Any

import orjson
from flask import request

from app.answers import ApiError

_GZIP_MAGIC = b"\x1f\x8b"


def read_json(max_bytes: int) -> tuple[Any, int]:
    """The body's JSON, whatever its content type says (a beacon says text/plain), and its length in bytes.

    Raises ApiError (400, 413).
    """
    request.max_content_length = max_bytes
    raw = request.get_data(cache=False)
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "").lower()
    if raw.startswith(_GZIP_MAGIC) or encoding == "gzip":
        raw = _unpacked(raw, zlib.MAX_WBITS | 16, max_bytes)
    elif encoding == "deflate":
        raw = _unpacked(raw, zlib.MAX_WBITS, max_bytes)
    return _parsed(raw), len(raw)


def _unpacked(raw: bytes, window: int, max_bytes: int) -> bytes:
    """Decompress no more than is allowed: what a bomb holds beyond is never made."""
    stream = zlib.decompressobj(window)
    try:
        unpacked = stream.decompress(raw, max_bytes + 1)
    except zlib.error as error:
        raise ApiError("invalid_body", 400, f"the body can't be decompressed: {error}") from None
    if len(unpacked) > max_bytes:
        raise ApiError("body_too_large", 413, f"the body has more than {max_bytes} bytes: send fewer events at once")
    if not stream.eof:
        raise ApiError("invalid_body", 400, "the compressed body ends too early")
    return unpacked


def _parsed(raw: bytes) -> Any:
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parsed_slowly(raw)
    return _scrubbed(parsed) if b"\\u0000" in raw else parsed


def _parsed_slowly(raw: bytes) -> Any:
    """The standard library takes what orjson refuses of valid JSON: lone surrogates and very long numbers."""
    try:
        return _scrubbed(json.loads(raw.decode(), parse_constant=_refuse_constant))
    except RecursionError:
        raise ApiError("invalid_body", 400, "the body is nested too deeply") from None
    except ValueError as error:
        raise ApiError("invalid_body", 400, f"the body is not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _scrubbed(value: Any) -> Any:
    """NUL and lone surrogates become U+FFFD: PostgreSQL keeps neither."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrubbed(one) for one in value]
    if isinstance(value, dict):
        return {_scrubbed(key): _scrubbed(one) for key, one in value.items()}
    return value
