"""Settings: every environment variable, read once, frozen. docs/settings.md has them in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.retention import Retention
from backends.sql.engine import database_url

PLACEHOLDERS = (
    "null,undefined,none,nil,nan,anonymous,guest,unknown,0,-1,true,false,[object object],"
    "00000000-0000-0000-0000-000000000000,00000000000000000000000000000000"
)

ROOT = Path(__file__).resolve().parent.parent
"""The folder with the Procfile; data of one's own lie under its var/."""

CHOICES = {
    "SHARED_DEVICE_POLICY": ("separate", "first"),
    "IP_ADDRESSES": ("full", "anonymised", "none"),
    "LOG_LEVEL": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "LOG_FORMAT": ("text", "json"),
}

MOST = {"SQL_APPS_TIMEOUT_S": 30}
"""A source is lent to a worker for two minutes, in which it asks and writes."""

EXTRAS = {"SENTRY_DSN": ("sentry", "sentry_sdk"), "OTEL_EXPORTER_OTLP_ENDPOINT": ("otel", "opentelemetry.sdk")}
"""The variables that need packages which are not installed by default: in which extra of setup.cfg, and a module of it."""


class InvalidSettings(Exception):
    """Raised when the environment can't be understood; the message names each variable and what to do."""


@dataclass(frozen=True)
class Settings:
    """What the operator decides. Each field is the environment variable of the same name in upper case.

    What may hold a password is not shown when the settings are printed.
    """

    database_url: str = field(default=f"sqlite:///{ROOT}/var/grouparoo.sqlite3", repr=False)
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    redis_tls_verify: bool = True
    event_backend_url: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    ingest_only: bool = False
    shared_device_policy: str = "separate"
    placeholders: frozenset[str] = frozenset(PLACEHOLDERS.split(","))
    user_id_property: str = "userId"
    scan_interval_s: int = 60
    retention_days: Retention = Retention()
    buffer_max_bytes: int = 1024 * 1024 * 1024
    durable_ack: bool = False
    max_event_bytes: int = 32 * 1024
    max_body_bytes: int = 1024 * 1024
    max_dialect_body_bytes: int = 5 * 1024 * 1024
    max_events_per_body: int = 2500
    max_data_keys: int = 255
    trusted_proxies: int = 0
    ip_addresses: str = "full"
    dialects: frozenset[str] = frozenset({"all"})
    sql_apps_private_networks: bool = False
    sql_apps_sqlite: bool = False
    sql_apps_timeout_s: int = 10
    sql_apps_refresh_interval_s: int = 3600
    log_level: str = "INFO"
    log_format: str = "text"
    metrics_public: bool = False
    sentry_dsn: str = field(default="", repr=False)
    otel_exporter_otlp_endpoint: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment. Raises InvalidSettings with every variable that is wrong."""
        values: dict[str, Any] = {}
        problems = []
        for one in fields(cls):
            name = one.name.upper()
            if text := environ.get(name):
                try:
                    values[one.name] = _read(name, one.default, text)
                except ValueError as error:
                    problems.append(str(error))
        if not environ.get("SECRET_KEY") and not values.get("database_url", "sqlite").startswith("sqlite"):
            problems.append("SECRET_KEY is not set: give a long random text, the same one to every process")
        if problems:
            raise InvalidSettings("; ".join(problems))
        return cls(**values)

    @property
    def backend_url(self) -> str:
        """Where events are stored: by default where everything else is."""
        return self.event_backend_url or self.database_url


def _read(name: str, default: object, text: str) -> object:
    """The value of a variable, of its default's type. Raises ValueError with the name, the value, and what to do."""
    if isinstance(default, bool):
        return _bool(name, text)
    if isinstance(default, int):
        return _whole_number(name, text)
    if isinstance(default, frozenset):
        return frozenset(word.strip().lower() for word in text.split(","))
    if isinstance(default, tuple):
        return tuple(word.strip() for word in text.split(",") if word.strip())
    if isinstance(default, Retention):
        return _retention(name, text)
    if name in ("DATABASE_URL", "EVENT_BACKEND_URL"):
        _check_url(name, text)
    if name in EXTRAS:
        _check_extra(name)
    if name in CHOICES and text not in CHOICES[name]:
        raise ValueError(f"{name} is {text!r}: choose one of {', '.join(CHOICES[name])}")
    return text


def _check_extra(name: str) -> None:
    extra, module = EXTRAS[name]
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # not even the package that the module is in
        found = None
    if found is None:
        raise ValueError(f"{name} is set, but what it needs is not installed: pip install 'grouparoo-events[{extra}]'")


def _bool(name: str, text: str) -> bool:
    try:
        return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(f"{name} is {text!r}: give 1 or 0") from None


def _whole_number(name: str, text: str) -> int:
    least = 0 if name == "TRUSTED_PROXIES" else 1
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{name} is {text!r}: give a whole number of {least} or more")
    if int(text) > MOST.get(name, int(text)):
        raise ValueError(f"{name} is {text!r}: give {MOST[name]} at the most")
    return int(text)


def _retention(name: str, text: str) -> Retention:
    try:
        return Retention.parse(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _check_url(name: str, text: str) -> None:
    """Refuse what can't be a URL, without showing it: it may hold a password."""
    if name == "DATABASE_URL":
        try:
            database_url(text)
        except ValueError as error:
            raise ValueError(f"{name} is {error}") from None
    elif ":" not in text:
        raise ValueError(f"{name} is no URL: it should look like postgresql://user@host/database")
