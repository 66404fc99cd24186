"""The suite on the store that CONFORMANCE_URL names: it is emptied after each test."""

import os
from collections.abc import Iterator, Sequence

import pytest

from backends.base import EventBackend, EventQuery
from backends.conformance import BackendConformance
from backends.conformance.outside import write_from_outside
from backends.event import Event
from backends.registry import open_backend

URL = "CONFORMANCE_URL"


class TestOnUrl(BackendConformance):
    """Run by `python -m backends.conformance`."""

    @pytest.fixture
    def backend(self) -> Iterator[EventBackend]:
        backend = open_backend(os.environ[URL])
        backend.setup()
        yield backend
        while found := backend.find(EventQuery(), 1000):
            backend.discard([event.guid for event in found])
        backend.close()

    def write_from_outside(self, backend: EventBackend, events: Sequence[Event]) -> None:
        if not write_from_outside(backend, events):
            pytest.skip("how others write to this backend is not known here")
