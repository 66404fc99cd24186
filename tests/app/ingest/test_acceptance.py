"""What is sent, and what is answered."""

import re
import uuid
from typing import Any

import pytest
from flask import Flask

from backends.event import derived_event_guid
from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_an_event_is_accepted_with_its_guid_and_time(sender: Sender) -> None:
    answer = sender.track(data={"path": "/"})
    assert answer.status_code == 202
    assert answer.json is not None and list(answer.json) == ["event"]
    [event] = sender.stored()
    assert answer.json["event"] == {"guid": event.guid, "createdAt": event.created_at}
    assert ISO.fullmatch(event.created_at)


def test_an_event_carries_what_the_client_said_and_what_the_server_knows(sender: Sender) -> None:
    event = sender.accepted(anonymousId="a1", data={"path": "/"}, messageId="m1", profileGuid="x", ipAddress="6.6.6.6")
    assert (event.type, event.user_id, event.anonymous_id, event.data) == ("pageview", "u1", "a1", {"path": "/"})
    assert (event.message_id, event.producer_guid, event.ip_address) == ("m1", sender.guid, "127.0.0.1")
    assert event.profile_guid is None
    assert event.occurred_at == event.created_at


def test_what_is_unknown_in_an_event_is_ignored(sender: Sender) -> None:
    assert sender.accepted(surprise=[1]).data == {}


def test_a_trailing_slash_is_the_same_route(sender: Sender) -> None:
    assert sender.post(f"{TRACK}/", EVENT).status_code == 202


@pytest.mark.parametrize("body", [{"events": [EVENT, EVENT]}, [EVENT, EVENT]], ids=["object", "bare list"])
def test_a_batch_is_an_object_or_a_bare_list(sender: Sender, body: object) -> None:
    answer = sender.post(BATCH, body)
    assert answer.status_code == 202
    guids = [event.guid for event in sender.stored()]
    assert len(guids) == 2
    outcomes = [{"index": index, "guid": guid} for index, guid in enumerate(guids)]
    assert answer.json == {"accepted": 2, "rejected": 0, "events": outcomes}


def test_a_bad_event_does_not_fail_its_good_neighbours(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT, {"userId": "u2"}, 7, None, [], {**EVENT, "userId": "u3"}])
    assert answer.status_code == 202 and answer.json
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 4)
    errors = [outcome for outcome in answer.json["events"] if "error" in outcome]
    assert [outcome["index"] for outcome in errors] == [1, 2, 3, 4]
    assert {outcome["error"]["code"] for outcome in errors} == {"invalid_event"}
    assert "type" in errors[0]["error"]["details"]
    assert [event.user_id for event in sender.stored()] == ["u1", "u3"]


def test_a_batch_in_which_nothing_is_valid_is_refused_with_all_reasons(sender: Sender) -> None:
    error = error_of(sender.post(BATCH, [{}, 1]), 400, "invalid_event")
    assert [outcome["index"] for outcome in error["details"]["events"]] == [0, 1]
    assert sender.stored() == []


@pytest.mark.parametrize("body", [[], {"events": []}, {}, {"events": None}, {"events": {}}, 1, "x", None, EVENT])
def test_a_batch_without_events_is_refused(sender: Sender, body: object) -> None:
    error_of(sender.post(BATCH, body), 400, "invalid_body")


@pytest.mark.parametrize("body", [[], [EVENT], 1, "x", None, True])
def test_what_is_no_object_is_no_event(sender: Sender, body: object) -> None:
    error_of(sender.post(TRACK, body), 400, "invalid_event")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"type=pageview", b'{"type": "\x00"}', b"\xef\xbb\xbf{}", b"["])
def test_what_is_no_json_is_refused(sender: Sender, data: bytes) -> None:
    error_of(sender.post(TRACK, data=data), 400, "invalid_body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_takes_for_json_is_refused(sender: Sender, number: str) -> None:
    error_of(sender.post(TRACK, data=b'{"type":"a","userId":"u","data":{"n":%s}}' % number.encode()), 400, "invalid_body")


def test_a_beacon_is_plain_text(sender: Sender) -> None:
    assert sender.post(TRACK, EVENT, Content_Type="text/plain;charset=UTF-8").status_code == 202


def test_the_content_type_does_not_matter(sender: Sender) -> None:
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream"):
        assert sender.post(TRACK, EVENT, Content_Type=content_type).status_code == 202


def test_the_same_message_has_the_same_guid(sender: Sender) -> None:
    guids = {sender.accepted(messageId="m1", userId=user).guid for user in ("u1", "u2")}
    assert guids == {derived_event_guid(sender.guid, "m1")}


def test_the_same_message_of_another_producer_has_another_guid(app: Flask, sender: Sender) -> None:
    assert sender.accepted(messageId="m1").guid != Sender(app).accepted(messageId="m1").guid


@pytest.mark.parametrize("message_id", [None, ""])
def test_without_a_message_id_the_guid_is_random(sender: Sender, message_id: object) -> None:
    first, second = sender.accepted(messageId=message_id), sender.accepted(messageId=message_id)
    assert first.guid != second.guid
    assert first.message_id is None
    assert first.guid.startswith("evt_") and uuid.UUID(first.guid[4:]).version == 4


def test_a_message_id_that_is_no_id_makes_two_events_not_one(sender: Sender) -> None:
    first, second = sender.accepted(messageId="undefined"), sender.accepted(messageId="undefined")
    assert first.guid != second.guid and first.message_id is None


def test_a_forwarded_address_does_not_count(sender: Sender) -> None:
    sender.post(TRACK, EVENT, X_Forwarded_For="6.6.6.6")
    assert sender.stored()[0].ip_address == "127.0.0.1"


def test_a_forwarded_address_counts_behind_as_many_proxies_as_are_trusted(make_app: Any) -> None:
    sender = Sender(make_app(trusted_proxies=2))
    sender.post(TRACK, EVENT, X_Forwarded_For="6.6.6.6, 2001:db8::1, 10.0.0.1")
    assert sender.stored()[0].ip_address == "2001:db8::1"


def test_a_forwarded_address_that_is_none_is_not_kept(make_app: Any) -> None:
    sender = Sender(make_app(trusted_proxies=1))
    assert sender.post(TRACK, EVENT, X_Forwarded_For="x" * 5000).status_code == 202
    assert sender.stored()[0].ip_address is None
