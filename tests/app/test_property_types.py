"""Types of properties: which texts are a value of which."""

import re
import time
from itertools import product

from app.properties.types import FORMS, PropertyType


def is_a(type: PropertyType, text: str) -> bool:
    return FORMS[type].value_of(text) is not None


def test_an_email_has_one_at_and_behind_it_a_dot_inside() -> None:
    for length in range(8):
        for characters in product("a@. \n", repeat=length):
            text = "".join(characters)
            is_email = text.count("@") == 1 and " " not in text and re.search(r"[^@]@[^@]+\.[^@]+\Z", text) is not None
            assert is_a(PropertyType.EMAIL, text) == is_email, text


def test_a_long_text_is_soon_found_to_be_no_email() -> None:
    began = time.process_time()

    assert not is_a(PropertyType.EMAIL, "a@" + "." * 32_000 + " ")

    assert time.process_time() - began < 1
