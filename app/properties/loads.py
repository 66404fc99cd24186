"""LoadStore: which sql source a worker loads from, what it is to look up there, and how that went."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.identity.store import IdentityStore
from app.models import Loading
from app.properties.lookups import lookups, rules_table, sources
from app.properties.marks import after
from backends.event import Timestamp, now, timestamp
from backends.sql.rows import among

loadings = sa.inspect(Loading).local_table

LEASE_S = 120
"""For so long a source is one worker's; longer than the questions of a chunk may take, connecting included."""

FIRST_RETRY_S, LAST_RETRY_S = 10, 900
"""How long nobody asks again after a failure, twice as long after each further one."""


@dataclass(frozen=True)
class Lent:
    """A source that is ours until `taken_until`, and how far the loading from it was."""

    source_guid: str
    taken_until: Timestamp
    begun_at: Timestamp | None
    reached: str
    failures: int


@dataclass(frozen=True)
class Asked:
    """Profiles to be looked up → the version at which that was read."""

    versions: dict[str, int]


class LoadStore:
    """Safe in any number of workers at once: each source is one worker's at a time."""

    def __init__(self, identity: IdentityStore, interval_s: int) -> None:
        self.identity = identity
        self.interval_s = interval_s

    def take(self) -> Lent | None:
        """A source that is not down, where there is something to look up, or that is to be refreshed: the one that had to wait
        longest."""
        moment = now()
        is_free = sa.or_(loadings.c.taken_until.is_(None), loadings.c.taken_until <= moment)
        is_up = sa.or_(loadings.c.retry_at.is_(None), loadings.c.retry_at <= moment)
        has_rule = sa.exists().where(rules_table.c.source_guid == loadings.c.source_guid)
        candidates = sa.select(loadings, sources.c.options).join(sources, sources.c.guid == loadings.c.source_guid)
        candidates = candidates.where(is_free, is_up, has_rule)
        with self.identity.reading() as connection:
            found = sorted(connection.execute(candidates), key=lambda row: row.taken_until or "")
            wanted = [row for row in found if self._has_work(connection, row)]
        return next((lent for row in wanted if (lent := self._lease(row))), None)

    def asked(self, source_guid: str, limit: int) -> Asked:
        """Up to `limit` profiles that are to be looked up there."""
        chosen = sa.select(lookups.c.profile_guid, lookups.c.version).where(lookups.c.source_guid == source_guid)
        with self.identity.reading() as connection:
            found = connection.execute(chosen.order_by(lookups.c.profile_guid).limit(limit))
            return Asked({row.profile_guid: row.version for row in found})

    def answered(self, source_guid: str, asked: Asked) -> None:
        """These were looked up; whoever was noted once more since stays noted."""
        by_version: dict[int, list[str]] = {}
        for guid, version in asked.versions.items():
            by_version.setdefault(version, []).append(guid)

        def delete(connection: sa.Connection) -> None:
            for version, guids in by_version.items():
                theirs = among(connection.dialect.name, lookups.c.profile_guid, sorted(guids))
                here = sa.and_(lookups.c.source_guid == source_guid, lookups.c.version == version)
                connection.execute(sa.delete(lookups).where(here, theirs))

        self.identity.transact(delete)

    def is_due(self, lent: Lent) -> bool:
        """Whether a refresh of all goes on, or is to begin."""
        with self.identity.reading() as connection:
            chosen = sa.select(loadings, sources.c.options).join(sources, sources.c.guid == loadings.c.source_guid)
            row = connection.execute(chosen.where(loadings.c.source_guid == lent.source_guid)).first()
            return row is not None and self._is_due(row)

    def note_refreshed(self, lent: Lent, profiles: Sequence[str], is_done: bool) -> None:
        """These, the next ones, are refreshed; with `is_done` they were the last."""
        begun_at = lent.begun_at or now()
        going_on = {"begun_at": begun_at, "reached": profiles[-1] if profiles else lent.reached}
        self._write(lent, {"begun_at": None, "reached": "", "refreshed_at": begun_at} if is_done else going_on)

    def give_back(self, lent: Lent, problem: str | None) -> None:
        """The source answered, though with `problem` not to all; others come first now."""
        told = {"failure": problem, "failed_at": now() if problem else None}
        self._write(lent, {"taken_until": now(), "failures": 0, "retry_at": None, **told})

    def give_up(self, lent: Lent, problem: str) -> None:
        """The source is down: nobody asks it again for a while."""
        wait_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(lent.failures, 10)) * random.uniform(0.8, 1.0)
        told = {"failures": lent.failures + 1, "failure": problem, "failed_at": now(), "retry_at": after(wait_s)}
        self._write(lent, {"taken_until": now(), **told})

    def _lease(self, row: Any) -> Lent | None:
        is_as_read = loadings.c.taken_until == row.taken_until if row.taken_until else loadings.c.taken_until.is_(None)
        here = sa.and_(loadings.c.source_guid == row.source_guid, is_as_read)
        until = after(LEASE_S)
        taken = sa.update(loadings).where(here).values(taken_until=until)
        if self.identity.transact(lambda connection: connection.execute(taken).rowcount) != 1:
            return None  # another worker was first
        return Lent(row.source_guid, until, row.begun_at, row.reached, row.failures)

    def _write(self, lent: Lent, values: dict[str, Any]) -> None:
        ours = sa.and_(loadings.c.source_guid == lent.source_guid, loadings.c.taken_until == lent.taken_until)
        self.identity.transact(lambda connection: connection.execute(sa.update(loadings).where(ours).values(values)))

    def _has_work(self, connection: sa.Connection, row: Any) -> bool:
        asked = sa.select(lookups.c.version).where(lookups.c.source_guid == row.source_guid).limit(1)
        is_new = sa.and_(rules_table.c.source_guid == row.source_guid, rules_table.c.backfilled_at.is_(None))
        unfilled = sa.select(rules_table.c.guid).where(is_new).limit(1)
        return self._is_due(row) or any(connection.execute(one).first() for one in (asked, unfilled))

    def _is_due(self, row: Any) -> bool:
        interval = timedelta(seconds=row.options.get("refreshSeconds") or self.interval_s)
        return row.begun_at is not None or (row.refreshed_at or "") <= timestamp(datetime.now(UTC) - interval)
