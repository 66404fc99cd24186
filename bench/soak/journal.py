"""Journal: what the clients sent and were told, which the check compares the stores with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"
POISON = "poison"
"""The type of events that the database refuses."""


@dataclass
class Message:
    """An event as its client knows it. What is stored of it names it by data["serial"]."""

    serial: str
    type: str
    user_id: str | None
    anonymous_id: str | None
    """Both as they should be stored: without placeholders."""
    data: dict[str, str]
    message_id: str | None = None
    times: list[tuple[int | None, int | None]] = field(default_factory=list)
    """occurredAt and sentAt, in milliseconds, of each attempt: whichever arrives first counts."""
    fate: str = UNKNOWN
    guid: str | None = None
    is_lost: bool = False
    """Whether the answer to an attempt was lost, or no 2xx or 4xx: that attempt may have been taken, even much later."""
    is_doomed: bool = False
    """Whether its person was deleted after it was stored."""
    is_sql: bool = False


@dataclass
class Household:
    """Some people and their devices, whom nobody else has anything to do with; all that happened to them."""

    number: int
    messages: list[Message] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    """What deleted people left on devices, as the definition has it: device → seen."""
    merges: list[str] = field(default_factory=list)
    """Guids of those that stand."""
    is_uncertain: bool = False
    """Whether the answer to a merge or a revert was lost."""
    is_deletion_uncertain: bool = False


@dataclass
class Journal:
    """One client process's."""

    households: list[Household] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    accepted_at: list[float] = field(default_factory=list)
    """Seconds since 1970 of each 2xx."""
    wrong: list[str] = field(default_factory=list)
    """Answers that should not have been given."""

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_bytes(orjson.dumps(self))

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """As it was written."""
        raw = orjson.loads(path.read_bytes())
        households = [
            Household(**{**one, "messages": [Message(**message) for message in one["messages"]]}) for one in raw["households"]
        ]
        counters = {name: Counter(raw[name]) for name in ("answers", "decisions")}
        return cls(**{**raw, **counters, "households": households})


def messages(households: list[Household]) -> Iterator[tuple[Household, Message]]:
    """Every message with whose it is."""
    for household in households:
        for message in household.messages:
            yield household, message
