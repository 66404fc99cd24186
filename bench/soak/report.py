"""Report: what was done to the system, what its clients saw, and what is wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench.soak.faults import KILL, PAUSE, RESTART
from bench.soak.journal import ACCEPTED, Journal, messages
from bench.soak.watch import Growth, Kept

MAX_GROWTH_MB = 50


@dataclass
class Report:
    """Filled while the soak goes on."""

    seed: int
    minutes: float
    database: str
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
    journals: Sequence[Journal] = ()
    stored: int = 0
    drained_s: float = 0.0
    growths: Sequence[Growth] = ()
    kept_before: Kept | None = None
    kept_after: Kept | None = None
    wrong: list[str] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print the tables, then whatever is wrong."""
        console.print(self._faults(), self._figures(), self._memory(), sep="\n")
        for line in self.wrong:
            console.print(f"WRONG: {line}", style="red", markup=False, soft_wrap=True)
        verdict = f"{len(self.wrong)} wrong" if self.wrong else "nothing is wrong"
        console.print(f"{verdict}; again: python -m bench.soak --minutes {self.minutes:g} --seed {self.seed}")

    def longest_outage_s(self) -> float:
        """The longest time in which no client got a 2xx."""
        moments = sorted(moment for journal in self.journals for moment in journal.accepted_at)
        return max((later - earlier for earlier, later in zip(moments, moments[1:], strict=False)), default=0.0)

    def _faults(self) -> Table:
        table = Table("part", KILL, RESTART, PAUSE, title=f"{self.minutes:g} min on {self.database}, seed {self.seed}")
        for part in sorted({part for part, _ in self.faults}):
            table.add_row(part, *(str(self.faults.get((part, kind), 0)) for kind in (KILL, RESTART, PAUSE)))
        return table

    def _figures(self) -> Table:
        table = Table("events", "", show_header=True)
        sent = [message for journal in self.journals for _, message in messages(journal.households)]
        fates = Counter(message.fate for message in sent)
        answers: Counter[str] = sum((journal.answers for journal in self.journals), Counter())
        decisions: Counter[str] = sum((journal.decisions for journal in self.journals), Counter())
        table.add_row("sent, accepted", f"{len(sent)}, {fates[ACCEPTED]}")
        table.add_row("of them by SQL", str(sum(message.is_sql for message in sent)))
        table.add_row("of unknown fate, without a messageId", str(sum(one.is_lost and one.fate != ACCEPTED for one in sent)))
        table.add_row("stored; deleted with their person", f"{self.stored}; {sum(one.is_doomed for one in sent)}")
        table.add_row("sent again for want of an answer", str(sum(journal.retries for journal in self.journals)))
        table.add_row("answers", _counted(answers))
        table.add_row("decisions", _counted(decisions))
        table.add_row("longest outage seen by clients", f"{self.longest_outage_s():.1f} s")
        table.add_row("time to drain afterwards", f"{self.drained_s:.1f} s")
        for name, kept in (("before", self.kept_before), ("after", self.kept_after)):
            if kept:
                what = f"{kept.used_bytes:,} bytes, {kept.consumers} consumers, {_counted(kept.keys)}"
                table.add_row(f"Redis {name}", what)
        return table

    def _memory(self) -> Table:
        table = Table("longest-lived", "age", "first quarter", "last quarter", "grown", title="memory")
        for one in self.growths:
            grown = f"{one.last_mb - one.first_mb:+.1f} MB"
            table.add_row(one.role, f"{one.age_s:.0f} s", f"{one.first_mb:.1f} MB", f"{one.last_mb:.1f} MB", grown)
        return table


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
