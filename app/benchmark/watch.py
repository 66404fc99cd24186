"""Watch: how long it takes until all that was accepted is stored, and is somebody's."""

import time
from collections.abc import Callable
from urllib.parse import urlencode

import orjson
import urllib3

from app.benchmark.load import TIMEOUT_S, CannotLoad

INTERVAL_S = 0.2


class Watch:
    """Asks the server how many events of a type it has, with a key that may read them."""

    def __init__(self, url: str, key: str, type: str) -> None:
        self._url = url.rstrip("/") + "/api/v1/events"
        self._type = type
        self._headers = {"Authorization": f"Bearer {key}"}
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S)

    def wait(self, wanted: int, limit_s: float, tell: Callable[[int], None]) -> float | None:
        """Seconds until `wanted` events are associated with profiles; None if after `limit_s` they are not."""
        began = time.perf_counter()
        while (waited := time.perf_counter() - began) < limit_s:
            stored = self._stored()
            tell(stored)
            if stored >= wanted and not self._ask("", associated="false", limit="1")["events"]:
                return waited
            time.sleep(INTERVAL_S)
        return None

    def _stored(self) -> int:
        return sum(interval["count"] for interval in self._ask("/volume", interval="hour")["volume"])

    def _ask(self, path: str, **query: str) -> dict[str, list[dict[str, int]]]:
        url = f"{self._url}{path}?{urlencode({'type': self._type, **query})}"
        try:
            answer = self._pool.request("GET", url, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise CannotLoad(f"{self._url}{path} does not answer ({type(error).__name__})") from None
        if answer.status != 200:
            reason = "take a --read-key that may read events" if answer.status in (401, 403) else "it can't be watched"
            raise CannotLoad(f"{self._url}{path} answers {answer.status}: {reason}")
        told: dict[str, list[dict[str, int]]] = orjson.loads(answer.data)
        return told
