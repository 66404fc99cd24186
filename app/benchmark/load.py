"""Load: sends messages from several threads at once, and notes what becomes of each request."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson
import urllib3

from app.benchmark.messages import Route, Visitors

TIMEOUT_S = 30
BUSY = (429, 503)
WAIT_MOST_S = 5.0
FINAL = {
    401: "the key is unknown: give one with --key",
    403: "the key may not send events: give one that may with --key",
    404: "there is no such route: say with --route which one the server speaks",
}
"""What no repetition mends."""


class CannotLoad(Exception):
    """Raised when nothing that is sent can be accepted; the message says what to do."""


@dataclass
class Tally:
    """What happened so far. Latencies are of answered requests, in seconds, from before the send until all is read."""

    accepted: int = 0
    rejected: int = 0
    unanswered: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def latency_ms(self, share: float) -> float:
        """Of so large a share of the requests none took longer."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Load:
    """One run: `events` events, or as many as there is time for in `duration_s`. A busy server is waited for as it asks."""

    def __init__(self, url: str, route: Route, key: str, batch_size: int, concurrency: int) -> None:
        self.url = url.rstrip("/") + route.path
        self.route = route
        self.batch_size = batch_size if route.is_batch else 1
        self.concurrency = concurrency
        self.visitors = Visitors()
        self.tally = Tally()
        self._headers = {"Content-Type": "application/json", **route.headers(key)}
        self._pool = urllib3.PoolManager(maxsize=concurrency, retries=False, timeout=TIMEOUT_S)
        self._lock = threading.Lock()
        self._left = 0
        self._ends_at: float | None = None

    def run(self, events: int, duration_s: float | None, tell: Callable[[Tally], None]) -> Tally:
        """Send it all. Raises CannotLoad."""
        began = time.perf_counter()
        self._left = events
        self._ends_at = began + duration_s if duration_s else None
        with ThreadPoolExecutor(self.concurrency) as threads:
            senders = [threads.submit(self._send_all) for _ in range(self.concurrency)]
            try:
                while not all(sender.done() for sender in senders):
                    tell(self.tally)
                    time.sleep(0.1)
                for sender in senders:
                    sender.result()
            finally:
                self._stop()
                self.tally.seconds = time.perf_counter() - began
        return self.tally

    def _send_all(self) -> None:
        while number := self._take():
            with self._lock:
                messages = [self.visitors.message() for _ in range(number)]
            self._send(orjson.dumps(self.route.body(messages)), number)

    def _take(self) -> int:
        with self._lock:
            if self._is_over():
                return 0
            number = self.batch_size if self._ends_at else min(self.batch_size, self._left)
            self._left -= number
            return number

    def _is_over(self) -> bool:
        return time.perf_counter() >= self._ends_at if self._ends_at else self._left <= 0

    def _stop(self) -> None:
        with self._lock:
            self._left, self._ends_at = 0, None

    def _send(self, body: bytes, number: int) -> None:
        """Send it until it is accepted or refused; it keeps its messageIds, so that nothing is there twice."""
        while True:
            began = time.perf_counter()
            try:
                answer = self._pool.request("POST", self.url, body=body, headers=self._headers)
            except urllib3.exceptions.HTTPError as error:
                return self._note_unanswered(error)
            self._note(answer, number, time.perf_counter() - began)
            if answer.status not in BUSY:
                return
            time.sleep(_wait(answer))
            with self._lock:
                if self._ends_at is not None and self._is_over():
                    return

    def _note(self, answer: urllib3.BaseHTTPResponse, number: int, latency: float) -> None:
        if answer.status in FINAL:
            self._stop()
            raise CannotLoad(f"{self.url} answers {answer.status}: {FINAL[answer.status]}")
        accepted = _accepted(answer, number)
        with self._lock:
            self.tally.answers[answer.status] += 1
            self.tally.latencies.append(latency)
            self.tally.accepted += accepted
            self.tally.rejected += 0 if answer.status in BUSY else number - accepted

    def _note_unanswered(self, error: urllib3.exceptions.HTTPError) -> None:
        with self._lock:
            self.tally.unanswered += 1
            is_dead = not self.tally.answers
        if is_dead:
            self._stop()
            raise CannotLoad(f"{self.url} does not answer ({type(error).__name__}): is it running?") from None


def _accepted(answer: urllib3.BaseHTTPResponse, number: int) -> int:
    """How many of the events were taken: a batch may be taken in part, then its answer says so."""
    if not 200 <= answer.status < 300:
        return 0
    try:
        told = orjson.loads(answer.data)
    except orjson.JSONDecodeError:
        return number
    accepted = told.get("accepted", number) if isinstance(told, dict) else number
    return accepted if isinstance(accepted, int) else number


def _wait(answer: urllib3.BaseHTTPResponse) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(WAIT_MOST_S, float(text)) if text.isdecimal() else 0.5
