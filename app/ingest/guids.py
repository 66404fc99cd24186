"""Guids for the events of one body, their randomness drawn at once; and ids for messages that have none."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import orjson

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def event_guids(at_least: int) -> Iterator[str]:
    """Guids as `new_guid("evt")` makes them, without end.

    Drawing randomness gives up the interpreter lock. Once an event, the threads of a web process would
    pass the lock around more than they work.
    """
    while True:
        digits = os.urandom(16 * at_least).hex()
        for start in range(0, len(digits), 32):
            yield _guid(digits[start : start + 32])


def content_id(*content: Any) -> str:
    """A messageId that is the same for the same JSON content: for a client that sends none, but a time in milliseconds."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _guid(digits: str) -> str:
    """A UUIDv4 (RFC 9562) of 32 random digits."""
    variant = _VARIANT[digits[16]]
    return f"evt_{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
