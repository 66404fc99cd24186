"""Times: how they may be told, and a clock that is wrong."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.app.ingest.sending import BATCH, EVENT, Sender


def ms_from_now(milliseconds: int = 0) -> int:
    return time.time_ns() // 1_000_000 + milliseconds


def ms_of(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


@pytest.mark.parametrize(
    "told, meant",
    [
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05.678901+02:00", "2026-01-02T01:04:05.678Z"),
        ("2026-01-02T03:04:05-0530", "2026-01-02T08:34:05.000Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00.000Z"),
        (" 2026-01-02 ", "2026-01-02T00:00:00.000Z"),
        (1_767_323_045, "2026-01-02T03:04:05.000Z"),
        (1_767_323_045.678, "2026-01-02T03:04:05.678Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (1_767_323_045_678.9, "2026-01-02T03:04:05.678Z"),
        ("1767323045", "2026-01-02T03:04:05.000Z"),
        ("1767323045.678", "2026-01-02T03:04:05.678Z"),
        ("1767323045678", "2026-01-02T03:04:05.678Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_iso_8601_or_seconds_or_milliseconds(sender: Sender, told: object, meant: str) -> None:
    assert sender.accepted(occurredAt=told).occurred_at == meant


@pytest.mark.parametrize(
    "told",
    [
        *("yesterday", "", "--5", "-", ".", "2026-13-01", "1" * 400, "\u0661\u0662", "2026-01-02T03:04:05+99:99"),
        *(-1, -1.5, "-1", "1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00+14:00", -(10**30)),
        *("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-14:00", 253402300799999, 10**14, 10**18, 10**400, 1e300),
        *(True, [], {}, [1]),
    ],
)
def test_a_time_that_is_unreadable_or_absurd_is_replaced_with_a_warning(sender: Sender, told: object) -> None:
    answer = sender.track(occurredAt=told)
    assert answer.status_code == 202 and answer.json
    assert len(answer.json["warnings"]) == 1 and "occurredAt" in answer.json["warnings"][0]
    [event] = sender.stored()
    assert event.occurred_at == event.created_at


def test_a_time_less_than_a_day_ahead_is_taken(sender: Sender) -> None:
    told = ms_from_now(23 * 3_600_000)
    assert ms_of(sender.accepted(occurredAt=told).occurred_at) == told


def test_a_time_more_than_a_day_ahead_is_not(sender: Sender) -> None:
    event = sender.accepted(occurredAt=ms_from_now(25 * 3_600_000))
    assert event.occurred_at == event.created_at


def test_sent_at_corrects_the_clients_clock(sender: Sender) -> None:
    ahead = timedelta(days=400)
    sent = datetime.now(UTC) + ahead
    event = sender.accepted(occurredAt=(sent - timedelta(hours=1)).isoformat(), sentAt=sent.isoformat())
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 3_600_000


def test_sent_at_of_a_batch_corrects_each_event(sender: Sender) -> None:
    sender.post(BATCH, {"events": [{**EVENT, "occurredAt": 1_000_000}], "sentAt": 1_000_060})
    [event] = sender.stored()
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 60_000


def test_sent_at_of_an_event_goes_before_that_of_its_batch(sender: Sender) -> None:
    sender.post(BATCH, {"events": [{**EVENT, "occurredAt": 1_000_000, "sentAt": 1_000_001}], "sentAt": 1_000_060})
    [event] = sender.stored()
    assert ms_of(event.created_at) - ms_of(event.occurred_at) == 1000


@pytest.mark.parametrize("sent", ["soon", -5, None, [], 10**400])
def test_sent_at_that_is_unreadable_corrects_nothing(sender: Sender, sent: object) -> None:
    assert sender.accepted(occurredAt=1_700_000_000, sentAt=sent).occurred_at == "2023-11-14T22:13:20.000Z"


def test_a_correction_that_leads_before_1970_is_not_taken(sender: Sender) -> None:
    event = sender.accepted(occurredAt=1, sentAt="9999-01-01T00:00:00Z")
    assert event.occurred_at == event.created_at


def test_sent_at_alone_changes_nothing(sender: Sender) -> None:
    event = sender.accepted(sentAt=1_000_000)
    assert event.occurred_at == event.created_at
