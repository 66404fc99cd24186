"""What bin/serve does: prepare everything, then become the supervisor of the Procfile's processes."""

import fcntl
import os
import secrets
import shlex
import socket
import sys
from dataclasses import fields
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade
from honcho.environ import parse_procfile

from app import BOOT_ERROR, create_app
from app.config import ROOT, InvalidSettings, Settings
from app.keys import PERMISSIONS, create_key
from app.models import ApiKey, db
from app.services import services
from app.supervision import pipe_stdout, supervisor_config
from backends.errors import BackendError

VAR = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
HIGHEST_PORT = 65_535


class CannotServe(Exception):
    """Raised when something must be mended first; the message says what."""


def main() -> None:
    """Prepare, print, and exec the supervisor: from there on this process is its."""
    try:
        VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
        take_lock()
        redis_port = complete_environ()
        check_environ()
        os.chdir(ROOT)
        app = prepared_app()
    except (CannotServe, InvalidSettings, BackendError, ValueError, OSError) as error:
        print(f"bin/serve: {error}", file=sys.stderr)
        sys.exit(BOOT_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)
    write_env()
    pipe_stdout()
    print_keys(app)
    print(f"Serving on http://127.0.0.1:{os.environ['PORT']} (Ctrl-C ends everything).", flush=True)
    processes = parse_procfile((ROOT / "Procfile").read_text()).processes
    processes.pop("release")
    config = supervisor_config(VAR, ROOT, processes, int(os.environ["WORKERS"]), redis_port)
    supervisord = str(Path(sys.executable).parent / "supervisord")
    os.execv(supervisord, [supervisord, "--nodaemon", "--configuration", config])


def take_lock() -> None:
    """Two of us would append to one file of the embedded server. The supervisor inherits the lock; its end frees it."""
    lock = os.open(VAR / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotServe(f"another one is running on {VAR}: end it, or give this one data of its own by VAR_DIR") from None


def complete_environ() -> int | None:
    """Fill in what is not set. Returns the embedded server's port, if there shall be one."""
    environ = os.environ
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    environ["PROMETHEUS_MULTIPROC_DIR"] = environ.get("PROMETHEUS_MULTIPROC_DIR") or str(VAR / "metrics")
    defaults = {"PORT": "8000", "WORKERS": "1", "DATABASE_URL": f"sqlite:///{VAR}/grouparoo.sqlite3"}
    for name, value in {**defaults, "SECRET_KEY": secret_key()}.items():
        environ[name] = environ.get(name) or value
    for name in ("DATABASE_URL", "EVENT_BACKEND_URL"):
        environ[name] = with_whole_path(environ.get(name, ""))
    if environ.get("REDIS_URL"):
        return None
    port = free_port(remembered_port())
    environ["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    return port


def with_whole_path(url: str) -> str:
    """SQLite's file by its whole path: it was named from the folder of the caller, which the processes leave."""
    path = url.removeprefix("sqlite:///")
    return url if path in (url, "", ":memory:") else f"sqlite:///{Path(path).absolute()}"


def check_environ() -> None:
    """Refuse what can't work. Raises CannotServe."""
    if os.environ.get("EVENT_BACKEND_URL", "").startswith("memory:"):
        raise CannotServe("EVENT_BACKEND_URL=memory: keeps events in one process, but this starts several; leave it unset")
    if os.environ["DATABASE_URL"] in ("sqlite://", "sqlite:///", "sqlite:///:memory:"):
        raise CannotServe("DATABASE_URL names a SQLite database in memory, but several processes need it: name a file")
    for name, most in (("PORT", HIGHEST_PORT), ("WORKERS", 1000)):
        if not (os.environ[name].isdecimal() and 1 <= int(os.environ[name]) <= most):
            raise CannotServe(f"{name} is {os.environ[name]!r}: give a number from 1 to {most}")
    if reason := why_not_free(int(os.environ["PORT"]), "0.0.0.0"):
        raise CannotServe(f"port {os.environ['PORT']} {reason}: choose another one, as in PORT=8001 bin/serve")


def prepared_app() -> Flask:
    """The app, all tables made or upgraded: what the Procfile's release process does. Raises CannotServe."""
    try:
        app = create_app()
        with app.app_context():
            upgrade()
            services().backend.setup()
    except sa.exc.SQLAlchemyError as error:
        raise CannotServe(f"DATABASE_URL can't be used: {getattr(error, 'orig', error)}") from None
    return app


def print_keys(app: Flask) -> None:
    """On a fresh database make the first two keys and print them; later say how to make another one."""
    with app.app_context():
        if db.session.scalar(sa.select(ApiKey.guid).limit(1)) is not None:
            print(f"To make a new key: {flask_command()} keys create --name NAME --all (--all lets it do everything)")
            return
        _, owner = create_key("owner", PERMISSIONS)
        _, writer = create_key("clients", ["events:write"])
    print(f"API key: {owner}\nWrite key: {writer}\nThey are shown once. Send a first event:\n")
    data = """'{"type": "pageview", "anonymousId": "person_1", "data": {"path": "/"}}'"""
    url = f"http://127.0.0.1:{os.environ['PORT']}/api/v1/track"
    headers = f"-H 'Authorization: Bearer {writer}' -H 'Content-Type: application/json'"
    print(f"curl --retry 5 --retry-connrefused {headers} -d {data} {url}\n")


def flask_command() -> str:
    """How to call bin/flask, from wherever, on these data."""
    flask = shlex.quote(str(ROOT / "bin/flask"))
    return f"VAR_DIR={shlex.quote(str(VAR))} {flask}" if os.environ.get("VAR_DIR") else flask


def secret_key() -> str:
    """The secret under var/, made on the first start, readable by its owner only."""
    path = VAR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
    if not path.read_text():
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def write_env() -> None:
    """What bin/flask needs to reach the same servers and to decide alike."""
    path = VAR / "env"
    path.touch(mode=0o600)
    settings = {name: os.environ.get(name) for name in (field.name.upper() for field in fields(Settings))}
    path.write_text("".join(f"{name}={_quoted(value)}\n" for name, value in settings.items() if value))


def _quoted(value: str) -> str:
    """As python-dotenv reads it back."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def remembered_port() -> int:
    """The embedded server's port of the last start, so that a shell that knows it still does."""
    path = VAR / "redis.port"
    return int(path.read_text() or 0) if path.exists() else 0


def free_port(wanted: int) -> int:
    """`wanted` if it is free, else another port that is; remembered."""
    port = 0 if wanted and why_not_free(wanted) else wanted
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = int(probe.getsockname()[1])
    (VAR / "redis.port").write_text(str(port))
    return port


def why_not_free(port: int, host: str = "127.0.0.1") -> str | None:
    """What keeps us from listening on the port, if anything does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return "is for root only"
        except OSError:
            return "is in use"
    return None


if __name__ == "__main__":
    main()
