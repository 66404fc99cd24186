"""LocalWorker: what worker processes do, done at once in the process that wants it done."""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import RLock

from app.config import Settings
from app.identity.deletions import delete_events
from app.identity.store import IdentityStore
from app.properties.loads import LoadStore
from app.properties.store import PropertyStore
from app.stream import BACKFILL, DELETE, LOAD, REFRESH, REPOINT
from backends.base import EventBackend
from backends.event import Event, timestamp
from worker.backfill import Backfiller
from worker.load import Loader
from worker.pipeline import Pipeline
from worker.refresh import Refresher

CHUNK = 2000


class LocalWorker:
    """The same pipeline, refresher and backfiller as everywhere; one batch or job at a time."""

    def __init__(self, store: IdentityStore, backend: EventBackend, settings: Settings) -> None:
        self.lock = RLock()
        self._store = store
        self._backend = backend
        self._settings = settings
        self._jobs = {
            REPOINT: self._repoint,
            DELETE: self._delete,
            REFRESH: self._refresh,
            BACKFILL: self._backfill,
            LOAD: self._load,
        }
        self.clear()

    def clear(self) -> None:
        """Begin anew: what the parts remember, like the traits that they know, is of a database that was emptied."""
        with self.lock:
            self._pipeline = Pipeline(self._store, self._backend, self._settings.placeholders)
            self._refresher = Refresher(PropertyStore(self._store), self._backend)
            self._backfiller = Backfiller(self._refresher.store, self._refresher)
            loads = LoadStore(self._store, self._settings.sql_apps_refresh_interval_s)
            self._loader = Loader(self._refresher.store, loads)
            self._wanted: list[str] = []

    def store(self, events: Sequence[Event]) -> None:
        """Store them on their profiles, and compute the properties of these."""
        with self.lock:
            if self._pipeline.settle(self._pipeline.store_events(events)):
                self._repoint()
            self._follow_up()

    def want(self, job: str) -> None:
        """Let it be done by the next `catch_up`; those that look for rows of others have nothing to do here."""
        with self.lock:
            if job in self._jobs:
                self._wanted.append(job)

    def catch_up(self) -> None:
        """Do what is wanted."""
        with self.lock:
            while self._wanted:
                self._jobs[self._wanted.pop(0)]()

    def _repoint(self) -> None:
        while self._pipeline.repoint(CHUNK):
            pass
        self._follow_up()
        self._load()

    def _delete(self) -> None:
        while delete_events(self._pipeline.store, self._pipeline.backend, CHUNK, timestamp(datetime.now(UTC))):
            pass
        self._repoint()
        self._refresh()

    def _follow_up(self) -> None:
        for job in sorted(self._pipeline.follow_ups()):
            self._jobs[job]()

    def _refresh(self) -> None:
        while self._refresher.work_off(lambda: True):
            pass

    def _backfill(self) -> None:
        while self._backfiller.work_off():
            pass

    def _load(self) -> None:
        while self._loader.work_off():
            pass
