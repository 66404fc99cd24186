"""SoakSystem: every part as a process of its own, as the Procfile starts it, and what can be done to each."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol, Self

import psutil
import redis
import requests
from flask import Flask

from app import create_app
from app.config import Settings
from app.keys import PERMISSIONS, create_key
from tests.servers import ROOT, Postgres, Process, Valkey, Web, scheduler, wait_until, worker

WEB_WORKERS, WORKERS, SCHEDULERS = 2, 2, 2
RESTART_S = 1.0
"""A supervisor starts a process again after so long."""
POSTGRES_OPTIONS = "-c fsync=on -c full_page_writes=on"


class Part(Protocol):
    """Something that can be killed, told to stop, and paused; `mend` undoes what does not mend itself."""

    name: str

    def kill(self) -> None: ...

    def restart(self) -> None: ...

    def pause(self) -> None: ...

    def mend(self) -> None: ...


class ProcessPart:
    """One of the Procfile's processes; when it has ended, `keep` starts it again."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self._missed_at: float | None = None

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self._send(signal.SIGTERM)

    def pause(self) -> None:
        self._send(signal.SIGSTOP)

    def mend(self) -> None:
        self._send(signal.SIGCONT)

    def keep(self) -> None:
        """What a supervisor does."""
        if self.process.is_alive():
            self._missed_at = None
        elif self._missed_at is None:
            self._missed_at = time.monotonic()
        elif time.monotonic() - self._missed_at > RESTART_S:
            Process.start(self.process)

    def _send(self, number: signal.Signals) -> None:
        if self.process.is_alive():
            self.process.send(number)


class WebWorkerPart:
    """One of gunicorn's worker processes, chosen anew each time; gunicorn starts another one by itself."""

    name = "web worker"

    def __init__(self, web: Process, chance: random.Random) -> None:
        self.web = web
        self.chance = chance
        self._paused: psutil.Process | None = None

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def restart(self) -> None:
        self._send(signal.SIGTERM)

    def pause(self) -> None:
        self._paused = self._send(signal.SIGSTOP)

    def mend(self) -> None:
        if self._paused and self._paused.is_running():
            self._paused.resume()
        self._paused = None

    def _send(self, number: signal.Signals) -> psutil.Process | None:
        found = children_of(self.web)
        chosen = self.chance.choice(found) if found else None
        if chosen:
            chosen.send_signal(number)
        return chosen


class ServerPart:
    """Valkey or PostgreSQL: what was killed stays away until it is mended."""

    def __init__(self, name: str, server: Valkey | Postgres) -> None:
        self.name = name
        self.server = server
        self._is_down = False
        self._paused: list[psutil.Process] = []

    def kill(self) -> None:
        self.server.kill()
        self._is_down = True

    def restart(self) -> None:
        self.server.stop()
        self._is_down = True

    def pause(self) -> None:
        self._paused = self.server.processes()
        for process in self._paused:
            if process.is_running():
                process.suspend()

    def mend(self) -> None:
        for process in self._paused:
            if process.is_running():
                process.resume()
        self._paused = []
        if self._is_down:
            self.server.start()
            self._is_down = False


class SoakSystem:
    """All of it; `with` starts it and stops it, by pid."""

    def __init__(self, directory: Path, database: str, chance: random.Random) -> None:
        self.directory = directory
        for name in ("valkey", "postgres"):
            (directory / name).mkdir(mode=0o755)
        self.valkey = Valkey(directory / "valkey")
        self.postgres = Postgres(directory / "postgres", POSTGRES_OPTIONS) if database == "postgresql" else None
        url = {"postgresql": self.postgres and self.postgres.url, "sqlite": f"sqlite:///{directory}/soak.sqlite3"}
        self.environ = {
            "DATABASE_URL": url.get(database) or database,
            "REDIS_URL": self.valkey.url,
            "SECRET_KEY": "soak",
            "SCAN_INTERVAL_S": "5",
            "WEB_CONCURRENCY": str(WEB_WORKERS),
        }
        self.web = Web(self.environ, directory / "web.log")
        self.processes = [ProcessPart("web", self.web)]
        self.processes += [self._part("worker", worker, number) for number in range(WORKERS)]
        self.processes += [self._part("scheduler", scheduler, number) for number in range(SCHEDULERS)]
        self.web_worker = WebWorkerPart(self.web, chance)
        self.servers = [ServerPart("valkey", self.valkey)]
        if self.postgres:
            self.servers.append(ServerPart("postgresql", self.postgres))
        self.clients: list[Process] = []
        self.redis = redis.Redis.from_url(self.valkey.url)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever state they are in: what is paused can be killed too, but PostgreSQL is asked."""
        found = [part.process for part in self.processes] + self.clients
        orphans = children_of(self.web)
        for process in found:
            process.kill()
        for orphan in orphans:
            if orphan.is_running():
                orphan.kill()
        if self.postgres and (self.postgres.directory / "data/postmaster.pid").exists():
            self.servers[-1].mend()
            self.postgres.kill()
        self.valkey.kill()
        self.redis.close()

    def mend(self) -> None:
        """Let nothing be paused or away any more."""
        for part in [*self.servers, *self.processes, self.web_worker]:
            part.mend()

    def keep(self) -> None:
        """Start again what has ended."""
        for part in self.processes:
            part.keep()

    def run(self, *command: str) -> str:
        """One of the commands of the project's command line; what it printed."""
        flask = [sys.executable, "-m", "flask", "--app", "app", *command]
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(flask, env=environ, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the API answers; its URL ends before `path`."""
        headers = {"Authorization": f"Bearer {self.key}"}
        response = requests.post(f"{self.web.url}/api/v1{path}", json=body, headers=headers, timeout=30)
        response.raise_for_status()
        return response.json()

    def roles(self) -> dict[str, list[psutil.Process]]:
        """The processes of each kind that run now."""
        found: dict[str, list[psutil.Process]] = {"web worker": children_of(self.web)}
        for part in self.processes:
            if part.process.is_alive():
                found.setdefault(part.name.split()[0], []).append(psutil.Process(part.process.pid))
        return found

    def _start(self) -> None:
        self.valkey.start()
        if self.postgres:
            self.postgres.start()
        self.run("release")
        self.app: Flask = create_app(Settings.from_environ(self.environ))
        with self.app.app_context():
            _, self.key = create_key("soak", PERMISSIONS)
        self.web.start()
        for part in self.processes[1:]:
            part.process.start()
        wait_until(lambda: len(children_of(self.web)) == WEB_WORKERS, what="the start of gunicorn's workers")

    def _part(self, name: str, make: object, number: int) -> ProcessPart:
        assert callable(make)
        return ProcessPart(f"{name} {number + 1}", make(self.environ, self.directory / f"{name}-{number + 1}.log"))


def children_of(process: Process) -> list[psutil.Process]:
    """What it forked."""
    try:
        return psutil.Process(process.pid).children() if process.is_alive() else []
    except psutil.NoSuchProcess:  # it ended just now
        return []
