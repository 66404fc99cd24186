"""Fate: what an answer means for the events of a batch."""

from enum import Enum
from typing import Any

from grouparoo.transport import Answer

PATIENCE = 10
"""So many refusals in a row are believed of somebody between us and the service, who says it in another form than it does."""

FINAL = (400, 401, 403, 413, 422)
"""What a request that is the same will always be answered with: a refusal."""


class Fate(Enum):
    """What to do next."""

    ANSWERED = "each was taken or refused, as the answer says"
    REFUSED = "none will ever be taken"
    SMALLER = "send them in parts, to find those that can't be taken"
    LATER = "send them again"


def fate_of(answer: Answer, count: int, refusals: int) -> Fate:
    """The fate of `count` events, after so many refusals in a row."""
    if 200 <= answer.status < 300 and outcomes_of(answer.body):
        return Fate.ANSWERED
    is_the_services = isinstance(error_of(answer.body).get("code"), str)  # others have numbers for codes
    if not is_refusal(answer) or not (is_the_services or answer.status == 413 or refusals >= PATIENCE):
        return Fate.LATER
    if outcomes_of(answer.body):
        return Fate.ANSWERED
    is_about_the_body = answer.status in (400, 413, 422)
    return Fate.SMALLER if count > 1 and is_about_the_body else Fate.REFUSED


def is_refusal(answer: Answer) -> bool:
    """Whether it says no, whoever said it."""
    return answer.status in FINAL


def outcomes_of(body: Any) -> list[dict[str, Any]]:
    """What the answer says of each event: {index, guid | error, warnings?}; empty if it says nothing of each."""
    found = body.get("events") if isinstance(body, dict) else None
    if found is None:
        details = error_of(body).get("details")
        found = details.get("events") if isinstance(details, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def error_of(body: Any) -> dict[str, Any]:
    """The service's error: {code, message, details}; empty if that is none of its."""
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}
