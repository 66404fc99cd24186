"""GET /micro/…: what became of the events that came. For tests: no key is needed."""

from typing import cast

from flask import Blueprint, Response, current_app, request

from app.answers import ApiError, answer
from app.api.describing import profile_shapes
from app.api.reading import as_they_are_now
from app.api.shapes import Json, event_shape
from app.identity import profiles
from app.services import services
from worker.micro.journal import Bad, Good, Refused, Source
from worker.micro.micro import Micro

routes = Blueprint("micro", __name__, url_prefix="/micro")

STORED, DROPPED, REJECTED = "stored", "dropped", "rejected"
LONGEST_WAIT_S = 60


@routes.get("/all")
def counts() -> Response:
    """How many of each."""
    return answer(_counts())


@routes.get("/good")
def good() -> Response:
    """The accepted events, in order of arrival."""
    return answer({"good": [_good_shape(one) for one in _micro().journal.good()]})


@routes.get("/bad")
def bad() -> Response:
    """The rejected events, and the requests that were refused."""
    journal = _micro().journal
    return answer({"bad": [_bad_shape(one) for one in journal.bad()], "refused": [_refused(one) for one in journal.refused()]})


@routes.get("/events/<path:message_id>")
def find(message_id: str) -> Response:
    """What became of one event, by its messageId, or by its guid if it was accepted; `?wait=` seconds for it to come."""
    journal = _micro().journal
    if not journal.wait_for(message_id, _wait_s()):
        raise ApiError("unknown_event", 404, "no event of this messageId or guid has come", {"messageId": message_id})
    found, rejections = journal.good(message_id), [_bad_shape(one) for one in journal.bad(message_id)]
    shape = _good_shape(found[-1]) if found else {"state": REJECTED, "messageId": message_id}
    return answer({**shape, "rejections": rejections})


@routes.post("/reset")
def reset() -> Response:
    """Forget all that came, and all that was made but keys."""
    _micro().reset()
    return answer(_counts())


def _counts() -> Json:
    journal = _micro().journal
    return {"good": len(journal.good()), "bad": len(journal.bad()), "refused": len(journal.refused())}


def _good_shape(good: Good) -> Json:
    """Dropped is what was accepted and is not stored: its ids are suppressed, or the person was deleted."""
    stored = services().backend.find_by_guid(good.event.guid)
    present = next(iter(as_they_are_now([stored] if stored else [])), None)
    guid = present.profile_guid if present else None
    profile = profiles.find(services().identity, guid) if guid else None
    return {
        "state": STORED if present else DROPPED,
        "messageId": good.event.message_id,
        "times": good.times,
        "warnings": good.warnings,
        "event": event_shape(*present) if present else event_shape(good.event, None, DROPPED),
        "profile": profile_shapes([profile])[0] if profile else None,
    }


def _bad_shape(bad: Bad) -> Json:
    return {
        "messageId": bad.message_id,
        "reason": bad.reason,
        "errors": bad.errors,
        "event": bad.event,
        "request": _source(bad.source),
        "receivedAt": bad.received_at,
    }


def _refused(refused: Refused) -> Json:
    return {
        "request": _source(refused.source),
        "status": refused.status,
        "answer": refused.answer,
        "receivedAt": refused.received_at,
    }


def _source(source: Source) -> Json:
    return {"method": source.method, "path": source.path}


def _wait_s() -> float:
    text = request.args.get("wait", "0")
    if not text.isdecimal() or int(text) > LONGEST_WAIT_S:
        raise ApiError("invalid_parameter", 400, f"wait is {text[:40]!r}: give seconds, {LONGEST_WAIT_S} at the most")
    return int(text)


def _micro() -> Micro:
    return cast(Micro, current_app.extensions["micro"])
