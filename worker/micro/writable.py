"""Writable: a rejected event may be what an answer can't hold; it is told all the same."""

from typing import Any

from app.ingest.schemas import MAX_LEVELS, shown

SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""The integers that orjson writes."""


def writable(value: Any, levels: int = MAX_LEVELS) -> Any:
    """The value as orjson can write it: longer integers are texts; so is, but short, what is deeper than data may be."""
    if isinstance(value, list | dict) and levels == 0:
        return shown(value)
    if isinstance(value, list):
        return [writable(one, levels - 1) for one in value]
    if isinstance(value, dict):
        return {key: writable(one, levels - 1) for key, one in value.items()}
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        return str(value)
    return value
