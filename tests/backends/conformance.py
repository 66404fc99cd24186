"""The suite that every backend passes: `class TestMyBackend(BackendConformance)` with a `backend` fixture."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backends.base import Assignment, Association, Cursor, EventBackend, EventQuery
from backends.event import MAX_ID_LENGTH, Event, new_guid

DIFFERENT_TEXTS = ["anna", "Anna", "ANNA", "änna", "a\u0308nna", "anna ", " anna", "ann", "ａnna", "anna'"]

HARD_TEXTS = [
    *("", " ", "trailing ", '"quoted"', "back\\slash", "\\", "\\N", "\\.", "\\n", "tab\there", "line\nbreak", "end\r\n"),
    *("🎉👩‍👩‍👧", "\u2028\u00a0\ufeff", "%s %(x)s :name {}", "'; DROP TABLE events; --", "[1]", "null", "it's", "é" * 10_000),
]


def at(second: int) -> str:
    """A moment on one day of 2026."""
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000Z"


def an_event(second: int = 0, **values: Any) -> Event:
    """An event that occurred, and was received, at that second; of a new guid and of nobody."""
    event = Event(new_guid("evt"), "viewed", None, None, at(second), at(second), {})
    return event._replace(**values)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, each made in a thread of its own."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [one.result(timeout=60) for one in [threads.submit(call) for call in calls]]


def guids(events: Iterable[Event]) -> list[str]:
    return [event.guid for event in events]


class Saving:
    def test_a_saved_event_comes_back_whole(self, backend: EventBackend) -> None:
        event = an_event(
            type="purchase",
            user_id="123",
            anonymous_id="device",
            occurred_at="2026-01-01T00:00:00.123Z",
            data={"price": "5", "currency": "EUR"},
            message_id="message",
            producer_guid="key_1",
            ip_address="2001:db8::1",
            profile_guid="pro_1",
        )

        backend.save([event])
        found = backend.find_by_guid(event.guid)

        assert found is not None
        assert found.profile_associated_at and found.updated_at
        assert found._replace(profile_associated_at=None, updated_at=None) == event

    def test_an_event_of_nobody_counts_as_associated_too(self, backend: EventBackend) -> None:
        backend.save([an_event()])

        assert backend.unassociated(10, min_age_s=0) == []

    def test_a_guid_that_is_not_there_is_none(self, backend: EventBackend) -> None:
        assert backend.find_by_guid("evt_none") is None

    def test_nothing_is_saved_of_an_empty_batch(self, backend: EventBackend) -> None:
        assert backend.save([]) == set()

    def test_an_event_saved_again_stays_as_it_is(self, backend: EventBackend) -> None:
        event = an_event(data={"a": "1"})
        backend.save([event])
        before = backend.find_by_guid(event.guid)

        again = backend.save([event._replace(type="other", data={"a": "2", "b": "3"})])

        assert again == set()
        assert backend.find_by_guid(event.guid) == before

    def test_only_what_was_not_there_is_returned(self, backend: EventBackend) -> None:
        old, new = an_event(), an_event()
        backend.save([old])

        assert backend.save([new, old]) == {new.guid}

    def test_the_first_of_a_guid_counts(self, backend: EventBackend) -> None:
        first = an_event(data={"a": "1"})

        saved = backend.save([first, first._replace(data={"a": "2"})])
        found = backend.find_by_guid(first.guid)

        assert saved == {first.guid}
        assert found and found.data == {"a": "1"}

    @pytest.mark.parametrize("text", HARD_TEXTS)
    def test_any_text_comes_back_as_it_was(self, backend: EventBackend, text: str) -> None:
        short = text[:MAX_ID_LENGTH]
        event = an_event(user_id=short, anonymous_id=short, message_id=short, data={f"key {short}"[:MAX_ID_LENGTH]: text})
        other = an_event(guid=f"evt_{short}"[:MAX_ID_LENGTH], type=f"type {short}"[:MAX_ID_LENGTH])

        backend.save([event, other])

        assert [one[1:7] for one in backend.find(EventQuery(user_id=short), 9)] == [event[1:7]]
        assert [one[1:7] for one in backend.find(EventQuery(guids=[other.guid]), 9)] == [other[1:7]]

    def test_a_very_long_value_comes_back_whole(self, backend: EventBackend) -> None:
        event = an_event(data={"text": "né\\ " * 250_000})

        backend.save([event])
        found = backend.find_by_guid(event.guid)

        assert found and found.data == event.data

    def test_an_event_has_255_data_keys(self, backend: EventBackend) -> None:
        event = an_event(data={f"key {number}": str(number) for number in range(255)})

        backend.save([event])
        found = backend.find_by_guid(event.guid)

        assert found and found.data == event.data

    @pytest.mark.parametrize("field", ["guid", "type", "user_id", "anonymous_id", "profile_guid"])
    def test_texts_that_only_look_alike_are_different(self, backend: EventBackend, field: str) -> None:
        events = [an_event(0, **{field: text}) for text in DIFFERENT_TEXTS]

        saved = backend.save(events)

        assert len(saved) == len(set(guids(events)))
        for event in events:
            value = getattr(event, field)
            query = EventQuery(guids=[value]) if field == "guid" else EventQuery(**{field: value})
            assert guids(backend.find(query, 99)) == [event.guid]

    def test_keys_that_only_look_alike_are_different(self, backend: EventBackend) -> None:
        event = an_event(data={text: text for text in DIFFERENT_TEXTS})

        backend.save([event])
        found = backend.find_by_guid(event.guid)

        assert found and found.data == event.data

    @pytest.mark.parametrize("step", [1, -1])
    def test_two_that_save_the_same_share_the_work(self, backend: EventBackend, step: int) -> None:
        for _ in range(5):
            batch = [an_event(number, data={"number": str(number)}) for number in range(300)]
            left, right = batch[:200], batch[100:][::step]

            mine, theirs = at_once(lambda: backend.save(left), lambda: backend.save(right))

            assert not mine & theirs
            assert mine | theirs == set(guids(batch))
            found = backend.find(EventQuery(guids=guids(batch)), 999)
            assert {event.guid: event.data for event in found} == {event.guid: event.data for event in batch}

    def test_many_that_save_pieces_of_one_batch_all_succeed(self, backend: EventBackend) -> None:
        batch = [an_event(number) for number in range(80)]
        pieces = [batch[start::8] + batch[start + 1 :: 8] for start in range(8)]

        saved = at_once(*[lambda piece=piece: backend.save(piece) for piece in pieces])

        assert sorted(guid for some in saved for guid in some) == sorted(guids(batch))


class Finding:
    def test_each_filter_narrows(self, backend: EventBackend) -> None:
        whole = an_event(5, type="t", user_id="u", anonymous_id="a", profile_guid="p", data={"k": "v", "l": "w"})
        backend.save([whole, an_event(1), an_event(9)])
        queries = [
            EventQuery(guids=[whole.guid, "evt_none"]),
            EventQuery(type="t"),
            EventQuery(user_id="u"),
            EventQuery(anonymous_id="a"),
            EventQuery(profile_guid="p"),
            EventQuery(associated=True),
            EventQuery(since=at(5), until=at(6)),
            EventQuery(data={"k": "v"}),
            EventQuery(data={"k": "v", "l": "w"}, type="t", since=at(5), associated=True, looked_at=True),
        ]

        for query in queries:
            assert guids(backend.find(query, 9)) == [whole.guid], query
            assert backend.count(query) == 1, query

    @pytest.mark.parametrize(
        "query",
        [
            EventQuery(guids=[]),
            EventQuery(type="t", user_id="other"),
            EventQuery(data={"k": "w"}),
            EventQuery(data={"v": "k"}),
            EventQuery(associated=False),
            EventQuery(looked_at=False),
            EventQuery(until=at(5)),
            EventQuery(since="2026-01-01T00:00:05.001Z"),
        ],
    )
    def test_what_does_not_match_is_not_found(self, backend: EventBackend, query: EventQuery) -> None:
        backend.save([an_event(5, type="t", user_id="u", profile_guid="p", data={"k": "v"})])

        assert backend.find(query, 9) == []
        assert backend.count(query) == 0

    def test_pages_hold_each_event_once_newest_first(self, backend: EventBackend) -> None:
        events = [
            an_event(guid=f"evt_{guid}", type=type, occurred_at=at(occurred), created_at=at(created))
            for guid in "aAbB"
            for type in ("even", "odd")
            for occurred, created in ((1, 1), (1, 2), (2, 1))
            for guid in [f"{guid}{type}{occurred}{created}"]
        ]
        backend.save(events)
        wanted = sorted((event for event in events if event.type == "odd"), key=_place, reverse=True)

        found: list[Event] = []
        while page := backend.find(EventQuery(type="odd"), 5, _place(found[-1]) if found else None):
            found += page

        assert guids(found) == guids(wanted)

    def test_counting_stops_where_it_is_told(self, backend: EventBackend) -> None:
        backend.save([an_event(type="a") for _ in range(5)])

        assert backend.count(EventQuery(type="a"), at_most=3) == 3
        assert backend.count(EventQuery(type="a"), at_most=9) == 5
        assert backend.count(EventQuery()) == 5

    @pytest.mark.parametrize(
        ("interval", "starts"),
        [
            ("minute", {"2026-01-01T00:00:00.000Z": 2, "2026-01-01T00:01:00.000Z": 2, "2026-02-01T23:59:00.000Z": 1}),
            ("hour", {"2026-01-01T00:00:00.000Z": 4, "2026-02-01T23:00:00.000Z": 1}),
            ("day", {"2026-01-01T00:00:00.000Z": 4, "2026-02-01T00:00:00.000Z": 1}),
        ],
    )
    def test_the_volume_counts_events_by_interval(self, backend: EventBackend, interval: str, starts: dict[str, int]) -> None:
        backend.save([an_event(second) for second in (0, 59, 60, 61)])
        backend.save([an_event(occurred_at="2026-02-01T23:59:59.999Z")])

        assert backend.volume(EventQuery(), interval) == starts

    def test_the_volume_keeps_to_its_query(self, backend: EventBackend) -> None:
        backend.save([an_event(second, type=type) for second in (0, 60, 120) for type in ("a", "b")])

        assert backend.volume(EventQuery(type="a", since=at(60), until=at(120)), "minute") == {at(60): 1}
        assert backend.volume(EventQuery(type="none"), "minute") == {}

    def test_types_are_listed_once_in_order(self, backend: EventBackend) -> None:
        assert backend.types() == []
        backend.save([an_event(type=type) for type in ("b", "a", "B", "ä", "b")])

        assert backend.types() == ["B", "a", "b", "ä"]

    def test_data_keys_are_those_of_the_type_in_order(self, backend: EventBackend) -> None:
        backend.save([an_event(type="a", data={"y": "", "Z": ""}), an_event(type="a", data={"x": "", "y": ""})])
        backend.save([an_event(type="b", data={"other": ""})])

        assert backend.data_keys("a") == ["Z", "x", "y"]
        assert backend.data_keys("none") == []

    def test_data_keys_of_old_events_are_forgotten(self, backend: EventBackend) -> None:
        backend.save([an_event(0, data={"old": ""})] + [an_event(1, data={"new": ""}) for _ in range(1000)])

        assert backend.data_keys("viewed") == ["new"]

    def test_identifiers_are_paged_across_their_kinds(self, backend: EventBackend) -> None:
        backend.save([an_event(user_id=id, anonymous_id=f"device {id}") for id in ("b", "a", "B", "b", "ä")])
        backend.save([an_event(), an_event(anonymous_id="alone")])

        found: list[tuple[str, str]] = []
        while page := backend.identifiers(2, found[-1] if found else None):
            found += page

        devices = [("anonymous", id) for id in ("alone", "device B", "device a", "device b", "device ä")]
        assert found == devices + [("user", id) for id in ("B", "a", "b", "ä")]


class Associating:
    """Rows that came past the API; a backend that takes none leaves `write_from_outside` as it is."""

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        pytest.skip("nobody writes to this backend past the API")

    def test_rows_from_outside_wait_oldest_first(self, backend: EventBackend) -> None:
        late, early = an_event(2, user_id="u", data={"k": "v"}), an_event(1, created_at=at(1), occurred_at=at(9))
        self.write_from_outside(backend, [late, early])
        backend.save([an_event(0)])

        found = backend.unassociated(9, min_age_s=0)

        assert [event[:6] for event in found] == [early[:6], late[:6]]
        assert guids(backend.unassociated(1, min_age_s=0)) == [early.guid]
        assert guids(backend.find(EventQuery(looked_at=False), 9)) == [early.guid, late.guid]

    def test_rows_that_are_too_young_do_not_wait_yet(self, backend: EventBackend) -> None:
        self.write_from_outside(backend, [an_event()])

        assert backend.unassociated(9, min_age_s=100 * 365 * 86_400) == []

    def test_an_association_is_written_once(self, backend: EventBackend) -> None:
        event, nobodys = an_event(user_id=" u ", data={"k": "v"}), an_event()
        self.write_from_outside(backend, [event, nobodys])
        first = [Association(event.guid, "pro_1", "u", None), Association(nobodys.guid, None, None, None)]

        marked = backend.associate([*first, Association("evt_gone", "pro_1", "u", None)])
        again = backend.associate([Association(event.guid, "pro_2", "v", "w")])
        found = backend.find_by_guid(event.guid)

        assert marked == {event.guid, nobodys.guid}
        assert again == set()
        assert found and (found.profile_guid, found.user_id, found.anonymous_id) == ("pro_1", "u", None)
        assert found.profile_associated_at and found.data == {"k": "v"}
        assert backend.unassociated(9, min_age_s=0) == []

    def test_saved_events_are_not_associated_again(self, backend: EventBackend) -> None:
        event = an_event(profile_guid="pro_1")
        backend.save([event])

        assert backend.associate([Association(event.guid, "pro_2", None, None)]) == set()

    def test_each_row_is_marked_by_one_of_two(self, backend: EventBackend) -> None:
        events = [an_event(number) for number in range(300)]
        self.write_from_outside(backend, events)
        found = [Association(guid, "pro_1", None, None) for guid in guids(events)]

        mine, theirs = at_once(lambda: backend.associate(found), lambda: backend.associate(found[::-1]))

        assert not mine & theirs
        assert mine | theirs == set(guids(events))

    def test_rows_not_looked_at_are_left_to_the_scan(self, backend: EventBackend) -> None:
        event = an_event(user_id="u", anonymous_id="a")
        self.write_from_outside(backend, [event])

        assert backend.first_sightings(["a"]) == {}
        assert backend.identifiers(9) == []
        assert backend.reassign([Assignment("pro_1", user_id="u")], 9) == 0
        assert guids(backend.unassociated(9, min_age_s=0)) == [event.guid]

    def test_rows_not_looked_at_are_deleted_too(self, backend: EventBackend) -> None:
        self.write_from_outside(backend, [an_event(user_id="u", data={"k": "v"})])

        assert backend.delete([Assignment("", user_id="u")], 9) == 1
        assert backend.count(EventQuery()) == 0


class Assigning:
    def test_events_of_users_and_devices_move(self, backend: EventBackend) -> None:
        users, device = [an_event(user_id="u"), an_event(user_id="u", anonymous_id="b")], an_event(anonymous_id="a")
        others = [an_event(user_id="v"), an_event(anonymous_id="c"), an_event(user_id="U"), an_event()]
        backend.save([*users, device, *others])

        moved = backend.reassign([Assignment("pro_u", user_id="u"), Assignment("pro_a", anonymous_id="a")], 9)

        assert moved == 3
        assert set(guids(backend.find(EventQuery(profile_guid="pro_u"), 9))) == set(guids(users))
        assert guids(backend.find(EventQuery(profile_guid="pro_a"), 9)) == [device.guid]
        assert backend.count(EventQuery(associated=False)) == len(others)

    def test_what_is_in_its_place_does_not_move(self, backend: EventBackend) -> None:
        backend.save([an_event(user_id="u", profile_guid="pro_1")])

        assert backend.reassign([Assignment("pro_1", user_id="u")], 9) == 0
        assert backend.reassign([], 9) == 0

    def test_events_with_a_user_do_not_follow_their_device(self, backend: EventBackend) -> None:
        backend.save([an_event(anonymous_id="a", user_id="u", profile_guid="pro_u"), an_event(anonymous_id="a")])

        assert backend.reassign([Assignment("pro_a", anonymous_id="a")], 9) == 1
        assert backend.count(EventQuery(profile_guid="pro_u")) == 1

    def test_a_bound_is_one_event_exact(self, backend: EventBackend) -> None:
        places = [(1, 1, "b"), (1, 2, "A"), (1, 2, "a"), (1, 2, "b"), (2, 1, "a")]
        events = [
            an_event(guid=f"evt_{guid}{occurred}{created}", anonymous_id="a", occurred_at=at(occurred), created_at=at(created))
            for occurred, created, guid in places
        ]
        for bound in range(len(events)):
            backend.save([event._replace(guid=f"{event.guid}{bound}", anonymous_id=f"a{bound}") for event in events])
            seen = events[bound]._replace(guid=f"{events[bound].guid}{bound}").seen
            earlier = Assignment("pro_0", anonymous_id=f"a{bound}", until=seen)
            later = Assignment("pro_1", anonymous_id=f"a{bound}", since=seen)

            assert backend.reassign([earlier, later], 9) == len(events)

            found = backend.find(EventQuery(anonymous_id=f"a{bound}"), 9)
            assert [event.profile_guid for event in found[::-1]] == ["pro_0"] * bound + ["pro_1"] * (len(events) - bound)

    def test_a_limit_takes_several_calls(self, backend: EventBackend) -> None:
        backend.save([an_event(number, user_id="u") for number in range(10)])
        backend.save([an_event(number, anonymous_id="a") for number in range(10)])
        assignments = [Assignment("pro_1", user_id="u"), Assignment("pro_1", anonymous_id="a")]

        moved = [backend.reassign(assignments, 8)]
        while moved[-1] >= 8:
            moved.append(backend.reassign(assignments, 8))

        assert sum(moved) == 20
        assert backend.count(EventQuery(profile_guid="pro_1")) == 20

    def test_first_sightings_are_the_earliest_by_every_measure(self, backend: EventBackend) -> None:
        def together(guid: str, occurred: int, created: int, user: str = "u") -> Event:
            return an_event(occurred, guid=f"evt_{guid}", created_at=at(created), anonymous_id="a", user_id=user)

        tied = [together("b", 5, 7), together("a", 5, 7), together("0", 5, 8), together("1", 6, 1)]
        backend.save([*tied, an_event(anonymous_id="a"), an_event(user_id="u"), together("v", 1, 1, "v")])
        backend.save([an_event(anonymous_id="b", user_id="u"), an_event(anonymous_id="A", user_id="u")])

        assert backend.first_sightings(["a", "none", "a"]) == {
            ("a", "u"): f"{at(5)} {at(7)} evt_a",
            ("a", "v"): f"{at(1)} {at(1)} evt_v",
        }
        assert backend.first_sightings([]) == {}

    def test_a_device_has_many_users(self, backend: EventBackend) -> None:
        events = [an_event(number, anonymous_id=f"a{number % 2}", user_id=f"u{number}") for number in range(200)]
        backend.save(events)

        found = backend.first_sightings(["a0", "a1"])

        assert found == {(f"a{number % 2}", f"u{number}"): event.seen for number, event in enumerate(events)}

    def test_what_is_deleted_is_gone_with_its_data(self, backend: EventBackend) -> None:
        event, other = an_event(user_id="u", data={"k": "v"}), an_event(anonymous_id="b", data={"k": "v"})
        backend.save([event, an_event(anonymous_id="a", data={"l": "v"}), other])

        deleted = backend.delete([Assignment("", user_id="u"), Assignment("", anonymous_id="a")], 9)
        backend.save([event._replace(data={})])
        again = backend.find_by_guid(event.guid)

        assert deleted == 2
        assert again and again.data == {}
        assert backend.count(EventQuery(data={"k": "v"})) == 1

    def test_deleting_keeps_to_its_bounds(self, backend: EventBackend) -> None:
        events = [an_event(number, user_id="u") for number in range(6)]
        backend.save(events)
        some = Assignment("", user_id="u", since=events[1].seen, until=events[4].seen)

        assert backend.delete([some], 9, created_until=at(3)) == 2
        assert guids(backend.find(EventQuery(), 9)[::-1]) == [events[number].guid for number in (0, 3, 4, 5)]

    def test_deleting_takes_several_calls(self, backend: EventBackend) -> None:
        backend.save([an_event(user_id="u") for _ in range(5)] + [an_event(anonymous_id="a") for _ in range(5)])
        assignments = [Assignment("", user_id="u"), Assignment("", anonymous_id="a")]

        deleted = [backend.delete(assignments, 4) for _ in range(4)]

        assert deleted == [4, 4, 2, 0]

    def test_what_is_discarded_is_gone_with_its_data_and_nothing_else(self, backend: EventBackend) -> None:
        events = [an_event(number, data={"k": "v"}) for number in range(4)]
        backend.save(events)

        backend.discard([events[0].guid, events[2].guid, "evt_unknown"])
        backend.discard([events[0].guid])
        backend.discard([])
        backend.save([events[0]._replace(data={})])
        again = backend.find_by_guid(events[0].guid)

        assert guids(backend.find(EventQuery(), 9)[::-1]) == [events[number].guid for number in (0, 1, 3)]
        assert again and again.data == {}


class BackendConformance(Saving, Finding, Associating, Assigning):
    """The whole contract."""

    @pytest.fixture
    def backend(self) -> EventBackend:
        raise NotImplementedError("a fixture `backend` returns the backend to be tested, set up and empty")

    def test_setting_up_again_loses_nothing(self, backend: EventBackend) -> None:
        event = an_event(data={"k": "v"})
        backend.save([event])

        at_once(backend.setup, backend.setup)

        assert backend.count(EventQuery(data={"k": "v"})) == 1

    def test_a_backend_that_is_there_answers(self, backend: EventBackend) -> None:
        backend.ping()


def _place(event: Event) -> Cursor:
    return Cursor(event.occurred_at, event.created_at, event.guid)
