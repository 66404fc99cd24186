"""MemoryBackend passes the suite."""

from collections.abc import Sequence

import pytest

from backends.base import EventBackend
from backends.conformance.outside import write_from_outside
from backends.event import Event
from backends.memory import MemoryBackend
from tests.backends.conformance import BackendConformance


class TestMemoryBackend(BackendConformance):
    @pytest.fixture
    def backend(self) -> MemoryBackend:
        return MemoryBackend()

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        assert write_from_outside(backend, events)
