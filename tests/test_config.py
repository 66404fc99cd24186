"""Settings say which variable is wrong, how, and what to do; never a password."""

import os
import subprocess
import sys

import pytest

from app.config import InvalidSettings, Settings
from tests.servers import ROOT, free_port


def test_nothing_needs_to_be_set() -> None:
    assert Settings.from_environ({}) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environ({"SCAN_INTERVAL_S": ""}) == Settings()


def test_each_variable_is_read_as_what_it_is() -> None:
    settings = Settings.from_environ({"SCAN_INTERVAL_S": "5", "INGEST_ONLY": "1", "PLACEHOLDERS": "Nobody, x"})

    assert (settings.scan_interval_s, settings.ingest_only) == (5, True)
    assert settings.placeholders == {"nobody", "x"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCAN_INTERVAL_S", "soon"),
        ("MAX_DATA_KEYS", "0"),
        ("MAX_DATA_KEYS", "-1"),
        ("DURABLE_ACK", "perhaps"),
        ("SHARED_DEVICE_POLICY", "both"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"{name} is '{value}': "):
        Settings.from_environ({name: value})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidSettings, match="SCAN_INTERVAL_S.*LOG_LEVEL"):
        Settings.from_environ({"SCAN_INTERVAL_S": "x", "LOG_LEVEL": "x"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "EVENT_BACKEND_URL"])
def test_a_url_that_is_none_is_not_shown(name: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environ({name: "secret"})

    assert name in str(caught.value) and "secret" not in str(caught.value)


def test_a_database_of_ones_own_needs_a_secret() -> None:
    with pytest.raises(InvalidSettings, match="SECRET_KEY is not set"):
        Settings.from_environ({"DATABASE_URL": "postgres://host/database"})

    assert Settings.from_environ({"DATABASE_URL": "postgres://host/database", "SECRET_KEY": "s"}).backend_url


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "flask", "--app", "app", "status"],
        ["-m", "worker"],
        ["-m", "worker.schedule"],
        ["-m", "gunicorn", "--config", "app/gunicorn.py", "app:create_app()"],
    ],
    ids=["flask", "worker", "scheduler", "web"],
)
@pytest.mark.parametrize(("name", "value"), [("SCAN_INTERVAL_S", "soon"), ("EVENT_BACKEND_URL", "cloud://x")])
def test_no_process_starts_with_a_setting_that_can_t_be_understood(command: list[str], name: str, value: str) -> None:
    environ = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**environ, name: value, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 3
    (said,) = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in ended.stderr
    assert value.partition(":")[0] in said
