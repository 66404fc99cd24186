"""Retention: for how many days events are kept, by their type."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from backends.event import Timestamp, timestamp

EVERY_TYPE = "*"
MOST_DAYS = 36_500


@dataclass(frozen=True)
class Retention:
    """Days by type; `*` stands for every type that is not named. What no rule is about is kept for ever."""

    rules: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Retention":
        """Read `365` or `pageview=30,*=365`; a type's own `,`, `=` and `%` are percent-encoded. Raises ValueError."""
        rules: dict[str, int] = {}
        for part in text.split(","):
            type, _, days = part.rpartition("=")
            name = unquote(type.strip()) or EVERY_TYPE
            if not days.strip().isdecimal() or not 1 <= int(days) <= MOST_DAYS:
                raise ValueError(f"is {text!r}: give days from 1 to {MOST_DAYS}, like 365 or pageview=30,*=365")
            if name in rules:
                raise ValueError(f"is {text!r}: it names {name} twice")
            rules[name] = int(days)
        return cls(tuple(rules.items()))

    def __bool__(self) -> bool:
        return bool(self.rules)

    def days_of(self, type: str) -> int | None:
        """For how long events of that type are kept; None for ever."""
        rules = dict(self.rules)
        return rules.get(type, rules.get(EVERY_TYPE))

    def kept_since(self, type: str, moment: datetime) -> Timestamp | None:
        """When the oldest events of that type occurred that are kept at `moment`; None for ever."""
        days = self.days_of(type)
        return None if days is None else timestamp(moment - timedelta(days=days))
