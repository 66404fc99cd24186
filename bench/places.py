"""Servers and databases for a run: PostgreSQL with fsync and full_page_writes on, Valkey with its append-only file."""

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import redis
from flask import Flask

from app import create_app
from app.config import Settings
from app.models import db
from app.services import services
from backends.event import Event
from bench.workload import bodies
from tests.servers import ROOT, Postgres, Valkey

POSTGRES_OPTIONS = "-c fsync=on -c full_page_writes=on -c shared_buffers=512MB -c max_wal_size=4GB"


class Place:
    """A fresh database, an emptied Redis, and the app on them."""

    def __init__(self, postgres: Postgres, valkey: Valkey) -> None:
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        self.url = postgres.make_database(f"bench_{uuid.uuid4().hex}")
        self.environ = {"DATABASE_URL": self.url, "REDIS_URL": valkey.url, "SECRET_KEY": "bench"}
        self.app: Flask = create_app(Settings.from_environ(self.environ))
        with self.app.app_context():
            db.create_all()
            services().backend.setup()

    def fill_stream(self, events: Sequence[Event]) -> None:
        """Let the events wait in the stream."""
        with self.app.app_context():
            for body in bodies(events):
                services().stream.append(body)

    def work(self, job: str, processes: int = 1) -> float:
        """Let so many processes do the job until nothing is left; the seconds that the slowest took."""
        outputs = [one.communicate()[0] for one in self.start(job, processes)]
        return max(float(output.split()[0]) for output in outputs)

    def start(self, job: str, processes: int = 1) -> list[subprocess.Popen[str]]:
        """Let so many processes begin with the job, all at once."""
        command = [sys.executable, "-m", "bench.drainer", job]
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(ROOT)}
        running = [
            subprocess.Popen(
                [*command, str(n)], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for n in range(processes)
        ]
        for one in running:
            assert one.stdout and one.stdout.readline() == "ready\n"
        for one in running:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        return running

    def drain(self, events: Sequence[Event], processes: int = 1) -> float:
        """Events a second through the stream into the database, the stream being full at the start."""
        self.fill_stream(events)
        return len(events) / self.work("drain", processes)

    def analyze(self) -> None:
        """What autovacuum would have done by now."""
        with self.app.app_context(), db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")


class Servers:
    """The servers of one run."""

    def __init__(self, directory: Path) -> None:
        for name in ("valkey", "postgres"):
            (directory / name).mkdir()
        self.valkey = Valkey(directory / "valkey")
        self.postgres = Postgres(directory / "postgres", POSTGRES_OPTIONS)

    def __enter__(self) -> Self:
        self.valkey.start()
        self.postgres.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.postgres.kill()
        self.valkey.kill()

    def place(self) -> Place:
        """A fresh database."""
        return Place(self.postgres, self.valkey)
