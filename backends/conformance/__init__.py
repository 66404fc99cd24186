"""The suite that every backend passes: `class TestMyBackend(BackendConformance)` with a fixture `backend`.

It needs pytest (`pip install grouparoo-events[conformance]`), and is imported by tests only.
"""

try:
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("the suite needs pytest: pip install 'grouparoo-events[conformance]'") from error

PARTS = ("saving", "finding", "associating", "assigning", "aggregating")
pytest.register_assert_rewrite(*(f"backends.conformance.{part}" for part in PARTS))

from backends.base import EventBackend, EventQuery  # noqa: E402  # what is imported from here on has to say what it expected
from backends.conformance.aggregating import Aggregating  # noqa: E402
from backends.conformance.assigning import Assigning  # noqa: E402
from backends.conformance.associating import Associating  # noqa: E402
from backends.conformance.finding import Finding  # noqa: E402
from backends.conformance.making import an_event, at_once  # noqa: E402
from backends.conformance.saving import Saving  # noqa: E402


class BackendConformance(Saving, Finding, Associating, Assigning, Aggregating):
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
