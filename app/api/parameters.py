"""Parameters: what a URL's query asks for, read and refused by name."""

import re
from collections.abc import Collection, Sequence

from flask import request

from app.api.refusals import invalid_parameter, unknown_parameters
from app.ingest.times import from_ms, parse_ms
from backends.event import Timestamp

LIMIT_DEFAULT = 50
LIMIT_MOST = 1000
MOST_DATA = 20
DATA_PREFIX = "data."
BEYOND_MS = 253_402_300_800_000
"""The year 10000."""


def check_parameters(known: Collection[str], takes_data: bool = False) -> None:
    """Refuse parameters that the route does not know, that stand twice, or that no database can be asked for."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise invalid_parameter(name, values[1], "it can be given once only")
        if "\0" in name + values[0]:
            raise invalid_parameter(name, values[0], "it can't hold a NUL")
    unknown = [name for name in request.args if name not in known and not (takes_data and _is_data(name))]
    if unknown:
        raise unknown_parameters(sorted(unknown), sorted([*known, *(["data.KEY"] if takes_data else [])]))


def read_limit() -> int:
    """How many records the client wants: more than 1,000 is cut to that."""
    text = request.args.get("limit", str(LIMIT_DEFAULT))
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) < 1:
        raise invalid_parameter("limit", text, f"it must be a number from 1 to {LIMIT_MOST}")
    return min(int(text), LIMIT_MOST)


def read_data() -> dict[str, str]:
    """The wanted event data, `data.KEY=VALUE`. Raises ApiError (400) for more than MOST_DATA of them."""
    wanted = {name.removeprefix(DATA_PREFIX): value for name, value in request.args.items() if _is_data(name)}
    if len(wanted) > MOST_DATA:
        raise invalid_parameter("data.KEY", f"{len(wanted)} filters", f"give {MOST_DATA} of them at the most")
    return wanted


def read_flag(name: str) -> bool | None:
    """A claim that is true or false, or not made."""
    text = request.args.get(name)
    if text is None:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise invalid_parameter(name, text, "it must be true or false")
    return text.lower() in ("true", "1")


def read_choice(name: str, choices: Sequence[str]) -> str | None:
    """One of a few words, or none."""
    text = request.args.get(name)
    if text is not None and text not in choices:
        raise invalid_parameter(name, text, f"it must be one of {', '.join(choices)}")
    return text


def read_moment(name: str) -> Timestamp | None:
    """A moment: ISO 8601 (UTC unless it says otherwise), or seconds or milliseconds since 1970."""
    text = request.args.get(name)
    if text is None:
        return None
    # A '+' that stands in a URL as it is arrives as a blank.
    found = parse_ms(re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text)
    if found is None or not 0 <= found < BEYOND_MS:
        raise invalid_parameter(name, text, "it must be a time from 1970 on, like 2026-11-23T10:00:00Z")
    return from_ms(found)


def _is_data(name: str) -> bool:
    return name.startswith(DATA_PREFIX) and name != DATA_PREFIX
