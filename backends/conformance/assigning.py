"""Events change hands, and go."""

from backends.base import Assignment, EventBackend, EventQuery, Move
from backends.conformance.making import an_event, at, guids, put_in_place
from backends.event import Event


class Assigning:
    def test_events_of_users_and_devices_move(self, backend: EventBackend) -> None:
        users, device = [an_event(user_id="u"), an_event(user_id="u", anonymous_id="b")], an_event(anonymous_id="a")
        others = [an_event(user_id="v"), an_event(anonymous_id="c"), an_event(user_id="U"), an_event()]
        backend.save([*users, device, *others])

        moved = put_in_place(backend, [Assignment("pro_u", user_id="u"), Assignment("pro_a", anonymous_id="a")])

        assert moved == 3
        assert set(guids(backend.find(EventQuery(profile_guid="pro_u"), 9))) == set(guids(users))
        assert guids(backend.find(EventQuery(profile_guid="pro_a"), 9)) == [device.guid]
        assert backend.count(EventQuery(associated=False)) == len(others)

    def test_what_is_in_its_place_does_not_move(self, backend: EventBackend) -> None:
        backend.save([an_event(user_id="u", profile_guid="pro_1")])

        assert put_in_place(backend, [Assignment("pro_1", user_id="u")]) == 0
        assert put_in_place(backend, []) == 0

    def test_a_move_says_from_where_to_where(self, backend: EventBackend) -> None:
        placed = an_event(guid="evt_1", type="t", user_id="u", profile_guid="pro_1")
        backend.save([placed, an_event(guid="evt_2", type="s", user_id="u")])

        moves = backend.misplaced([Assignment("pro_2", user_id="u")], 9)
        backend.discard(["evt_2"])
        backend.move(moves)
        backend.move(moves)
        backend.move([])

        assert sorted(moves) == [Move("evt_1", "t", "pro_1", "pro_2"), Move("evt_2", "s", None, "pro_2")]
        assert [(event.guid, event.profile_guid) for event in backend.find(EventQuery(), 9)] == [("evt_1", "pro_2")]

    def test_what_somebody_else_moved_meanwhile_stays_there(self, backend: EventBackend) -> None:
        backend.save([an_event(user_id="u", profile_guid="pro_1"), an_event(user_id="u")])
        late = backend.misplaced([Assignment("pro_2", user_id="u")], 9)

        put_in_place(backend, [Assignment("pro_3", user_id="u")])
        backend.move(late)

        assert [event.profile_guid for event in backend.find(EventQuery(), 9)] == ["pro_3", "pro_3"]

    def test_events_with_a_user_do_not_follow_their_device(self, backend: EventBackend) -> None:
        backend.save([an_event(anonymous_id="a", user_id="u", profile_guid="pro_u"), an_event(anonymous_id="a")])

        assert put_in_place(backend, [Assignment("pro_a", anonymous_id="a")]) == 1
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

            assert put_in_place(backend, [earlier, later]) == len(events)

            found = backend.find(EventQuery(anonymous_id=f"a{bound}"), 9)
            assert [event.profile_guid for event in found[::-1]] == ["pro_0"] * bound + ["pro_1"] * (len(events) - bound)

    def test_a_limit_takes_several_calls(self, backend: EventBackend) -> None:
        backend.save([an_event(number, user_id="u") for number in range(10)])
        backend.save([an_event(number, anonymous_id="a") for number in range(10)])
        assignments = [Assignment("pro_1", user_id="u"), Assignment("pro_1", anonymous_id="a")]

        moved = [put_in_place(backend, assignments, 8)]
        while moved[-1] >= 8:
            moved.append(put_in_place(backend, assignments, 8))

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
