"""Faults: what may become of a request on its way, and in which order."""

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum

MOST_IN_A_ROW = 2
"""Several SDKs give up after the third failure or the fourth."""


class Fault(StrEnum):
    """What the proxy does with a request."""

    NONE = "passed on"
    DROPPED = "dropped: the connection is closed, and the service never sees the request"
    LOST = "answer lost: the service has taken it, and the connection is closed"
    BUSY = "answered 503 by the proxy"


EVERY = (Fault.LOST, Fault.LOST, Fault.DROPPED, Fault.BUSY)
EACH = (Fault.LOST, Fault.DROPPED, Fault.BUSY)
LOST = (Fault.LOST, Fault.LOST)
LOST_OR_BUSY = (Fault.LOST, Fault.LOST, Fault.BUSY)


def schedule(faults: Sequence[Fault], dice: random.Random) -> Iterator[Fault]:
    """Each fault, in some order, the first of them at once, with good requests in between; then only good ones."""
    waiting = list(faults)
    dice.shuffle(waiting)
    in_a_row = 0
    for fault in waiting:
        if in_a_row == MOST_IN_A_ROW or (in_a_row and dice.random() < 0.5):
            yield Fault.NONE
            in_a_row = 0
        yield fault
        in_a_row += 1
    while True:
        yield Fault.NONE
