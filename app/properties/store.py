"""PropertyStore: which refreshes are whose, the rules, and the values; set-wise, on the app's database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from app.identity.store import IdentityStore
from app.identity.view import identifiers
from app.models import PropertyRule, Source
from app.properties.marks import after, mark, refreshes, rules_table, sources
from app.properties.rules import ColumnRule, EventRule, Rule, rule_of
from app.properties.values import Computed, properties, write_values
from backends.event import Timestamp, now
from backends.sql.changing import change
from backends.sql.expressions import canonical_moment, moment_now
from backends.sql.rows import among, rows
from backends.sql.walks import distinct

R = TypeVar("R", bound=Rule)

LEASE_S = 30
"""For so long a refresh is one worker's; longer than a job may take."""


Wait = tuple[int, Timestamp]
"""What a profile cost, in ms, and when it comes again at the earliest."""


@dataclass(frozen=True)
class Refreshing:
    """A refresh that is ours, as it was read: of this profile from this source (empty: from any)."""

    profile_guid: str
    source_guid: str
    version: int
    begun: int | None
    reached: str
    cost_ms: int
    """What it took since `begun`; what it took the last time, if it is not begun."""
    taken_until: Timestamp

    @property
    def began_at(self) -> int:
        """The version at which the computation began that this goes on with."""
        return self.version if self.begun is None else self.begun

    @property
    def spent_ms(self) -> int:
        """What the computation took so far."""
        return 0 if self.begun is None else self.cost_ms


