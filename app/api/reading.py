"""Reading events as they are now: an event may still show a profile that a merge, revert or deletion has taken it from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge as merge_sorted
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa

from app.dead_letters import event_of
from app.identity import profiles
from app.identity.deletions import without_deleted
from app.identity.profiles import ProfileRecord, devices_claimed_by, subtree
from app.identity.store import repoints
from app.identity.view import KINDS, Pair
from app.models import ApiKey, DeadLetter, db
from app.services import services
from backends.base import Cursor, EventQuery
from backends.event import Event, derived_event_guid
from backends.sql.rows import among

ROUNDS = 10
"""So often a page is filled up when events turn out to belong elsewhere by now; then it may be short, with `next`."""


class ReadEvent(NamedTuple):
    """An event, the profile it belongs to now, and where it is: `stored`, `dead` or `queued`."""

    event: Event
    profile_guid: str | None
    state: str


def find_event(guid: str) -> ReadEvent | None:
    """The event, wherever it is. It may be stored while we look elsewhere, so the store is asked first and last."""
    return _stored(guid) or _dead(guid) or _queued(guid) or _stored(guid)


def list_events(query: EventQuery, limit: int, after: Cursor | None = None) -> tuple[list[ReadEvent], Cursor | None]:
    """Up to `limit` events, newest first, and the place where the next page begins."""
    queries = _present_queries(query)
    found: list[ReadEvent] = []
    is_more = bool(queries)
    for _ in range(ROUNDS):
        if not is_more or len(found) > limit:
            break
        size = limit + 1
        batch = _newest(queries, size, after)
        is_more = len(batch) == size
        after = place(batch[-1]) if batch else after
        found += [one for one in as_they_are_now(batch) if queries[0].profile_guid in (None, one.profile_guid)]
    if len(found) > limit:
        return found[:limit], place(found[limit - 1].event)
    return found, after if is_more else None


def as_they_are_now(events: Sequence[Event]) -> list[ReadEvent]:
    """Stored events with their present profiles; those of deleted people are gone already."""
    with services().identity.reading() as connection:
        kept = without_deleted(connection, list(events))
    guids = profiles.present_guids(services().identity, kept)
    return [ReadEvent(event, guid, "stored") for event, guid in zip(kept, guids, strict=True)]


def guids_of_message(message_id: str) -> list[str]:
    """The guids that this messageId has with each producer; no index is needed, for they follow from it."""
    producers = db.session.scalars(sa.select(ApiKey.guid))
    return [derived_event_guid(producer, message_id) for producer in producers]


def place(event: Event) -> Cursor:
    """Where the event stands in a list."""
    return Cursor(event.occurred_at, event.created_at, event.guid)


def _stored(guid: str) -> ReadEvent | None:
    event = services().backend.find_by_guid(guid)
    return next(iter(as_they_are_now([event])), None) if event else None


def _dead(guid: str) -> ReadEvent | None:
    letter = db.session.get(DeadLetter, guid)
    return ReadEvent(event_of(letter), None, "dead") if letter else None


def _queued(guid: str) -> ReadEvent | None:
    event = services().stream.find(guid)
    if event is None:
        return None
    with services().identity.reading() as connection:
        kept = without_deleted(connection, [event])
    return ReadEvent(kept[0], None, "queued") if kept else None


def _present_queries(query: EventQuery) -> list[EventQuery]:
    """The queries that together find all events of the profile: by its guid, and by ids whose events are still on the move."""
    if query.profile_guid is None:
        return [query]
    profile = profiles.find(services().identity, query.profile_guid)
    if profile is None:
        return []
    by_ids = replace(query, profile_guid=None, associated=True)
    moving = [_narrowed(by_ids, pair) for pair in _moving_ids(profile)]
    return [replace(query, profile_guid=profile.guid), *(one for one in moving if one)]


def _narrowed(query: EventQuery, pair: Pair) -> EventQuery | None:
    kind, value = pair
    if kind == "user":
        return replace(query, user_id=value) if query.user_id in (None, value) else None
    return replace(query, anonymous_id=value) if query.anonymous_id in (None, value) else None


def _moving_ids(profile: ProfileRecord) -> list[Pair]:
    kind, value = profile.owner
    with services().identity.reading() as connection:
        users = set(subtree(connection, [value])) if kind == "user" else set()
        devices = devices_claimed_by(connection, users) if users else {value}
        wanted = sa.and_(repoints.c.kind.in_(KINDS), among(connection.dialect.name, repoints.c.value, users | devices))
        noted = {(row.kind, row.value) for row in connection.execute(sa.select(repoints).where(wanted))}
    theirs = {("user", user) for user in users} | {("anonymous", device) for device in devices}
    return sorted(noted & theirs)


def _newest(queries: Sequence[EventQuery], limit: int, after: Cursor | None) -> list[Event]:
    """The newest of all that the queries find, each once."""
    pages = [services().backend.find(query, limit, after) for query in queries]
    ordered = merge_sorted(*pages, key=place, reverse=True)
    return list(islice(_once(ordered), limit))


def _once(ordered: Iterator[Event]) -> Iterator[Event]:
    last = None
    for event in ordered:
        if event.guid != last:
            yield event
        last = event.guid
