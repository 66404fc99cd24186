"""Dead letters: parking events that could not be stored, and sending them again."""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa

from app.models import DeadLetter, begin_writing, db
from app.services import services
from app.stream import encode
from backends.event import Event, now


def park(event: Event, reason: str) -> None:
    """Keep the event with the reason why it can't be stored. Parking it again changes nothing."""
    begin_writing()
    if db.session.get(DeadLetter, event.guid) is None:
        fields = orjson.loads(encode([event]))[0]
        db.session.add(
            DeadLetter(
                guid=event.guid,
                user_id=event.user_id,
                anonymous_id=event.anonymous_id,
                event=fields,
                reason=reason,
                created_at=now(),
            )
        )
    db.session.commit()


def retry(guids: Sequence[str]) -> int:
    """Put these dead letters back into the stream; return how many there were.

    Raises BufferFull or redis.RedisError; then they stay where they are.
    """
    letters = db.session.scalars(sa.select(DeadLetter).where(DeadLetter.guid.in_(guids))).all()
    if letters:
        services().stream.append([event_of(letter) for letter in letters])
    return drop([letter.guid for letter in letters])


def drop(guids: Sequence[str]) -> int:
    """Forget these dead letters for good; return how many there were."""
    begin_writing()
    letters = db.session.scalars(sa.select(DeadLetter).where(DeadLetter.guid.in_(guids))).all()
    for letter in letters:
        db.session.delete(letter)
    db.session.commit()
    return len(letters)


def event_of(letter: DeadLetter) -> Event:
    """The event as it was accepted."""
    return Event(*letter.event)  # type: ignore[arg-type]  # it was written by `park`
