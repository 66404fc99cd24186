"""Rows that came past the API are looked at once."""

from collections.abc import Sequence

import pytest

from backends.base import Assignment, Association, EventBackend, EventQuery
from backends.conformance.making import an_event, at, at_once, guids
from backends.event import Event


class Associating:
    """Rows that came past the API; a backend that takes none leaves `write_from_outside` as it is."""

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        pytest.skip("nobody writes to this backend past the API")

    def test_rows_from_outside_wait_oldest_first(self, backend: EventBackend) -> None:
        late = an_event(2, guid="evt_a", user_id="u", data={"k": "v"})
        early = an_event(1, guid="evt_b", created_at=at(1), occurred_at=at(9))
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
        assert backend.misplaced([Assignment("pro_1", user_id="u")], 9) == []
        assert guids(backend.unassociated(9, min_age_s=0)) == [event.guid]

    def test_rows_not_looked_at_are_deleted_too(self, backend: EventBackend) -> None:
        self.write_from_outside(backend, [an_event(user_id="u", data={"k": "v"})])

        assert backend.delete([Assignment("", user_id="u")], 9) == 1
        assert backend.count(EventQuery()) == 0
