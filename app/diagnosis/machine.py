"""This machine and its settings: what can be said without asking anybody."""

import os
import platform
import stat
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from app.config import ROOT
from app.diagnosis.findings import Finding, fine, warn, wrong
from app.services import Services
from backends.sql.engine import database_url

LEAST_SECRET = 32
PACKAGES = ("flask", "rq", "redis", "sqlalchemy", "gunicorn")


def check_machine(shared: Services) -> Iterator[Finding]:
    """Versions, settings, files."""
    told = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield fine("versions", f"Python {platform.python_version()}, {told}")
    yield from _settings(shared)
    yield from _files()


def _settings(shared: Services) -> Iterator[Finding]:
    settings, has_dyno = shared.settings, "DYNO" in os.environ
    if len(settings.secret_key) < LEAST_SECRET:
        told = "is not set" if not settings.secret_key else f"has {len(settings.secret_key)} characters"
        yield warn("SECRET_KEY", told, f"give {LEAST_SECRET} random characters or more, the same to every process")
    else:
        yield fine("SECRET_KEY", "is set")
    if database_url(settings.database_url).get_backend_name() == "sqlite":
        if has_dyno:
            yield wrong("DATABASE_URL", "SQLite on a disk that is gone with the next restart", "add a PostgreSQL")
        else:
            yield fine("DATABASE_URL", "SQLite: for processes of one machine")
    if has_dyno and not settings.trusted_proxies:
        yield warn("TRUSTED_PROXIES", "0 behind Heroku's router: all clients have its address", "set it to 1")
    if not settings.redis_tls_verify:
        yield warn("REDIS_TLS_VERIFY", "0: nobody vouches for the server", "set it to 1 where its certificate can be verified")


def _files() -> Iterator[Finding]:
    """bin/serve keeps keys there."""
    var = Path(os.environ.get("VAR_DIR") or ROOT / "var")
    for path in (var, var / "env"):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield warn("files", f"others may read {path}", f"run `chmod go= {path}`")
