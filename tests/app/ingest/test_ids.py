"""Ids: what is one, and what stands for none."""

from typing import Any

import pytest

from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of


@pytest.mark.parametrize("told, kept", [(123, "123"), (1.5, "1.5"), (" u ", " u "), ("Ü", "Ü"), (-7, "-7")])
def test_numbers_sent_as_ids_become_texts(sender: Sender, told: object, kept: str) -> None:
    event = sender.accepted(userId=told, anonymousId=told)
    assert (event.user_id, event.anonymous_id) == (kept, kept)


PLACEHOLDERS = ["", "  ", "null", "NULL", " Undefined ", "[object Object]", "none", "NaN", "anonymous", "Guest", "0", 0, -1]
MORE = [True, False, "00000000-0000-0000-0000-000000000000", "0" * 32, "nil", "unknown"]


@pytest.mark.parametrize("word", [*PLACEHOLDERS, *MORE])
@pytest.mark.parametrize("name", ["userId", "anonymousId"])
def test_a_placeholder_is_dropped_with_a_warning(sender: Sender, name: str, word: object) -> None:
    answer = sender.track(**{"userId": "u1", "anonymousId": "a1", name: word})
    assert answer.status_code == 202 and answer.json
    assert len(answer.json["warnings"]) == 1 and name in answer.json["warnings"][0]
    [event] = sender.stored()
    assert (event.user_id, event.anonymous_id) == ((None, "a1") if name == "userId" else ("u1", None))


@pytest.mark.parametrize("event", [{}, {"userId": None}, {"userId": "null", "anonymousId": "undefined"}, {"anonymousId": ""}])
def test_an_event_that_nobody_is_behind_is_refused(sender: Sender, event: dict[str, Any]) -> None:
    error_of(sender.post(TRACK, {"type": "pageview", **event}), 400, "invalid_event")
    assert sender.stored() == []


@pytest.mark.parametrize("value", [[], {}, ["u1"]])
def test_an_id_is_a_text_or_a_number(sender: Sender, value: object) -> None:
    assert "userId" in error_of(sender.track(userId=value), 400, "invalid_event")["details"]


def test_warnings_in_a_batch_stand_with_their_event(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT, {**EVENT, "anonymousId": "null", "occurredAt": "?"}])
    assert answer.json and "warnings" not in answer.json["events"][0]
    assert len(answer.json["events"][1]["warnings"]) == 2
