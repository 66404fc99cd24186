"""Telling: an SDK's story, told by a process of its own through a proxy of its own."""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tests.sdks.catalogue import Sdk
from tests.sdks.proxy import Proxy
from tests.servers import die_with_parent, wait_until

STORIES = Path(__file__).resolve().parent / "stories"
FOLDERS = {"python": "python", "python-old": "python", "node": "node", "browser": "browser"}
BOUGHT_AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
TRAITS = {"plan": "pro", "name": "Zoë 🛒"}
ORDER = {"order": "A-17/2+3", "total": 99.5, "gift": True, "items": ["shirt", "hat"], "for": "Jürgen & Zoë"}
MARKED = {"home", "pricing", "sign-in", "people", "alias", "purchase", "thanks"}
"""The steps that a page's request can be seen to tell. The others go before one of these in the same queue."""

AT_MOST_S = 120
GRACE_S = 1.5
SLOW_ANSWER_S = 0.4


@dataclass
class Telling:
    """A story while it is told, and afterwards."""

    sdk: Sdk
    proxy: Proxy
    key: str
    producer_guid: str
    command: Sequence[str]
    user_id: str
    anonymous_id: str
    given_up: list[str] = field(default_factory=list)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    printed: str = ""

    def run(self) -> None:
        """Tell it all, until the SDK has nothing left to say. Raises AssertionError with the report."""
        with self.proxy, tempfile.TemporaryFile("w+") as errors, self._start(errors) as process:
            watch = threading.Timer(AT_MOST_S, process.kill)
            watch.start()
            try:
                self._follow(process)
                process.communicate()
                assert process.returncode == 0, f"it ended with {process.returncode}"
            except AssertionError as error:
                errors.seek(0)
                self.printed = errors.read()
                raise AssertionError(f"{error}\n{self.report()}") from error
            finally:
                watch.cancel()
                process.kill()
        self.ended_at = datetime.now(UTC)

    def report(self) -> str:
        """What to look at when something is wrong."""
        return "\n".join([self.sdk.name, f"given up: {self.given_up}", self.printed[-3000:], *map(str, self.proxy.seen)])

    def _follow(self, process: subprocess.Popen[str]) -> None:
        """Let a page be left, or stay, when all that it told so far is taken; end it when the rest is."""
        self._hear(process)
        if self.sdk.language != "browser":
            return
        marked = self.sdk.told.keys() & MARKED
        self._wait(process, marked - {"thanks"})
        if self.sdk.leaves:
            self.proxy.calm(SLOW_ANSWER_S)
        assert process.stdin
        process.stdin.write("leave\n" if self.sdk.leaves else "stay\n")
        process.stdin.flush()
        self._hear(process)
        self._wait(process, marked)
        time.sleep(GRACE_S)

    def _wait(self, process: subprocess.Popen[str], steps: set[str]) -> None:
        def is_settled() -> bool:
            assert process.poll() is None, "it ended too early"
            assert not self.proxy.refused(), "the service refused what it told"
            return (self.proxy.are_settled if self.sdk.repeats else self.proxy.are_taken)(steps)

        wait_until(is_settled, AT_MOST_S, f"the end of {sorted(steps)}")

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("{"), f"it said {line!r}"
        said = json.loads(line)
        self.anonymous_id = said.get("anonymousId", self.anonymous_id)
        self.given_up = said.get("givenUp", self.given_up)

    def _start(self, errors: TextIO) -> subprocess.Popen[str]:
        said: dict[str, Any] = {"url": self.proxy.url, "key": self.key, "traits": TRAITS, "order": ORDER}
        said |= {"userId": self.user_id, "anonymousId": self.anonymous_id}
        said |= {"boughtAt": BOUGHT_AT.isoformat(timespec="milliseconds")}
        program, *more = self.command
        teller = [self.sdk.script] if self.sdk.language != "browser" else ["driver.mjs", self.sdk.script]
        script = STORIES / FOLDERS[self.sdk.language] / teller[0]
        return subprocess.Popen(
            [program, str(script), json.dumps(said), *teller[1:], self.sdk.mode, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            preexec_fn=die_with_parent,
        )
