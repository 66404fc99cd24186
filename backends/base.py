"""EventBackend: the contract. Its docstrings are the whole promise; docs/writing-a-backend.md leads through it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from backends.aggregation import Aggregate, Measure
from backends.event import Event, Timestamp


@dataclass(frozen=True)
class EventQuery:
    """Which events: all that are given must hold. `since` is included, `until` is not (both occurredAt).

    `associated` asks for a profile, `looked_at` whether anybody asked whose they are: without an answer there is no profile.
    """

    guids: Sequence[str] | None = None
    type: str | None = None
    profile_guid: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    associated: bool | None = None
    looked_at: bool | None = None
    data: Mapping[str, str] = field(default_factory=dict)


INTERVALS = {"minute": 16, "hour": 13, "day": 10}
"""The intervals of `volume`, and how many characters of a Timestamp tell one from another."""


def interval_start(moment: Timestamp, interval: str) -> Timestamp:
    """When the interval began that the moment lies in. A Timestamp's first INTERVALS[interval] characters are enough."""
    return moment[: INTERVALS[interval]] + "0000-01-01T00:00:00.000Z"[INTERVALS[interval] :]


class Cursor(NamedTuple):
    """The place after one event in a list that is newest first."""

    occurred_at: Timestamp
    created_at: Timestamp
    guid: str


class Association(NamedTuple):
    """What the scan found out about an outside row: whose it is (None: nobody can tell), and its ids as they count."""

    guid: str
    profile_guid: str | None
    user_id: str | None
    anonymous_id: str | None


class Assignment(NamedTuple):
    """Who owns a set of events: those of one user, or those that a device sent without a userId.

    `since` and `until` bound the events' `seen` text (`since` included, `until` not).
    """

    profile_guid: str
    user_id: str | None = None
    anonymous_id: str | None = None
    since: str | None = None
    until: str | None = None


class Move(NamedTuple):
    """An event, of this type, is on the profile `profile_guid` (None: on none) and belongs on `to_profile`."""

    guid: str
    type: str
    profile_guid: str | None
    to_profile: str


class EventBackend(ABC):
    """A store of events.

    Every method may be called by several processes at once, and may be repeated after a crash at any point.
    Every method raises `BackendUnavailable` when the store is away; none retries by itself.
    Ids are compared exactly: case, accents and trailing blanks count.
    """

    @classmethod
    @abstractmethod
    def open(cls, url: str) -> "EventBackend":
        """The backend at `url`. Connects to nothing yet."""

    @abstractmethod
    def setup(self) -> None:
        """Create the store's tables, or upgrade them. Loses nothing, and does nothing the second time."""

    @abstractmethod
    def ping(self) -> None:
        """Return if the store can take events now."""

    @abstractmethod
    def save(self, events: Sequence[Event]) -> set[str]:
        """Store the events with their data and profileGuid; return the guids that were not there before.

        An event that is there already stays as it is. All become visible, or none; an event only with all its data.
        Events saved so count as associated. Raises `EventsRefused` if one of them can never be stored.
        """

    @abstractmethod
    def find_by_guid(self, guid: str) -> Event | None:
        """The event of that guid."""

    @abstractmethod
    def find(self, query: EventQuery, limit: int, after: Cursor | None = None) -> list[Event]:
        """Up to `limit` events, newest first by (occurredAt, createdAt, guid), from behind `after` on.

        A row that nobody has looked at yet, and whose time is missing or oddly written, may stand elsewhere until then.
        """

    @abstractmethod
    def count(self, query: EventQuery, at_most: int | None = None) -> int:
        """How many events there are; counting stops at `at_most`."""

    @abstractmethod
    def volume(self, query: EventQuery, interval: str) -> dict[Timestamp, int]:
        """How many events occurred in each `interval` (one of INTERVALS, in UTC), by its start; where none did is left out.

        A row that nobody has looked at yet, and whose time is missing or oddly written, may be missing until then.
        """

    @abstractmethod
    def types(self) -> list[str]:
        """Every type of which there is an event, in order."""

    @abstractmethod
    def data_keys(self, type: str) -> list[str]:
        """The data keys of the 1,000 newest events of that type, in order."""

    @abstractmethod
    def unassociated(self, limit: int, min_age_s: float) -> list[Event]:
        """Up to `limit` rows that nobody has looked at yet and that are older than `min_age_s`, oldest first, without data.

        Costs nothing when there are none, however many events are stored.
        A row without occurredAt, or with one that is no Timestamp, has its createdAt for it, here and from then on.
        """

    @abstractmethod
    def associate(self, associations: Iterable[Association]) -> set[str]:
        """Write to rows not looked at yet whose they are, and mark them as looked at; return the guids this call marked."""

    @abstractmethod
    def misplaced(self, assignments: Iterable[Assignment], limit: int) -> list[Move]:
        """Up to about `limit` moves of associated events that lie elsewhere than the assignment says.

        Fewer mean that these are all. The assignments of one call don't overlap.
        """

    @abstractmethod
    def move(self, moves: Sequence[Move]) -> None:
        """Give these events to the profiles they are to move to. Those that do not lie any more where the move says, or
        nowhere, are passed over."""

    @abstractmethod
    def first_sightings(self, anonymous_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        """For each (anonymousId, userId) that stand together on an associated event: the least `seen` of these events.

        Its cost grows with the number of such pairs, not with the number of events.
        """

    @abstractmethod
    def delete(self, assignments: Iterable[Assignment], limit: int, created_until: Timestamp | None = None) -> int:
        """Delete the events, and their data, that the assignments select (the profile is not looked at), looked at or not.

        With `created_until` only those that were received before it.
        At most about `limit` in one call; a return of fewer means that none is left.
        """

    @abstractmethod
    def discard(self, guids: Sequence[str]) -> None:
        """Delete these events, and their data. Those that are not there are passed over."""

    @abstractmethod
    def aggregate(self, measure: Measure, profile_guids: Sequence[str]) -> dict[str, Aggregate]:
        """What the measure makes of each of these profiles; a profile without events that it is about is absent.

        One question for all of them. Numbers agree with those of other backends to twelve digits.
        """

    @abstractmethod
    def identifiers(self, limit: int, after: tuple[str, str] | None = None) -> list[tuple[str, str]]:
        """Up to `limit` ids of associated events as ("anonymous" | "user", id), in order, behind `after`: for reindexing."""

    @abstractmethod
    def close(self) -> None:
        """Give back all connections. The backend is not used again."""
