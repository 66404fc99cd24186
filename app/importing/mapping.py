"""Mapping: which column of a file is which field of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from backends.event import timestamp

FIELDS = ("type", "userId", "anonymousId", "occurredAt", "messageId")
DATA = "data."


class InvalidMapping(Exception):
    """Raised when a mapping can't be meant; the message says what there is to choose from."""


class UnreadableTime(Exception):
    """Raised when a time is not written as the time format says."""


@dataclass(frozen=True)
class ColumnMapping:
    """Makes an event of a row: a column that is no field is event data, an empty cell is left out."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column, as `--map` gives them."""
    type: str | None = None
    time_format: str | None = None

    @classmethod
    def parse(cls, pairs: Iterable[str], type: str | None, time_format: str | None) -> "ColumnMapping":
        """From `FIELD=COLUMN` texts. Raises InvalidMapping."""
        columns = {}
        for pair in pairs:
            name, _, column = pair.partition("=")
            if not column or not _is_field(name):
                raise InvalidMapping(f"{pair!r}: write FIELD=COLUMN, with one of {', '.join(FIELDS)} or data.KEY as the field")
            columns[name] = column
        return cls(columns, type, time_format)

    def check(self, header: Iterable[str]) -> None:
        """Raise InvalidMapping when a column is not in the file."""
        known = list(header)
        for column in self.columns.values():
            if column not in known:
                raise InvalidMapping(f"there is no column {column!r}; the file has {', '.join(known)}")

    def apply(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The event as a client would send it. Raises UnreadableTime."""
        event: dict[str, Any] = {}
        data: dict[str, Any] = {}
        for column, value in row.items():
            if value not in ("", None):
                for name in self._fields_of.get(column) or [self._own_field(column)]:
                    (data if name.startswith(DATA) else event)[name.removeprefix(DATA)] = value
        return self.complete({**event, "data": data})

    def complete(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event with the type and the time that the command line speaks of. Raises UnreadableTime."""
        if self.type is not None:
            event = {**event, "type": self.type}
        if self.time_format is not None and "occurredAt" in event:
            event = {**event, "occurredAt": self._moment(str(event["occurredAt"]))}
        return event

    @cached_property
    def _fields_of(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, column in self.columns.items():
            found.setdefault(column, []).append(name)
        return found

    def _own_field(self, column: str) -> str:
        is_field = _is_field(column) and column not in self.columns
        return column if is_field else DATA + column

    def _moment(self, text: str) -> str:
        assert self.time_format is not None
        try:
            moment = datetime.strptime(text, self.time_format)
        except ValueError:
            raise UnreadableTime(f"occurredAt is {text!r}, which is not written as {self.time_format}") from None
        return timestamp(moment.replace(tzinfo=moment.tzinfo or UTC))


def _is_field(name: str) -> bool:
    return name in FIELDS or (name.startswith(DATA) and name != DATA)
