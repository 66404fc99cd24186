"""Cursors: a place in a list as one word that can stand in a URL as it is."""

import base64
import binascii
import re
from datetime import datetime
from typing import TypeGuard

import orjson

from app.api.refusals import invalid_parameter

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def write_cursor(fields: tuple[str, ...]) -> str:
    """The place behind the record whose sort key this is."""
    return base64.urlsafe_b64encode(orjson.dumps(list(fields))).decode().rstrip("=")


def read_cursor(text: str, moments: int, guids: int = 1) -> tuple[str, ...]:
    """The sort key again: some moments, then some guids. Raises ApiError (400) for anything that we did not write."""
    try:
        fields = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        fields = None
    if not _is_key(fields, moments, guids):
        raise invalid_parameter("after", text, "take it as it stands in `next` of the page before")
    return tuple(fields)


def _is_key(fields: object, moments: int, guids: int) -> TypeGuard[list[str]]:
    if not isinstance(fields, list) or len(fields) != moments + guids:
        return False
    if not all(isinstance(field, str) and "\0" not in field for field in fields):
        return False
    return all(_is_moment(field) for field in fields[:moments])


def _is_moment(text: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:  # it has the form, but there is no such day or hour
        return False
