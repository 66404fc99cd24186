"""Guids and timestamps have one form, and the same input gives the same."""

import re
from datetime import UTC, datetime, timedelta, timezone

from backends.event import data_guid, derived_event_guid, new_guid, now, timestamp
from tests.backends.conformance import an_event

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_a_new_guid_is_a_prefix_and_a_random_uuid() -> None:
    first, second = new_guid("evt"), new_guid("evt")

    assert re.fullmatch("evt_" + UUID % 4, first)
    assert first != second


def test_a_derived_guid_is_the_same_in_every_version_of_this_program() -> None:
    assert derived_event_guid("key_1", "message") == "evt_084206b3-0731-8929-a3d9-4116b3877963"


def test_a_derived_guid_has_the_form_of_a_uuid_of_version_8() -> None:
    for number in range(100):
        assert re.fullmatch("evt_" + UUID % 8, derived_event_guid("key_1", str(number)))


def test_a_derived_guid_is_one_producers_and_one_messages() -> None:
    pairs = [("key_1", "a"), ("key_1", "b"), ("key_2", "a"), ("key_1a", ""), ("key_", "1a"), ("", "key_1a")]

    assert len({derived_event_guid(*pair) for pair in pairs}) == len(pairs)


def test_a_data_guid_follows_from_its_event_and_its_key() -> None:
    guid = "evt_00000000-0000-4000-8000-000000000000"

    assert data_guid(guid, "price") == "edt_00000000-0000-4000-8000-000000000000-683b531f41ec"
    assert data_guid(guid, "price") != data_guid(guid, "Price")
    assert data_guid(guid, "price") != data_guid(new_guid("evt"), "price")


def test_a_timestamp_is_in_utc_and_cut_to_milliseconds() -> None:
    cairo = timezone(timedelta(hours=2))

    assert timestamp(datetime(2026, 1, 1, 1, 0, 0, 123_999, cairo)) == "2025-12-31T23:00:00.123Z"
    assert timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
    assert timestamp(datetime(2026, 1, 1, 1, 2, 3, 4000)) == "2026-01-01T01:02:03.004Z"


def test_early_years_keep_the_width() -> None:
    assert timestamp(datetime(33, 4, 3)) == "0033-04-03T00:00:00.000Z"


def test_now_is_between_before_and_after() -> None:
    before = timestamp(datetime.now(UTC))

    assert before <= now() <= timestamp(datetime.now(UTC))


def test_seen_sorts_like_the_event_itself() -> None:
    events = [
        an_event(occurred, guid=guid, created_at=created)
        for occurred in (1, 2)
        for created in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z")
        for guid in ("A", "a", "b")
    ]

    assert sorted(events[::-1], key=lambda event: event.seen) == events
