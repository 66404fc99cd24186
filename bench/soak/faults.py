"""Faults: one part at a time, or several at once, is killed, told to stop, or paused, as chance has it."""

import random
import time
from collections import Counter

from bench.soak.system import Part, SoakSystem

KILL, RESTART, PAUSE = "killed", "restarted", "paused"
WEIGHTS = {"web": 1, "web worker": 2, "worker 1": 3, "worker 2": 3, "valkey": 2, "postgresql": 2}
"""How often a part is chosen; 1 for those that are not named."""
PAUSES_S = ((0.2, 5.0), (0.2, 5.0), (5.0, 20.0), (31.0, 45.0))
"""The last is longer than any lease."""
SERVER_PAUSES_S = ((0.2, 3.0), (0.2, 3.0), (3.0, 12.0))
DOWN_S = (0.2, 5.0)


class Faults:
    """`tick` does what is due; what was done is counted by part and kind."""

    def __init__(self, system: SoakSystem, chance: random.Random, mean_s: float, spare: bool) -> None:
        self.chance = chance
        self.mean_s = mean_s
        self.parts: list[Part] = [*system.processes, *system.servers, system.web_worker]
        self.spared = {"web", "web worker", "worker 1"} if spare else set()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.log: list[str] = []
        self._began = time.monotonic()
        self._mend_at: dict[str, tuple[float, Part]] = {}
        self._next_at = self._began + 2

    def tick(self) -> None:
        """Mend what was hurt for long enough; hurt something if it is time to."""
        now = time.monotonic()
        for name, (at, part) in list(self._mend_at.items()):
            if now >= at:
                del self._mend_at[name]
                part.mend()
        if now >= self._next_at:
            self._next_at = now + self.chance.uniform(0, 2 * self.mean_s)
            self._strike()

    def end(self) -> None:
        """No more of it."""
        for _, part in self._mend_at.values():
            part.mend()
        self._mend_at = {}

    def _strike(self) -> None:
        whole = [part for part in self.parts if part.name not in self._mend_at]
        part = self.chance.choices(whole, [WEIGHTS.get(part.name, 1) for part in whole])[0]
        is_server = part.name in ("valkey", "postgresql")
        kind = self.chance.choice([KILL, RESTART, PAUSE])
        if part.name in self.spared:
            kind = PAUSE
        lengths = (DOWN_S,) if kind != PAUSE else SERVER_PAUSES_S if is_server else PAUSES_S
        length_s = self.chance.uniform(*self.chance.choice(lengths))
        self.counts[part.name, kind] += 1
        self.log.append(f"{time.monotonic() - self._began:7.1f} s  {part.name} {kind}, for {length_s:.1f} s if it stays away")
        {KILL: part.kill, RESTART: part.restart, PAUSE: part.pause}[kind]()
        if is_server or kind == PAUSE:
            self._mend_at[part.name] = (time.monotonic() + length_s, part)
