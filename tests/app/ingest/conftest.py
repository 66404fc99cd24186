"""Ingest: what clients send, and what is accepted of it."""

from pathlib import Path

import pytest
from flask import Flask

from tests.app.ingest.sending import Sender


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database will do: the request path stores nothing in it."""
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def sender(app: Flask) -> Sender:
    return Sender(app)
