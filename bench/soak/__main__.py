"""`python -m bench.soak`: load, faults, and then the check that nothing was lost, doubled, or put on the wrong profile.

Exits with 1 if something was, and says what.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from app.identity.deletions import deletions
from app.identity.store import repoints
from app.models import db
from app.properties.marks import refreshes
from app.services import services
from app.stream import STREAM
from backends.base import EventQuery
from bench.soak.check import check, read_stored
from bench.soak.faults import Faults
from bench.soak.journal import Journal
from bench.soak.properties import check_properties, make_rules
from bench.soak.report import MAX_GROWTH_MB, Report
from bench.soak.system import SoakSystem
from bench.soak.watch import MemoryWatch, look_at
from tests.servers import Process

DRAIN_S = 300
"""So long may it take until nothing waits any more: leases of 30 s and jobs that were lost have to run out."""


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long there is load (default: 30)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="so that a run can be repeated")
    parser.add_argument("--database", default="postgresql", help="postgresql, sqlite, or the URL of an empty database")
    parser.add_argument("--clients", type=int, default=2, help="client processes (default: 2)")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two faults, on average; 0: none")
    parser.add_argument("--spare", action="store_true", help="only pause web and worker 1, to see their memory grow")
    parser.add_argument("--keep", action="store_true", help="leave logs and journals also when nothing is wrong")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    directory.chmod(0o755)
    report = Report(options.seed, options.minutes, options.database)
    with SoakSystem(directory, options.database, random.Random(options.seed)) as system:
        Soak(system, options, report).run()
    console = Console(width=150)
    report.show(console)
    if report.wrong or options.keep:
        console.print(f"logs and journals are in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return int(bool(report.wrong))


class Soak:
    """One run on a system that is up."""

    def __init__(self, system: SoakSystem, options: argparse.Namespace, report: Report) -> None:
        self.system = system
        self.options = options
        self.report = report
        self.memory = MemoryWatch(system)
        self.journals = [system.directory / f"client-{number}.json" for number in range(options.clients)]

    def run(self) -> None:
        """1. Load and faults. 2. Mend everything, and wait. 3. Check. 4. Reindex, which must change nothing."""
        refuse_poison(self.system)
        make_rules(self.system.post)
        self.report.kept_before = look_at(self.system.redis)
        faults = self._load()
        (self.system.directory / "faults.log").write_text("\n".join(faults.log))
        self.report.faults = faults.counts
        self._finish()
        with self.system.app.app_context():
            self._check()
        self.report.kept_after = kept = look_at(self.system.redis)
        self.report.growths = self.memory.growths()
        self.report.wrong += [f"{one} has grown" for one in self.report.growths if one.last_mb - one.first_mb > MAX_GROWTH_MB]
        self.report.wrong += [f"{key} lies in Redis for ever" for key in kept.forgotten]

    def _load(self) -> Faults:
        until = time.time() + self.options.minutes * 60
        for number, journal in enumerate(self.journals):
            self.system.clients.append(self._client(number, journal, until))
        for client in self.system.clients:
            client.start()
        chance = random.Random(self.options.seed)
        faults = Faults(self.system, chance, self.options.every, self.options.spare)
        while time.time() < until:
            if self.options.every:
                faults.tick()
            self._wait()
        faults.end()
        return faults

    def _client(self, number: int, journal: Path, until: float) -> Process:
        named = {"number": number, "seed": self.options.seed, "url": self.system.web.url, "key": self.system.key}
        named |= {"until": until, "journal": journal}
        command = [sys.executable, "-m", "bench.soak.client", *(f"--{name}={value}" for name, value in named.items())]
        return Process(command, self.system.environ, self.system.directory / f"client-{number}.log")

    def _finish(self) -> None:
        """Clients deliver what they still have; then nothing may wait any more."""
        self.system.mend()
        self._wait_until(lambda: not any(client.is_alive() for client in self.system.clients), "the end of the clients")
        began = time.monotonic()
        self._wait_until(self._is_done, "the end of the drain")
        self.report.drained_s = time.monotonic() - began
        self.report.journals = [Journal.read(journal) for journal in self.journals if journal.exists()]
        self.report.wrong += [f"there is no {journal}: its client failed" for journal in self.journals if not journal.exists()]
        self.report.wrong += [line for journal in self.report.journals for line in journal.wrong]

    def _check(self) -> None:
        households = [household for journal in self.report.journals for household in journal.households]
        stored = read_stored()
        self.report.stored = len(stored)
        self.report.wrong += check(households, stored)
        self.report.wrong += check_properties(stored)
        self.system.run("reindex")
        self._wait_until(self._is_done, "the end of reindexing")
        before = {event.guid: event.profile_guid for event in stored}
        after = {event.guid: event.profile_guid for event in read_stored()}
        self.report.wrong += [
            f"reindex changed {guid} from {before.get(guid)} to {after.get(guid)}"
            for guid in sorted(before.keys() | after.keys())
            if before.get(guid) != after.get(guid)
        ]

    def _is_done(self) -> bool:
        with self.system.app.app_context(), db.engine.connect() as connection:
            tables = (repoints, deletions)
            waits = any(connection.execute(sa.select(table.c.created_at).limit(1)).first() for table in tables)
            stale = connection.execute(sa.select(refreshes.c.version).where(refreshes.c.version > 0).limit(1)).first()
            unseen = services().backend.count(EventQuery(looked_at=False), at_most=1)
        return not (self.system.redis.xlen(STREAM) or waits or stale or unseen)

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        ends_at = time.monotonic() + DRAIN_S
        while not is_so():
            if time.monotonic() > ends_at:
                self.report.wrong.append(f"{what} did not come within {DRAIN_S} s")
                return
            self._wait()

    def _wait(self) -> None:
        self.system.keep()
        self.memory.tick()
        time.sleep(0.1)


def refuse_poison(system: SoakSystem) -> None:
    """Let the database refuse some events, so that there are dead letters to expect."""
    with system.app.app_context(), db.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            refusal = "BEGIN SELECT RAISE(ABORT, 'no poison'); END"
            connection.exec_driver_sql(f"CREATE TRIGGER no_poison BEFORE INSERT ON events WHEN NEW.type = 'poison' {refusal}")
        else:
            connection.exec_driver_sql("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (type <> 'poison')")


if __name__ == "__main__":
    sys.exit(main())
