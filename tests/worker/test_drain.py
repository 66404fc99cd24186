"""From the stream to the profiles."""

import pytest
import redis
from flask import Flask

from app.services import services
from app.stream import BYTES, DRAIN, GROUP, STREAM, wanted
from backends.base import EventQuery
from backends.event import Event, derived_event_guid
from worker import consumer, jobs
from worker.consumer import Consumer


def made_event(message: str, user: str | None = "ann", device: str | None = None, type: str = "visit") -> Event:
    moment = "2026-01-01T00:00:00.000Z"
    return Event(derived_event_guid("key", message), type, user, device, moment, moment, {"path": "/"}, message, "key")


def stored() -> list[Event]:
    return services().backend.find(EventQuery(), 1000)


def test_what_was_accepted_is_stored_and_the_stream_is_empty(at_work: Flask, client: redis.Redis) -> None:
    events = [made_event(str(number)) for number in range(1200)]
    services().stream.append(events)

    jobs.drain()

    assert {event.guid for event in services().backend.find(EventQuery(), 5000)} == {event.guid for event in events}
    assert client.xlen(STREAM) == 0
    assert client.get(BYTES) == b"0"
    assert client.xpending(STREAM, GROUP)["pending"] == 0


def test_an_event_keeps_all_it_was_sent_with(at_work: Flask) -> None:
    sent = made_event("1", "ann", "phone")._replace(ip_address="192.0.2.1", data={"k": "v\t\\N\n", "é": "\U0001f600"})
    services().stream.append([sent])

    jobs.drain()

    kept = stored()[0]
    assert kept[:10] == sent[:10]
    assert kept.profile_guid and kept.profile_associated_at


def test_the_same_message_is_stored_once_as_it_came_first(at_work: Flask) -> None:
    first = made_event("1")
    again = first._replace(occurred_at="2020-01-01T00:00:00.000Z")
    services().stream.append([first, again])
    jobs.drain()
    services().stream.append([again])

    jobs.drain()

    assert [event.occurred_at for event in stored()] == [first.occurred_at]


def test_an_event_that_names_nobody_is_stored_without_a_profile(at_work: Flask) -> None:
    services().stream.append([made_event("1", user=None)])

    jobs.drain()

    assert stored()[0].profile_guid is None


def test_a_wake_up_during_a_drain_is_not_lost(at_work: Flask, client: redis.Redis) -> None:
    services().stream.append([made_event("1")])
    assert client.exists(wanted(DRAIN))

    jobs.drain()
    services().stream.append([made_event("2")])

    assert client.exists(wanted(DRAIN))
    assert services().stream.queue.count == 2


def test_members_of_the_group_that_are_gone_are_forgotten(
    at_work: Flask, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "FORGET_IDLE_MS", -1)
    services().stream.append([made_event("1")])
    gone, busy = Consumer(client, "gone"), Consumer(client, "busy")
    busy.read()
    gone.read()

    busy.forget_dead_consumers()

    assert [member["name"] for member in client.xinfo_consumers(STREAM, GROUP)] == [b"busy"]


def test_a_member_that_comes_back_at_that_moment_is_not_forgotten(
    at_work: Flask, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has read would never be delivered again, should it die."""
    monkeypatch.setattr(consumer, "FORGET_IDLE_MS", -1)
    back, other = Consumer(client, "back"), Consumer(client, "other")
    back.read()
    before = client.xinfo_consumers(STREAM, GROUP)
    services().stream.append([made_event("1")])
    back.read()
    monkeypatch.setattr(client, "xinfo_consumers", lambda *_: before)

    other.forget_dead_consumers()

    assert client.xpending(STREAM, GROUP)["pending"] == 1
