"""Transport: one POST to the service. Of the standard library: whatever versions an app has of other people's, it starts.

A connection a batch: that is one a second or so. None is held that could go stale, or be shared by forked processes.
"""

import codecs
import gzip
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from grouparoo.event import Message, now_iso
from grouparoo.version import USER_AGENT

LONGEST_WAIT_S = 86_400.0

# Every connection asks for this codec, which is imported when it is first asked for. Were that in our thread, and the process
# forked meanwhile, the child would wait for the import's lock for ever (seen with Python 3.13).
codecs.lookup("idna")


class Answer(NamedTuple):
    """What the service said: its JSON is None if it was none. Status 0: nothing was heard, for the reason in `body`."""

    status: int
    body: Any = None
    retry_after_s: float = 0.0


class Transport:
    """Knows where the service is, and the key. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured."""

    def __init__(self, endpoint: str, api_key: str, timeout_s: float, compress: bool) -> None:
        self._url = endpoint.rstrip("/") + "/api/v1/batch"
        self._timeout_s = timeout_s
        self._compress = compress
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **({"Content-Encoding": "gzip"} if compress else {}),
        }
        https = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(https, _NoRedirects)

    def post(self, messages: Sequence[Message]) -> Answer:
        """Send a batch, with the time of this very attempt, by which the service corrects our clock. Raises nothing."""
        body = b'{"sentAt":"%b","events":[%b]}' % (now_iso().encode(), b",".join(message.payload for message in messages))
        request = urllib.request.Request(self._url, gzip.compress(body) if self._compress else body, self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return _answer(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error)
        except Exception as error:  # no line, no certificate, a proxy that is none: another attempt may find it mended
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            return Answer(0, f"no answer ({type(reason).__name__})")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Followed, a POST would become a GET, and the key go to wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _answer(status: int, response: Any) -> Answer:
    try:
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"half an answer ({type(error).__name__})")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    return Answer(status, body, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float:
    """Retry-After (RFC 9110): seconds or a date; 0 for what is neither."""
    if text is None:
        return 0.0
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    # Not by astimezone: the last hours of 9999 may be in a year of UTC that Python doesn't have.
    wait_s = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)
