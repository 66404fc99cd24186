"""What is asked for is found."""


import pytest

from backends.base import EventBackend, EventQuery
from backends.conformance.making import an_event, at, guids, place
from backends.event import Event


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
        wanted = sorted((event for event in events if event.type == "odd"), key=place, reverse=True)

        found: list[Event] = []
        while page := backend.find(EventQuery(type="odd"), 5, place(found[-1]) if found else None):
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
