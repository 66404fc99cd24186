"""Limits: of bodies, batches, events and their parts."""

import json

import pytest

from app.services import services
from app.stream import STREAM, decode
from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of


def test_a_body_over_the_limit_is_refused(sender: Sender) -> None:
    error_of(sender.post(TRACK, data=b" " * (1024 * 1024 + 1)), 413, "body_too_large")


def test_a_body_at_the_limit_is_taken(sender: Sender) -> None:
    body = json.dumps(EVENT).encode()
    assert sender.post(TRACK, data=body + b" " * (1024 * 1024 - len(body))).status_code == 202


def test_more_events_than_the_limit_are_refused(sender: Sender) -> None:
    error_of(sender.post(BATCH, [EVENT] * 2501), 413, "too_many_events")


def test_as_many_events_as_the_limit_are_taken(sender: Sender) -> None:
    answer = sender.post(BATCH, [EVENT] * 2500)
    assert answer.json and answer.json["accepted"] == 2500
    assert len(sender.stored()) == 2500


def test_entries_have_at_most_five_hundred_events(sender: Sender) -> None:
    sender.post(BATCH, [EVENT] * 501)
    with sender.app.app_context():
        entries = services().redis.xrange(STREAM)
    assert [len(decode(fields[b"events"])) for _, fields in entries] == [500, 1]


def test_a_large_event_is_refused_alone(sender: Sender) -> None:
    answer = sender.post(BATCH, [{**EVENT, "data": {"a": "x" * 33_000}}, EVENT])
    assert answer.json and answer.json["accepted"] == 1
    assert "32768" in answer.json["events"][0]["error"]["message"]


def test_a_large_event_alone_is_refused(sender: Sender) -> None:
    error_of(sender.track(data={"a": "x" * 33_000}), 400, "invalid_event")


def test_a_large_event_with_very_long_integers_is_refused(sender: Sender) -> None:
    error_of(sender.track(data={"a": [10**4000] * 10}), 400, "invalid_event")


@pytest.mark.parametrize("count, status", [(255, 202), (256, 400)])
def test_an_event_has_at_most_so_many_data_keys(sender: Sender, count: int, status: int) -> None:
    assert sender.track(data={f"k{number}": 1 for number in range(count)}).status_code == status


@pytest.mark.parametrize("length, status", [(191, 202), (192, 400)])
@pytest.mark.parametrize("name", ["type", "userId", "anonymousId", "messageId"])
def test_ids_and_types_have_at_most_so_many_characters(sender: Sender, name: str, length: int, status: int) -> None:
    answer = sender.track(**{name: "ä" * length})
    assert answer.status_code == status
    if status == 400:
        assert name in error_of(answer, 400, "invalid_event")["details"]


@pytest.mark.parametrize("length, status", [(0, 400), (1, 202), (191, 202), (192, 400)])
def test_data_keys_have_at_most_so_many_characters(sender: Sender, length: int, status: int) -> None:
    assert sender.track(data={"k" * length: 1}).status_code == status


@pytest.mark.parametrize("value", ["", 5, None, True, ["a"], {}])
def test_a_type_is_a_text(sender: Sender, value: object) -> None:
    assert "type" in error_of(sender.track(type=value), 400, "invalid_event")["details"]
