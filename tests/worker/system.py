"""The whole system on servers of its own: what a fault test starts, loads, breaks, and looks at afterwards."""

import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import redis
import requests
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.config import Settings
from app.identity.store import repoints
from app.keys import PERMISSIONS, create_key
from app.models import db
from app.services import services
from app.stream import DRAIN, GROUP, REPOINT, STREAM, wanted
from backends.base import EventQuery
from backends.event import Event
from tests.conftest import close
from tests.servers import ROOT, Database, Postgres, Process, Valkey, Web, wait_until, worker

LONG_IDLE_MS = 31_000


class System:
    """Valkey, a database, a web process, and workers."""

    def __init__(
        self, directory: Path, workers: int = 1, worker_script: str = "", database: type[Database] = Postgres
    ) -> None:
        for name in ("valkey", "database"):
            (directory / name).mkdir()
        self.directory = directory
        self.log = directory / "processes.log"
        self.valkey = Valkey(directory / "valkey")
        self.database = database(directory / "database")
        self.valkey.start()
        self.database.start()
        self.environ = {"DATABASE_URL": self.database.url, "REDIS_URL": self.valkey.url, "SECRET_KEY": "for tests only"}
        self.redis = redis.Redis.from_url(self.valkey.url)
        self.app = self._make_app()
        with self.app.app_context():
            _, self.key = create_key("test", PERMISSIONS)
        self.web = Web(self.environ, self.log)
        self.web.start()
        self.workers = [self._make_worker(worker_script) for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers, self.web]:
            process.kill()
        self.redis.close()
        close(self.app)
        self.database.kill()
        self.valkey.kill()
        shutil.rmtree(self.directory, ignore_errors=True)  # it may lie in memory

    def start_workers(self) -> None:
        for process in self.workers:
            process.start()

    def post(self, events: list[dict[str, Any]], **envelope: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Connection": "close"}
        return requests.post(f"{self.web.url}/api/v1/batch", json={"events": events, **envelope}, headers=headers, timeout=10)

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.web.url}/api/v1{path}", headers={"Authorization": f"Bearer {self.key}"}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def nudge(self) -> None:
        """What time would do: let what a dead worker read count as idle for long enough, and wake a drain."""
        for one in self._pending():
            self.redis.xclaim(STREAM, GROUP, one["consumer"], 0, [one["message_id"]], idle=LONG_IDLE_MS, justid=True)
        self.wake(DRAIN)

    def wake(self, job: str) -> None:
        """Enqueue the job, though a dead worker took the last one with it."""
        with self.app.app_context():
            self.redis.delete(wanted(job))
            services().stream.wake(job)

    def settle(self) -> None:
        """Let the repoints that a dead worker left be worked off: its lease is ended, as time would end it."""
        with self.app.app_context(), db.engine.begin() as connection:
            connection.execute(sa.update(repoints).values(taken_until=None))

        def is_settled() -> bool:
            self.wake(REPOINT)
            return bool(self.get("/status")["repoints"] == 0)

        wait_until(is_settled, 30, "the end of re-pointing")

    def wait_until_drained(self, timeout_s: float = 60) -> None:
        wait_until(lambda: self.redis.xlen(STREAM) == 0, timeout_s, "the end of the drain")

    def nudge_until_drained(self, timeout_s: float = 60) -> None:
        """Drained though workers died: they are started again, as their supervisor would."""

        def drained() -> bool:
            for process in self.workers:
                if not process.is_alive():
                    process.start()
            self.nudge()
            return self.redis.xlen(STREAM) == 0

        wait_until(drained, timeout_s, "the end of the drain")

    def stored(self) -> dict[str, Event]:
        with self.app.app_context():
            return {event.guid: event for event in services().backend.find(EventQuery(), 1_000_000)}

    def _pending(self) -> list[Any]:
        try:
            return list(self.redis.xpending_range(STREAM, GROUP, "-", "+", 10_000))
        except redis.ResponseError:  # no worker has made the group yet
            return []

    def has_stored(self, user: str | None = None) -> bool:
        """Whether there is any event (of this user)."""
        with self.app.app_context():
            return services().backend.count(EventQuery(user_id=user), at_most=1) > 0

    def _make_app(self) -> Flask:
        app = create_app(Settings.from_environ(self.environ))
        with app.app_context():
            db.create_all()
            services().backend.setup()
        return app

    def _make_worker(self, script: str) -> Process:
        process = worker(self.environ, self.log)
        if script:
            process.command[1:] = [str(ROOT / "tests" / "worker" / script)]
        return process


def event(user: str | None = None, device: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event as a client sends it."""
    ids = {"userId": user, "anonymousId": device}
    return {"type": "pageview", "messageId": uuid.uuid4().hex, "data": {"path": "/"}, **ids, **fields}


def profiles_by_owner(events: Iterable[Event], owner_of: Mapping[str, str]) -> dict[str, set[str | None]]:
    """For each owner, by the event's messageId, the profiles that their events are on."""
    found: dict[str, set[str | None]] = {}
    for one in events:
        found.setdefault(owner_of[one.message_id or ""], set()).add(one.profile_guid)
    return found
