"""Guids drawn for a whole body."""

import uuid
from itertools import islice

from app.ingest.guids import event_guids


def test_a_guid_is_a_uuid_of_version_4() -> None:
    for guid in islice(event_guids(100), 100):
        assert guid.startswith("evt_")
        found = uuid.UUID(guid[4:])
        assert (found.version, found.variant) == (4, uuid.RFC_4122)
        assert str(found) == guid[4:]


def test_there_are_as_many_guids_as_are_asked_for_and_no_two_are_the_same() -> None:
    assert len(set(islice(event_guids(3), 1000))) == 1000
