"""MemoryBackend passes the suite."""

from collections.abc import Sequence

import pytest

from backends.base import EventBackend
from backends.event import Event
from backends.memory import MemoryBackend
from tests.backends.conformance import BackendConformance


class TestMemoryBackend(BackendConformance):
    @pytest.fixture
    def backend(self) -> MemoryBackend:
        return MemoryBackend()

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        assert isinstance(backend, MemoryBackend)
        backend.events.update({event.guid: event for event in events})
