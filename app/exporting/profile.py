"""All that is held on a person or device, as records of one key each that says what they are."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from app.api.describing import profile_shapes
from app.api.explaining import claim_shape, merge_shape
from app.api.shapes import Json, dead_letter_shape, event_shape
from app.dead_letters import event_of
from app.exporting.events import event_pages
from app.exporting.lines import ndjson
from app.identity import profiles
from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.view import claims_table, merges, roots_of
from app.models import DeadLetter, db
from app.services import services
from backends.base import Cursor, EventQuery
from backends.event import Event
from backends.sql.rows import among

letters_table = sa.inspect(DeadLetter).local_table

AT_ONCE = 500


def profile_lines(profile: ProfileRecord, after: Cursor | None = None) -> Iterator[bytes]:
    """The profile with its identifiers, its claims and merges, its dead letters, then its events, newest first; as NDJSON.

    Behind `after`, the place of an event, there are only events. What other people did on a shared device is not theirs.
    Needs an app context at each step. Raises BackendUnavailable or sqlalchemy's errors.
    """
    if after is None:
        yield ndjson([{"profile": one} for one in profile_shapes([profile])])
        for page in _facts(profile):
            yield ndjson(page)
    for events in event_pages(EventQuery(profile_guid=profile.guid), after):
        yield ndjson({"event": event_shape(*one)} for one in events)


def _facts(profile: ProfileRecord) -> Iterator[list[Json]]:
    kind, value = profile.owner
    with services().identity.reading() as connection:
        users = sorted(subtree(connection, [value])) if kind == "user" else []
        devices = sorted(devices_claimed_by(connection, users)) if users else [value]
    for start in range(0, len(users), AT_ONCE):
        yield _claims(users[start : start + AT_ONCE])
        yield _merges(users[start : start + AT_ONCE])
    yield from _dead_letters(profile, users, devices)


def _claims(users: Sequence[str]) -> list[Json]:
    """The claims that these users made, by their events or by a merge."""
    with services().identity.reading() as connection:
        theirs = among(connection.dialect.name, claims_table.c.user_id, users)
        found = list(connection.execute(sa.select(claims_table).where(theirs).order_by(claims_table.c.seen)))
        roots = roots_of(connection, users)
    return [{"claim": claim_shape(row, roots.get(row.user_id, row.user_id))} for row in found]


def _merges(users: Sequence[str]) -> list[Json]:
    """The merges by which these users took in other users and devices."""
    with services().identity.reading() as connection:
        theirs = among(connection.dialect.name, merges.c.parent, users)
        found = connection.execute(sa.select(merges).where(theirs).order_by(merges.c.created_at, merges.c.guid))
        return [{"merge": merge_shape(row)} for row in found]


def _dead_letters(profile: ProfileRecord, users: Sequence[str], devices: Sequence[str]) -> Iterator[list[Json]]:
    dialect, last = db.engine.dialect.name, ""
    of_users = among(dialect, letters_table.c.user_id, users)
    of_devices = sa.and_(letters_table.c.user_id.is_(None), among(dialect, letters_table.c.anonymous_id, devices))
    theirs = sa.select(DeadLetter).where(sa.or_(of_users, of_devices)).order_by(DeadLetter.guid).limit(AT_ONCE)
    while letters := list(db.session.scalars(theirs.where(DeadLetter.guid > last))):
        events = [event_of(letter) for letter in letters]
        owned = zip(letters, events, _owners(events), strict=True)
        page = [{"deadLetter": dead_letter_shape(letter, event)} for letter, event, guid in owned if guid == profile.guid]
        last = letters[-1].guid
        db.session.rollback()  # no transaction is open while the client reads
        yield page


def _owners(events: Sequence[Event]) -> list[str | None]:
    """The profile that each event would be on, were it stored."""
    return profiles.present_guids(services().identity, [event._replace(profile_guid="pro_") for event in events])
