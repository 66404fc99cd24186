"""The service that the client libraries are tried on: web process, worker and stores, all real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.unreliable import Unreliable
from tests.worker.system import System


@pytest.fixture(scope="package")
def system(server_directory: Path) -> Iterator[System]:
    directory = server_directory / "clients"
    directory.mkdir(mode=0o755)
    with System(directory) as system:
        system.start_workers()
        yield system


@pytest.fixture
def unreliable(system: System) -> Iterator[Unreliable]:
    with Unreliable(system.web.url) as proxy:
        yield proxy
