"""One database will do: the request path stores nothing in it."""

from pathlib import Path

import pytest
from flask import Flask

from tests.app.dialects.speaking import Speaker


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def sdk(app: Flask) -> Speaker:
    return Speaker(app)
