"""Dialect: what a module of dialects/ says of an SDK's language. calls.py does the rest, for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response

from app.answers import ApiError, answer

Raw = dict[str, Any]
"""An event as EventSchema takes it, and `ipAddress` where the SDK's app tells the address of its user.

`isNobodys` says that the SDK keeps no ids of its visitors: an event without any is taken then, and belongs to no profile.
Its time is called `ocurredAt` where the SDK sends no id of the message: then its content makes one (acceptance.py).
"""

SUCCESS = {"code": 200, "status": 1, "success": True, "error": None}
"""One body that suits nearly all SDKs (09-sdks, rule 4)."""


class Call(NamedTuple):
    """One request of an SDK, decoded."""

    told: str
    """What its route tells of, as the dialect's table of routes has it; empty where the body says it."""
    body: Any
    """JSON; None where the request has no data."""
    fields: Mapping[str, str]
    """Those of the query and, before these, those of a form; without `data`, which is the body."""
    size: int
    received_ms: int


class Result(NamedTuple):
    """What became of one event: it was taken, or why not."""

    event: Any
    refusal: str | None


class Dialect:
    """The language of one maker's SDKs. Everything is asked about one request at a time; nothing is kept in between."""

    posts: Mapping[str, str] = {}
    """The routes of POST requests, each with what it tells of (`Call.told`). A trailing slash makes no difference."""
    gets: Mapping[str, str] = {}
    """Those of GET requests that send events: in their query, as `data` or else as `fields`."""

    def speaks(self, body: Any) -> bool:
        """Whether a body is in this dialect, on a route that others have too."""
        return True

    def key(self, call: Call) -> str | None:
        """The API key, where these SDKs put it into the body or the query. Else the headers are looked at."""
        return None

    def events(self, call: Call) -> Sequence[Any]:
        """The events in the body, in any form. Raises ApiError (400) if it is no body of this dialect."""
        raise NotImplementedError

    def sent_at(self, call: Call) -> Any:
        """When the client's clock says that the request was sent, in any form of time; None if it does not say."""
        return None

    def convert(self, event: dict[str, Any], call: Call) -> Raw:
        """The event as ours. It never raises: what is missing or odd is left to the schema to refuse."""
        raise NotImplementedError

    def success(self, call: Call, results: Sequence[Result]) -> Response:
        """The answer, with 200, that lets these SDKs take the request for done."""
        return answer(SUCCESS)

    def refusal(self, error: ApiError, call: Call | None) -> Response:
        """The answer that lets these SDKs report the error, and send again only what may be taken then (09-sdks, rule 4).

        `call` is None if the request could not be decoded.
        """
        return answer({"code": error.status, "message": error.message, "error": error.message, "status": 0}, error.status)

    def register(self, blueprint: Blueprint) -> None:
        """Add routes that send no events: what these SDKs ask for before they start."""


def unusable(expected: str) -> ApiError:
    """The error of a body that is no body of its dialect."""
    return ApiError("invalid_body", 400, f"the body can't be understood: send {expected}")


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(body: Any, name: str, expected: str) -> list[Any]:
    """The list under this name of the body. Raises ApiError (400)."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise unusable(expected)
    return found
