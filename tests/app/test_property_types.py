"""Types of properties: which texts are a value of which."""

import re
from contextlib import suppress
from datetime import date
from itertools import product

import pytest

from app.properties.types import FORMS, PropertyType


def is_a(type: PropertyType, text: str) -> bool:
    return FORMS[type].value_of(text) is not None


def test_an_email_has_one_at_and_behind_it_a_dot_inside() -> None:
    for length in range(8):
        for characters in product("a@. \n", repeat=length):
            text = "".join(characters)
            is_email = text.count("@") == 1 and " " not in text and re.search(r"[^@]@[^@]+\.[^@]+\Z", text) is not None
            assert is_a(PropertyType.EMAIL, text) == is_email, text


@pytest.mark.timeout(60)
def test_a_long_text_is_found_to_be_no_email_in_linear_time() -> None:
    """In quadratic time this one would take a quarter of an hour."""
    assert not is_a(PropertyType.EMAIL, "a@" + "." * 320_000 + " ")


def test_a_date_is_a_day_that_there_is() -> None:
    """What the pattern takes has a value, too: else it would be chosen, come to nothing, and not be counted as left out."""
    for year in (*range(1000, 1010), *range(1890, 2110), 9999):
        for month, day in (*product((0, 13), (1, 31)), *product(range(1, 13), (0, 1, 9, 10, 19, 20, 28, 29, 30, 31, 32))):
            text = f"{year}-{month:02}-{day:02}"
            is_day = False
            with suppress(ValueError):
                is_day = bool(date.fromisoformat(text))
            assert is_a(PropertyType.DATE, text) == is_day, text
            assert bool(re.search(FORMS[PropertyType.DATE].pattern or "", text)) == is_day, text
