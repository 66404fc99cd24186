"""The original Grouparoo web client."""

import pytest

from tests.app.ingest.sending import TRACK, Sender


def test_the_grouparoo_client_s_body_is_understood(sender: Sender) -> None:
    body = {
        "apiKey": sender.key,
        "sessionId": "session",
        "type": "pageview",
        "anonymousId": "a1",
        "userId": None,
        "data": {"path": "/"},
        "ocurredAt": "2026-01-02T03:04:05.678Z",
    }
    assert sender.client.post(TRACK, json=body).status_code == 202
    [event] = sender.stored()
    assert (event.anonymous_id, event.user_id, event.occurred_at) == ("a1", None, "2026-01-02T03:04:05.678Z")
    assert event.data == {"path": "/", "context.sessionId": "session"}


def test_what_the_grouparoo_client_sends_again_has_the_same_guid(sender: Sender) -> None:
    body = {"anonymousId": "a1", "ocurredAt": 1_767_323_045_678, "data": {"path": "/"}, "sessionId": "s"}
    first, second = sender.accepted(**body), sender.accepted(**body)
    assert first.guid == second.guid and first.message_id
    for change in ({"ocurredAt": 1_767_323_045_679}, {"data": {"path": "/b"}}, {"anonymousId": "a2"}, {"type": "t"}):
        assert sender.accepted(**{**body, **change}).guid != first.guid


def test_a_message_id_goes_before_the_content(sender: Sender) -> None:
    assert sender.accepted(messageId="m1", ocurredAt=1_767_323_045_678).message_id == "m1"


def test_an_unreadable_time_makes_no_message_id(sender: Sender) -> None:
    assert sender.accepted(ocurredAt="soon").message_id is None


@pytest.mark.parametrize("told", [5, [], {}, "s" * 192, None, True])
def test_a_session_that_is_none_is_left_out(sender: Sender, told: object) -> None:
    assert sender.accepted(sessionId=told).data == {}


def test_a_session_takes_no_more_room_than_there_is(sender: Sender) -> None:
    data = {f"key {number}": "" for number in range(255)}
    assert sender.accepted(sessionId="session", data=data).data == data


def test_the_right_spelling_goes_before_the_misspelt_one(sender: Sender) -> None:
    assert sender.accepted(occurredAt=1_700_000_000, ocurredAt=1).occurred_at == "2023-11-14T22:13:20.000Z"
