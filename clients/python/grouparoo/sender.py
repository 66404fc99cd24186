"""Sender: takes what waits in the outbox to the service, one batch after the other."""

import random
from collections.abc import Sequence

from grouparoo.event import Message
from grouparoo.fate import Fate, error_of, fate_of, is_refusal, outcomes_of
from grouparoo.outbox import BATCH_EVENTS, Outbox
from grouparoo.problem import OnError, Problem, events_of
from grouparoo.transport import Answer, Transport

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


class Sender:
    """A batch is first in the outbox until its fate is known: it is sent again for as long as that takes."""

    def __init__(self, outbox: Outbox, transport: Transport, interval_s: float, report: OnError) -> None:
        self._outbox = outbox
        self._transport = transport
        self._interval_s = interval_s
        self._report = report
        self._most = BATCH_EVENTS
        self._failures = self._refusals = 0

    def run(self) -> None:
        """Send, until the outbox is closed and empty, or its time is over."""
        while self._outbox.gather(self._interval_s):
            batch = self._outbox.first(self._most)
            answer = self._transport.post(batch)
            fate = fate_of(answer, len(batch), self._refusals)
            if fate is Fate.LATER:
                self._wait(batch, answer)
            elif fate is Fate.SMALLER:
                self._most = (len(batch) + 1) // 2
            else:
                self._failures = self._refusals = 0
                self._most = min(BATCH_EVENTS, 2 * self._most)
                self._outbox.remove(len(batch))
                self._tell(batch, answer, fate)

    def _wait(self, batch: Sequence[Message], answer: Answer) -> None:
        self._report(Problem("unavailable", _words(answer), status=answer.status))
        if answer.status == 0:  # it may be too much for the line, or for somebody who hangs up on what is too large
            self._most = (len(batch) + 1) // 2
        self._failures += 1
        self._refusals = self._refusals + 1 if is_refusal(answer) else 0
        # Full jitter: after an outage not all come back at once.
        pause_s = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, 10)))
        self._outbox.pause(answer.retry_after_s + pause_s, is_asked=answer.retry_after_s > 0)

    def _tell(self, batch: Sequence[Message], answer: Answer, fate: Fate) -> None:
        if fate is Fate.REFUSED:
            code = str(error_of(answer.body).get("code") or "refused")
            self._report(Problem(code, _words(answer), events_of(batch), answer.status))
            return
        for outcome in outcomes_of(answer.body):
            index, error = outcome.get("index"), error_of(outcome)
            concerned = batch[index : index + 1] if isinstance(index, int) else batch
            if error:
                message = str(error.get("message"))
                self._report(Problem(str(error.get("code")), message, events_of(concerned), answer.status))
            if warnings := outcome.get("warnings"):
                self._report(Problem("warning", "; ".join(map(str, warnings)), status=answer.status))


def _words(answer: Answer) -> str:
    if answer.status == 0:
        return str(answer.body)
    return str(error_of(answer.body).get("message") or f"the answer was {answer.status}")
