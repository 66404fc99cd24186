"""Loading from sql apps: new people first, then new rules, then everybody from time to time; and never while it's down."""

import logging
import threading
from collections.abc import Sequence

from flask import Flask

from app.foreign.database import ForeignDatabase
from app.foreign.place import AppUnavailable
from app.foreign.selection import Selection
from app.identity.profiles import user_ids_of
from app.logs import kind_of
from app.models import Source, db
from app.properties.columns import load, selection_of
from app.properties.databases import database_of_source
from app.properties.loads import Lent, LoadStore
from app.properties.rules import ColumnRule
from app.properties.store import PropertyStore
from app.properties.values import Computed
from app.stream import EventStream
from worker.stopping import stop_requested

log = logging.getLogger(__name__)

CHUNK = 500
YIELD_S = 0.2


class Loader:
    """Asks an sql source one question for some hundred people; which source is whose, says the LoadStore."""

    def __init__(self, store: PropertyStore, loads: LoadStore) -> None:
        self.store = store
        self.loads = loads

    def work_off(self) -> bool:
        """Do one chunk of one source; return whether there was one. A source that is down is left alone for a while."""
        if (lent := self.loads.take()) is None:
            return False
        try:
            self.loads.give_back(lent, self._do_chunk(lent))
        except AppUnavailable as error:
            log.warning("an sql source can't be loaded", extra={"source": lent.source_guid, "failures": lent.failures + 1})
            self.loads.give_up(lent, str(error))
        except Exception as error:
            log.error("loading an sql source failed", exc_info=error, extra={"source": lent.source_guid})
            self.loads.give_up(lent, f"an error that nobody expected: {kind_of(error)}; it is in the worker's log")
        return True

    def _do_chunk(self, lent: Lent) -> str | None:
        """1. Who is to be looked up. 2. A rule that is not computed for everybody. 3. The refresh of all. Returns what was
        wrong nevertheless."""
        rules = self.store.rules(ColumnRule, [lent.source_guid])
        if (source := db.session.get(Source, lent.source_guid)) is None:
            return None  # it was deleted just now
        selection = selection_of(source)
        chunk = _Chunk(self.store, database_of_source(source), selection)
        if (asked := self.loads.asked(lent.source_guid, CHUNK)).versions:
            self.store.write(chunk.compute(rules, sorted(asked.versions)))
            self.loads.answered(lent.source_guid, asked)
        elif found := self.store.next_backfill(ColumnRule, lent.source_guid):
            rule, behind = found
            profiles = self.store.homes(CHUNK, behind, ColumnRule)
            self.store.write(chunk.compute([rule], profiles))
            self.store.note_backfill(rule, behind, profiles, is_done=len(profiles) < CHUNK)
        elif self.loads.is_due(lent):
            profiles = self.store.homes(CHUNK, lent.reached, ColumnRule)
            self.store.write(chunk.compute(rules, profiles))
            self.loads.note_refreshed(lent, profiles, is_done=len(profiles) < CHUNK)
        return chunk.problem


class _Chunk:
    """The questions of one chunk."""

    def __init__(self, store: PropertyStore, database: ForeignDatabase, selection: Selection) -> None:
        self.store = store
        self.database = database
        self.selection = selection
        self.problem: str | None = None

    def compute(self, rules: Sequence[ColumnRule], profiles: Sequence[str]) -> list[Computed]:
        """What the rules make of these profiles; those whose column is not there any more keep what they have."""
        began = self.store.clock()
        people = user_ids_of(self.store.identity, profiles)
        loaded = load(self.database, self.selection, rules, people)
        if loaded.missing:
            named = ", ".join(map(repr, loaded.missing))
            self.problem = f"the app {self.database.place.app!r} has no column {named} there: rules of it keep what they have"
        made = [rule for rule in rules if rule.guid in loaded.values]
        return [Computed(rule, profiles, loaded.values[rule.guid], began, is_certain=False) for rule in made]


class Loading:
    """The thread of this process that loads: what others' databases take their time for holds up no job, and no event."""

    def __init__(self, app: Flask, loader: Loader, stream: EventStream) -> None:
        self._app = app
        self._loader = loader
        self._stream = stream
        self._lock = threading.Lock()
        self._is_wanted = False
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Let it look what there is to load, now or when it has done what it is at."""
        with self._lock:
            self._is_wanted = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="loading", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._is_still_wanted():
            try:
                with self._app.app_context():
                    self._work()
            except Exception as error:  # our own database or Redis is away; the schedule wakes us again
                log.warning("loading broke off: %s", kind_of(error), exc_info=error)

    def _is_still_wanted(self) -> bool:
        with self._lock:
            if not self._is_wanted:
                self._thread = None
            wanted, self._is_wanted = self._is_wanted, False
            return wanted

    def _work(self) -> None:
        while not stop_requested.is_set() and self._loader.work_off():
            if not self._stream.is_empty():
                stop_requested.wait(YIELD_S)  # the processor is for events first