class PropertyStore:
    """Safe in any number of workers at once: of two computations of a value the one counts that began later."""

    def __init__(self, identity: IdentityStore) -> None:
        self.identity = identity
        self.dialect = identity.dialect

    def rules(self, kind: type[R], source_guids: Iterable[str] | None = None) -> list[R]:
        """The rules of that kind, all or those of these sources, in order of their guids."""
        condition = sa.true() if source_guids is None else among(self.dialect, rules_table.c.source_guid, source_guids)
        with self.identity.reading() as connection:
            return self._rules(connection, kind, condition)

    def sources(self) -> list[str]:
        """The sources of events that have rules."""
        with self.identity.reading() as connection:
            of_events = sa.select(rules_table.c.source_guid).join(sources, _is_of(EventRule)).distinct()
            return sorted(connection.scalars(of_events))

    def take(self, limit: int) -> list[Refreshing]:
        """Up to `limit` refreshes that are due, the oldest first, for LEASE_S."""
        is_free = sa.or_(refreshes.c.taken_until.is_(None), refreshes.c.taken_until < now())
        columns = [refreshes.c[name] for name in Refreshing.__dataclass_fields__ if name != "taken_until"]
        due = sa.select(*columns).where(refreshes.c.due_at <= now(), refreshes.c.version > 0, is_free)
        chosen = due.order_by(refreshes.c.due_at).limit(limit)
        until = after(LEASE_S)

        def take(connection: sa.Connection) -> list[Refreshing]:
            found = change(connection, refreshes, chosen, lambda _: {"taken_until": until}, columns, skip_locked=True)
            return [Refreshing(**row._asdict(), taken_until=until) for row in found]

        return self.identity.transact(take)

    def spread(self, taken: Sequence[Refreshing], source_guids: Sequence[str]) -> None:
        """Instead of these refreshes from any source, let there be one of each profile from each of these sources."""
        stale = [(one.profile_guid, source) for one in taken for source in source_guids]

        def spread(connection: sa.Connection) -> None:
            mark(connection, stale, now())
            _finish(connection, taken, {})

        self.identity.transact(spread)

    def clock(self) -> Timestamp:
        """The database's time: by it is told which of two computations began later, for workers' clocks differ."""
        with self.identity.reading() as connection:
            return str(connection.scalar(sa.select(canonical_moment(moment_now()))))

    def finish(self, taken: Sequence[Refreshing], waits: Mapping[str, Wait]) -> None:
        """These are done as of the version at which they began; the profiles of `waits` cost so much that they wait."""
        self.identity.transact(lambda connection: _finish(connection, taken, waits))

    def pause(
        self, taken: Sequence[Refreshing], reached: str, costs_ms: Mapping[str, int], is_whole: bool = True
    ) -> None:
        """Of these the rules up to `reached` are computed, but for one unless `is_whole`: then they all come once more.
        Somebody goes on with them soon."""
        self.identity.transact(lambda connection: _pause(connection, taken, reached, costs_ms, is_whole))

    def release(self, taken: Sequence[Refreshing]) -> None:
        """These wait as they did before."""
        if taken:
            free = sa.update(refreshes).values(taken_until=None)
            self.identity.transact(lambda connection: connection.execute(free.where(_is_one_of(connection, taken))))

    def write(self, computed: Sequence[Computed]) -> None:
        """Write what was computed (`values.write_values`)."""
        self.identity.transact(lambda connection: write_values(connection, computed))

    def homes(self, limit: int, behind: str, kind: type[Rule] = EventRule) -> list[str]:
        """Up to `limit` profiles of which a rule of that kind may say something (a column: of people), in order of guids."""
        chosen = sa.select(identifiers.c.home).where(identifiers.c.home > behind)
        if kind is ColumnRule:
            chosen = chosen.where(identifiers.c.kind == "user")
        with self.identity.reading() as connection:
            return list(connection.scalars(chosen.order_by(identifiers.c.home).limit(limit)))

    def next_backfill(self, kind: type[R], source_guid: str | None = None) -> tuple[R, str] | None:
        """A rule of that kind (and source) that is not computed for all profiles yet, and the last one it was computed for."""
        with self.identity.reading() as connection:
            chosen = sa.select(rules_table.c.guid, rules_table.c.backfilled_to).join(sources, _is_of(kind))
            chosen = chosen.where(rules_table.c.backfilled_at.is_(None))
            if source_guid is not None:
                chosen = chosen.where(rules_table.c.source_guid == source_guid)
            row = connection.execute(chosen.order_by(rules_table.c.updated_at, rules_table.c.guid).limit(1)).first()
            found = self._rules(connection, kind, rules_table.c.guid == row.guid) if row else []
            return (found[0], row.backfilled_to) if row and found else None

    def note_backfill(self, rule: Rule, behind: str, profiles: Sequence[str], is_done: bool) -> None:
        """The rule is computed for these profiles, the next ones behind `behind`; with `is_done` they were the last.

        Who comes second with them changes nothing: they are counted once, and nobody is sent back.
        """
        is_next = sa.and_(rules_table.c.backfilled_to == behind, rules_table.c.backfilled_at.is_(None))
        here = sa.and_(rules_table.c.guid == rule.guid, rules_table.c.version == rule.version, is_next)
        changes: dict[str, Any] = {"backfilled_profiles": rules_table.c.backfilled_profiles + len(profiles)}
        changes |= {"backfilled_to": profiles[-1]} if profiles else {}
        changes |= {"backfilled_at": now()} if is_done else {}
        self.identity.transact(lambda connection: connection.execute(sa.update(rules_table).where(here).values(changes)))

    def note_sweep(self, rule: EventRule, until: Timestamp) -> None:
        """Whose events left the rule's window before `until` are marked."""
        here = sa.and_(rules_table.c.guid == rule.guid, rules_table.c.version == rule.version)
        swept = sa.update(rules_table).where(here).values(swept_to=until)
        self.identity.transact(lambda connection: connection.execute(swept))

    def mark(self, source_guid: str, profiles: Iterable[str]) -> None:
        """Note that what these profiles have from the source is to be computed again, now."""
        stale = [(guid, source_guid) for guid in profiles]
        self.identity.transact(lambda connection: mark(connection, stale, now()))

    def clear_orphans(self, limit: int) -> int:
        """Delete up to `limit` values of rules that are no more, and refreshes that wait for nothing; return how many."""
        return self.identity.transact(lambda connection: _clear_orphans(connection, limit))

    def _rules(self, connection: sa.Connection, kind: type[R], condition: sa.ColumnElement[bool]) -> list[R]:
        statement = sa.select(PropertyRule, Source).join(Source, _is_of(kind)).where(condition).order_by(rules_table.c.guid)
        with sa.orm.Session(connection) as session:
            found = [rule_of(row, source) for row, source in session.execute(statement)]
        return [rule for rule in found if isinstance(rule, kind)]


