"""A URL's scheme finds its backend; one that finds none is told what to do, and never shown its password."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from backends import registry
from backends.errors import UnknownBackend
from backends.memory import MemoryBackend
from backends.registry import open_backend
from backends.sql.backend import SqlBackend
from backends.sql.engine import database_url


def test_memory_opens_the_memory_backend() -> None:
    assert isinstance(open_backend("memory://"), MemoryBackend)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_any_of_postgresqls_names_opens_the_sql_backend(scheme: str) -> None:
    backend = open_backend(f"{scheme}://user:password@host/database")

    assert isinstance(backend, SqlBackend)
    assert backend.dialect == "postgresql"
    assert backend.engine.url.drivername == "postgresql+psycopg2"


def test_sqlite_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    backend = open_backend(f"sqlite:///{tmp_path}/var/events.sqlite3")

    backend.setup()
    backend.close()

    assert (tmp_path / "var" / "events.sqlite3").exists()


def test_an_unknown_scheme_is_named_and_the_password_is_not() -> None:
    with pytest.raises(UnknownBackend) as caught:
        open_backend("clickhouse://user:secret@host/database")

    assert "'clickhouse'" in str(caught.value)
    assert "postgresql" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_no_database_url_is_not_repeated() -> None:
    with pytest.raises(ValueError) as caught:
        database_url("user:secret@host")

    assert "secret" not in str(caught.value)


def test_an_installed_package_adds_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("elsewhere", "backends.memory:MemoryBackend", "grouparoo.backends")
    monkeypatch.setattr(registry, "entry_points", EntryPoints([entry]).select)

    assert isinstance(open_backend("elsewhere://host"), MemoryBackend)
    with pytest.raises(UnknownBackend, match="elsewhere"):
        open_backend("nowhere://host")
