"""What is saved is there, whole, and once."""


import pytest

from backends.base import EventBackend, EventQuery
from backends.conformance.making import DIFFERENT_TEXTS, HARD_TEXTS, an_event, at_once, guids
from backends.event import MAX_ID_LENGTH


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
