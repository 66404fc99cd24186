"""Types of properties: which stored strings are a value of the type, and what they become in JSON."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.ingest.times import from_ms, parse_ms
from backends.aggregation import END, NUMBER

Value = str | int | float | bool
"""One value of a property, as JSON has it."""

DIGITS = 12
"""Results of different databases agree to so many significant digits; no more are shown."""

INTEGER = f"^-?(0|[1-9][0-9]{{0,17}}){END}"

_YEAR, _BY_FOUR = "[1-9][0-9]{3}", "([2468][048]|[13579][26])"
_LEAP_YEAR = f"([1-9][0-9](0[48]|{_BY_FOUR})|{_BY_FOUR}00)"
_DAYS = {
    f"{_YEAR}-(0[1-9]|1[0-2])": "(0[1-9]|1[0-9]|2[0-8])",
    f"{_YEAR}-(0[13-9]|1[0-2])": "(29|30)",
    f"{_YEAR}-(0[13578]|1[02])": "31",
    f"{_LEAP_YEAR}-02": "29",
}
"""Months of a year, and the days they have."""
_DAY = f"({'|'.join(f'{month}-{day}' for month, day in _DAYS.items())})"
_HOUR, _SIXTIETH, _FRACTION = "([01][0-9]|2[0-3])", "[0-5][0-9]", "([.][0-9]{1,6})?"
_TIMES = (f"{_HOUR}:{_SIXTIETH}(:{_SIXTIETH}{_FRACTION})?", f"{_HOUR}{_SIXTIETH}({_SIXTIETH}{_FRACTION})?")
_TIME = f"[T ]({'|'.join(_TIMES)})(Z|[+-]{_HOUR}:?{_SIXTIETH})?"
"""Only days and times that there are: what is no date is left out where it is matched, before one is chosen."""

LEAST_MS, MOST_MS = -30_610_224_000_000, 253_402_300_800_000
"""The years 1000 and 10000: people were born before 1970."""


class PropertyType(StrEnum):
    """What kind of value a property has."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    EMAIL = "email"
    URL = "url"
    PHONE_NUMBER = "phoneNumber"


@dataclass(frozen=True)
class Form:
    """How a type is written in event data: strings that `pattern` does not match are left out; `read` makes the value."""

    pattern: str | None
    read: Callable[[str], Value | None] = str

    def value_of(self, text: str) -> Value | None:
        """The value that the text is of; None if it is none."""
        return self.read(text) if self.pattern is None or re.search(self.pattern, text) else None


def significant(number: float) -> float:
    """The number to twelve significant digits."""
    return float(f"{number:.{DIGITS}g}")


def _date(text: str) -> str | None:
    found = parse_ms(text)
    return from_ms(found) if found is not None and LEAST_MS <= found < MOST_MS else None


FORMS = {
    PropertyType.STRING: Form(None),
    PropertyType.INTEGER: Form(INTEGER, int),
    PropertyType.FLOAT: Form(NUMBER, lambda text: significant(float(text))),
    PropertyType.BOOLEAN: Form(f"^(true|false|1|0){END}", lambda text: text in ("true", "1")),
    PropertyType.DATE: Form(f"^({_DAY}({_TIME})?|[0-9]{{9,13}}){END}", _date),
    PropertyType.EMAIL: Form(f"^[^@ ]+@[^@ ][^@ .]*[.][^@ ]+{END}"),
    PropertyType.URL: Form(f"^[a-zA-Z][a-zA-Z0-9+.-]*://[^ ]+{END}"),
    PropertyType.PHONE_NUMBER: Form(f"^[+]?[0-9(][0-9 ()/.-]{{3,30}}{END}"),
}