def _is_of(kind: type[Rule]) -> sa.ColumnElement[bool]:
    """Whether a source is a rule's, and the rule of that kind."""
    is_of_events = sources.c.event_type.is_not(None)
    return sa.and_(sources.c.guid == rules_table.c.source_guid, is_of_events if kind is EventRule else sa.not_(is_of_events))


def _finish(connection: sa.Connection, taken: Sequence[Refreshing], waits: Mapping[str, Wait]) -> None:
    again = {"taken_until": None, "begun": None, "reached": ""}
    done = [one for one in taken if one.profile_guid not in waits]
    if done:
        connection.execute(sa.delete(refreshes).where(_is_one_of(connection, done, is_unchanged=True)))
        connection.execute(sa.update(refreshes).where(_is_one_of(connection, done)).values(again | {"cost_ms": 0}))
    for one in taken:
        if one.profile_guid in waits:
            cost_ms, due_at = waits[one.profile_guid]
            version = sa.case((refreshes.c.version == one.began_at, 0), else_=refreshes.c.version)
            values = again | {"version": version, "cost_ms": cost_ms, "due_at": due_at}
            connection.execute(sa.update(refreshes).where(_is_one_of(connection, [one])).values(values))


def _pause(
    connection: sa.Connection, taken: Sequence[Refreshing], reached: str, costs_ms: Mapping[str, int], is_whole: bool
) -> None:
    alike: dict[tuple[int, int], list[Refreshing]] = {}
    for one in taken:
        alike.setdefault((one.began_at, one.spent_ms + costs_ms.get(one.profile_guid, 0)), []).append(one)
    for (began_at, cost_ms), some in alike.items():
        values: dict[str, Any] = {"taken_until": None, "begun": began_at, "reached": reached, "cost_ms": cost_ms}
        values |= {} if is_whole else {"version": refreshes.c.version + 1}
        connection.execute(sa.update(refreshes).where(_is_one_of(connection, some)).values(values))


def _is_one_of(connection: sa.Connection, some: Sequence[Refreshing], is_unchanged: bool = False) -> sa.ColumnElement[bool]:
    """Of those that were taken at once, those that are ours still: who slept longer than the lease may not touch what is
    another's, or waits anew, by now."""
    names = ["profile_guid", "source_guid", *(["version"] if is_unchanged else [])]
    records = sorted((one.profile_guid, one.source_guid, str(one.began_at))[: len(names)] for one in some)
    one = rows(connection.dialect.name, "one", names, records)
    same = [refreshes.c[name] == one.c[name] for name in names[:2]]
    if is_unchanged:
        same.append(refreshes.c.version == sa.cast(one.c.version, sa.Integer))
    theirs = among(connection.dialect.name, refreshes.c.profile_guid, {one.profile_guid for one in some})
    return sa.and_(theirs, refreshes.c.taken_until == some[0].taken_until, sa.exists().where(*same))


def _clear_orphans(connection: sa.Connection, limit: int) -> int:
    over = sa.and_(refreshes.c.version == 0, refreshes.c.due_at <= now())
    connection.execute(sa.delete(refreshes).where(over))
    with_values = set(distinct(connection, properties.c.rule_guid))
    known = set(connection.scalars(sa.select(rules_table.c.guid)))  # last: a rule that is made meanwhile may have values
    for orphan in with_values - known:
        theirs = properties.c.rule_guid == orphan
        some = list(connection.scalars(sa.select(properties.c.profile_guid).where(theirs).limit(limit)))
        among_them = among(connection.dialect.name, properties.c.profile_guid, some)
        connection.execute(sa.delete(properties).where(theirs, among_them))
        return len(some)
    return 0
