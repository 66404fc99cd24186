"""Journal: what came, in order: events that were accepted, events that were not and why, requests that were refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from app.config import Settings
from app.ingest.acceptance import Acceptance, Acceptor, Rejected
from backends.event import Event, Timestamp, now

TOO_LARGE = "too_large"
"""What check_size gives for its reason."""


@dataclass
class Good:
    """An event that was accepted, and how often its message came."""

    event: Event
    warnings: list[str]
    times: int = 0


@dataclass(frozen=True)
class Source:
    """The request that something came with. Its query may hold a key, and is left out."""

    method: str
    path: str


@dataclass(frozen=True)
class Bad:
    """An event that was rejected, as it was judged (but `writable`), with the messages by field."""

    source: Source
    event: Any
    reason: str
    errors: dict[str, list[str]]
    received_at: Timestamp = field(default_factory=now)

    @property
    def message_id(self) -> str | None:
        """As text, if it has one."""
        found = self.event.get("messageId") if isinstance(self.event, dict) else None
        return None if found is None else str(found)


@dataclass(frozen=True)
class Refused:
    """A request that brought nothing to judge: an unknown key, no JSON, a path that is nobody's."""

    source: Source
    status: int
    answer: Any
    received_at: Timestamp = field(default_factory=now)


class Journal:
    """Written by every thread that serves a request."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        with self._changed:
            self._good: dict[str, Good] = {}
            self._warnings: dict[str, list[str]] = {}
            self._bad: list[Bad] = []
            self._refused: list[Refused] = []

    def warn(self, guid: str, warnings: list[str]) -> None:
        """What was not taken as it was sent, of an event that is about to be accepted."""
        with self._changed:
            self._warnings[guid] = warnings

    def accept(self, events: Sequence[Event]) -> None:
        """These are accepted. Of several with one guid the first counts."""
        with self._changed:
            for event in events:
                warnings = self._warnings.pop(event.guid, [])
                self._good.setdefault(event.guid, Good(event, warnings)).times += 1
            self._changed.notify_all()

    def reject(self, bad: Bad) -> None:
        """This one is not."""
        with self._changed:
            self._bad.append(bad)
            self._changed.notify_all()

    def refuse(self, refused: Refused) -> None:
        """Nor is anything of this request."""
        with self._changed:
            self._refused.append(refused)

    def good(self, message_id: str | None = None) -> list[Good]:
        """The accepted events, or those of this messageId or guid."""
        with self._changed:
            return [one for one in self._good.values() if message_id in (None, one.event.message_id, one.event.guid)]

    def bad(self, message_id: str | None = None) -> list[Bad]:
        """The rejected ones, or those of this messageId."""
        with self._changed:
            return [one for one in self._bad if message_id in (None, one.message_id)]

    def refused(self) -> list[Refused]:
        """The requests that were refused."""
        with self._changed:
            return list(self._refused)

    def wait_for(self, message_id: str, timeout_s: float) -> bool:
        """Whether the event has come, or comes in time."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self.good(message_id) or self.bad(message_id)), timeout_s)


class NotingAcceptor(Acceptor):
    """The judge of every event, whichever route it came by; its verdicts are noted."""

    def __init__(self, settings: Settings, journal: Journal, note: Callable[[Any, Rejected], None]) -> None:
        super().__init__(settings)
        self._journal = journal
        self._note = note

    def accept(self, raw: Any, common: Acceptance, is_large: bool) -> tuple[Event, list[str]]:
        """As Acceptor's."""
        try:
            event, warnings = super().accept(raw, common, is_large)
        except Rejected as rejected:
            if rejected.reason != TOO_LARGE:
                self._note(raw, rejected)
            raise
        if warnings:
            self._journal.warn(event.guid, warnings)
        return event, warnings

    def check_size(self, raw: Any) -> None:
        """As Acceptor's, which is asked by `accept` too."""
        try:
            super().check_size(raw)
        except Rejected as rejected:
            self._note(raw, rejected)
            raise
