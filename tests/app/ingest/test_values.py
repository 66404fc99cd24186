"""Values of data, as text."""

import pytest

from tests.app.ingest.sending import TRACK, Sender, error_of


@pytest.mark.parametrize(
    "told, kept",
    [
        *(("text", "text"), ("", ""), (1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), (-0.25, "-0.25")),
        *(([1, 2], "[1,2]"), ({"a": [None, "ä"]}, '{"a":[null,"ä"]}'), ([], "[]"), ({}, "{}")),
    ],
)
def test_values_become_texts_as_json_writes_them(sender: Sender, told: object, kept: str) -> None:
    assert sender.accepted(data={"k": told}).data == {"k": kept}


def test_null_values_are_left_out(sender: Sender) -> None:
    assert sender.accepted(data={"k": None, "l": 1}).data == {"l": "1"}


@pytest.mark.parametrize("data", [[], "x", 1, True])
def test_data_is_an_object(sender: Sender, data: object) -> None:
    assert "data" in error_of(sender.track(data=data), 400, "invalid_event")["details"]


def test_all_that_is_wrong_with_an_event_is_told_at_once(sender: Sender) -> None:
    error = error_of(sender.post(TRACK, {"type": 5, "userId": [], "data": 1}), 400, "invalid_event")
    assert sorted(error["details"]) == ["data", "type", "userId"]
