"""Seen: a request as the proxy saw it, and which steps of the story it tells."""

import base64
import binascii
import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_plus

from tests.sdks.faults import Fault

MARK = re.compile(r"(?:step|page|type)[^a-z]{1,6}(home|pricing|sign-in|people|alias|purchase|thanks)\b")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_URL_SAFE = set("-_")


@dataclass
class Seen:
    """One request, for the check, and to look at when it fails."""

    method: str
    path: str
    body: bytes
    fault: Fault
    steps: set[str]
    status: int | None = None
    answer: bytes = b""

    def was_taken(self) -> bool:
        """Whether the service has it."""
        return self.status is not None and 200 <= self.status < 300

    def was_answered_well(self) -> bool:
        """Whether its SDK knows that."""
        return self.was_taken() and self.fault is Fault.NONE

    def was_refused(self) -> bool:
        """Whether the service does not want it, now or later."""
        return self.status is not None and 400 <= self.status < 500

    def __str__(self) -> str:
        shown = readable(self.body)[:2000].encode("unicode_escape").decode()
        answer = f" {self.answer[:500]!r}" if self.was_refused() else ""
        told = " ".join(sorted(self.steps))
        return f"{self.method} {self.path[:300]} [{self.fault.name} {self.status}{answer}] ({told}) {shown}"


def marks(path: str, body: bytes) -> set[str]:
    """The steps of the story that a request tells, whatever it is packed in."""
    return {str(step) for text in (path, readable(body)) for layer in _layers(text, 2) for step in MARK.findall(layer)}


def readable(body: bytes) -> str:
    """A body as text, unzipped."""
    if body.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError):
            body = gzip.decompress(body)
    return body.decode(errors="replace")


def _layers(text: str, depth: int) -> Iterator[str]:
    """The text, and what it holds in Base64."""
    plain = unquote_plus(text)
    yield plain
    for packed in _BASE64.findall(plain.replace(" ", "+")) if depth else ():
        bare = packed.rstrip("=")
        with suppress(binascii.Error, ValueError):
            unpacked = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_" if _URL_SAFE & set(bare) else None)
            yield from _layers(unpacked.decode(errors="replace"), depth - 1)
