"""Dead letters: parking events that could not be stored, and sending them again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from app.identity.store import upsert
from app.models import DeadLetter, begin_writing, db
from app.retention import Retention
from app.services import services
from app.stream import encode
from backends.event import Event, now

letters = sa.inspect(DeadLetter).local_table


def park(event: Event, reason: str) -> None:
    """Keep the event with the reason why it can't be stored. Of one that is parked already, the reason is the newer one."""
    begin_writing()
    record = {
        "guid": event.guid,
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
        "event": orjson.loads(encode([event]))[0],
        "reason": reason,
        "created_at": now(),
    }
    connection = db.session.connection()
    connection.execute(upsert(connection, letters, ["guid"], None, _newer), [record])
    db.session.commit()


def retry(guids: Sequence[str]) -> int:
    """Put these dead letters back into the stream; return how many there were.

    Raises BufferFull or redis.RedisError; then they stay where they are. They are deleted first, and only then for good: a
    worker that is quicker than we are and parks one of them again waits for that.
    """
    found = _delete(guids)
    try:
        if found:
            services().stream.append(found)
    except BaseException:
        db.session.rollback()
        raise
    db.session.commit()
    return len(found)


def drop(guids: Sequence[str]) -> int:
    """Forget these dead letters for good; return how many there were."""
    found = _delete(guids)
    db.session.commit()
    return len(found)


def expire(retention: Retention, moment: datetime) -> int:
    """Forget the dead letters of events that are too old to be kept at `moment`; return how many there were."""
    dropped, after = 0, ""
    in_order = sa.select(DeadLetter).order_by(DeadLetter.guid).limit(1000)
    while page := db.session.scalars(in_order.where(DeadLetter.guid > after)).all():
        after = page[-1].guid
        dropped += drop([letter.guid for letter in page if _is_too_old(event_of(letter), retention, moment)])
    return dropped


def _delete(guids: Sequence[str]) -> list[Event]:
    begin_writing()
    here = DeadLetter.guid.in_(guids)
    found = [event_of(letter) for letter in db.session.scalars(sa.select(DeadLetter).where(here).with_for_update())]
    db.session.execute(sa.delete(DeadLetter).where(DeadLetter.guid.in_([event.guid for event in found])))
    return found


def _is_too_old(event: Event, retention: Retention, moment: datetime) -> bool:
    kept_since = retention.kept_since(event.type, moment)
    return kept_since is not None and event.occurred_at < kept_since


def _newer(told: Any) -> dict[str, Any]:
    return {"reason": told.reason, "created_at": told.created_at}


def event_of(letter: DeadLetter) -> Event:
    """The event as it was accepted."""
    return Event(*letter.event)  # type: ignore[arg-type]  # it was written by `park`
