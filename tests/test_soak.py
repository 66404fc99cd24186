"""The soak's check finds what it looks for."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.services import services
from backends.event import Event, derived_event_guid
from bench.soak.check import check, read_stored
from bench.soak.journal import ACCEPTED, Household, Message
from bench.soak.properties import check_properties, make_rules
from tests.app.management import make_reader
from tests.worker.conftest import at_work, sql  # noqa: F401
from worker import jobs

MOMENT_MS = 1_767_225_600_000
MOMENT = "2026-01-01T00:00:00.000Z"


PURCHASE = {"price": "9.5", "gift": "true"}


def said(serial: str, user: str | None, device: str, is_lost: bool = False) -> Message:
    message = Message(serial, "visit", user, device, {"serial": serial}, serial, [(MOMENT_MS, None)], ACCEPTED)
    message.guid, message.is_lost = derived_event_guid("key", serial), is_lost
    return message


@pytest.fixture
def household(at_work: Flask) -> Household:  # noqa: F811
    """Four messages that are stored, of ann and of somebody else."""
    told = [said("1", "ann", "phone"), said("2", None, "phone"), said("3", "bob", "laptop"), said("4", None, "kiosk")]
    for one in told:
        made = (one.guid or "", one.type, one.user_id, one.anonymous_id, MOMENT, MOMENT, one.data, one.message_id, "key")
        services().stream.append([Event(*made)])
    jobs.drain()
    return Household(1, told)


def wrong(household: Household) -> list[str]:
    return list(check([household], read_stored()))


def test_nothing_is_wrong_when_all_is_stored_where_it_belongs(household: Household) -> None:
    assert wrong(household) == []


@pytest.mark.parametrize(
    "harm, complaint",
    [
        ("DELETE FROM events WHERE message_id = '2'", "stored 0 times instead of 1"),
        ("INSERT INTO events (type, user_id, profile_associated_at) VALUES ('visit', 'eve', '2026-01-01')", "never sent"),
        ("UPDATE events SET profile_guid = NULL WHERE message_id = '3'", "should be on the profile"),
        ("UPDATE events SET profile_guid = 'pro_else' WHERE message_id = '2'", "others of ('user', 'ann') on"),
        ("UPDATE events SET profile_guid = (SELECT max(home) FROM identifiers WHERE value = 'ann')", "of ('user', 'ann')"),
        ("UPDATE events SET occurred_at = '2026-01-02' WHERE message_id = '1'", "another time"),
        ("UPDATE event_data SET value = '5' WHERE value = '1'", "never sent"),
        ("UPDATE events SET type = 'else' WHERE message_id = '1'", "not as it was sent"),
        ("UPDATE events SET profile_associated_at = NULL WHERE message_id = '1'", "has not been looked at"),
        ("INSERT INTO repoints VALUES ('user', 'ann', 1, '2026-01-01', NULL)", "repoints still has"),
    ],
)
def test_each_harm_is_named(household: Household, harm: str, complaint: str) -> None:
    sql(harm)

    assert any(complaint in line for line in wrong(household))


def doomed(message: Message) -> None:
    message.is_doomed = True


def refused(message: Message) -> None:
    message.fate = "refused"


@pytest.mark.parametrize("change", [doomed, refused])
def test_what_should_be_gone_or_was_never_taken_is_named(household: Household, change: Callable[[Message], None]) -> None:
    change(household.messages[3])

    assert [line for line in wrong(household) if "stored 1 times instead of 0 to 0" in line]


@pytest.fixture
def properties(at_work: Flask) -> None:  # noqa: F811
    """Of ann, who bought something with her phone before and after she signed in."""
    reader = make_reader(at_work)
    make_rules(lambda path, body: reader.post(path, body).json)
    for number, user in enumerate((None, "ann", "bob")):
        made = (f"evt_{number}", "purchase", user, user and f"{user} 1" or "ann 1", MOMENT, MOMENT, PURCHASE, None, "key")
        services().stream.append([Event(*made)])
    jobs.drain()
    jobs.refresh()


@pytest.mark.usefixtures("properties")
def test_nothing_is_wrong_with_properties_that_the_events_make() -> None:
    assert list(check_properties(read_stored())) == []
    assert len(sql("SELECT profile_guid FROM properties WHERE value IS NOT NULL")) == 2 * 3


@pytest.mark.usefixtures("properties")
@pytest.mark.parametrize(
    "harm, complaint",
    [
        ("DELETE FROM properties", "purchases of"),
        ("UPDATE properties SET value = '3' WHERE number_value = 19.0", "is 3 instead of 19.0"),
        ("UPDATE properties SET profile_guid = 'pro_else' WHERE number_value = 19.0", "of whom there is no event"),
    ],
)
def test_properties_that_are_not_what_the_events_make_are_named(harm: str, complaint: str) -> None:
    sql(harm)

    assert any(complaint in line for line in check_properties(read_stored()))
