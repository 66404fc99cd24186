"""Settings: every environment variable, read once, frozen. docs/settings.md has them in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from environs import Env, EnvError

from backends.sql.engine import database_url

PLACEHOLDERS = (
    "null,undefined,none,nil,nan,anonymous,guest,unknown,0,-1,true,false,[object object],"
    "00000000-0000-0000-0000-000000000000,00000000000000000000000000000000"
)


ROOT = Path(__file__).resolve().parent.parent
"""The folder with the Procfile; data of one's own lie under its var/."""


class InvalidSettings(Exception):
    """Raised when the environment can't be understood; the message names each variable and what to do."""


@dataclass(frozen=True)
class Settings:
    """What the operator decides. Each field is the environment variable of the same name in upper case."""

    database_url: str = f"sqlite:///{ROOT}/var/grouparoo.sqlite3"
    redis_url: str = "redis://127.0.0.1:6379/0"
    event_backend_url: str = ""
    secret_key: str = ""
    ingest_only: bool = False
    shared_device_policy: str = "separate"
    placeholders: frozenset[str] = frozenset(PLACEHOLDERS.split(","))
    user_id_property: str = "userId"
    scan_interval_s: int = 60
    buffer_max_bytes: int = 1024 * 1024 * 1024
    durable_ack: bool = False
    max_event_bytes: int = 32 * 1024
    max_body_bytes: int = 1024 * 1024
    max_events_per_body: int = 2500
    max_data_keys: int = 255
    trusted_proxies: int = 0
    log_level: str = "INFO"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment. Raises InvalidSettings with every variable that is wrong."""
        given = {field.name: environ[name] for field in fields(cls) if (name := field.name.upper()) in environ}
        values: dict[str, Any] = {}
        problems = []
        for field in fields(cls):
            if field.name in given and given[field.name] != "":
                try:
                    values[field.name] = _read(field.name, field.default, given[field.name])
                except (EnvError, ValueError) as error:
                    problems.append(str(error))
        if problems:
            raise InvalidSettings("; ".join(problems))
        return cls(**values)

    @property
    def backend_url(self) -> str:
        """Where events are stored: by default where everything else is."""
        return self.event_backend_url or self.database_url


def _read(name: str, default: object, text: str) -> object:
    env = Env(eager=True)
    env._environ = {name.upper(): text}  # type: ignore[assignment]  # environs reads os.environ unless told otherwise
    upper = name.upper()
    if isinstance(default, bool):
        return env.bool(upper)
    if isinstance(default, int):
        value = env.int(upper)
        if value < (0 if name == "trusted_proxies" else 1):
            raise ValueError(f"{upper} is {value}: it must be positive")
        return value
    if isinstance(default, frozenset):
        return frozenset(part.strip().lower() for part in text.split(","))
    if name == "database_url":
        _check_url(upper, text)
    if name == "shared_device_policy" and text not in ("separate", "first"):
        raise ValueError(f"{upper} is {text!r}: choose 'separate' or 'first'")
    return text


def _check_url(name: str, text: str) -> None:
    try:
        database_url(text)
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from None
