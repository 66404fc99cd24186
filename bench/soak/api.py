"""Api: one client's way to the web process, which counts what it is told."""

import time
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import NewConnectionError

from bench.soak.journal import Journal

TIMEOUT_S = (2, 10)


class Answer(NamedTuple):
    """`status` is 0 where none came. `is_certain`: it says for sure whether the request was carried out."""

    status: int
    body: Any
    is_certain: bool


class Api:
    """Not for two threads at once."""

    def __init__(self, url: str, key: str, journal: Journal) -> None:
        self.url = url
        self.journal = journal
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask once."""
        try:
            response = self.session.request(method, self.url + path, json=body, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            return self._unanswered(error)
        self.journal.answers[str(response.status_code)] += 1
        if response.ok:
            self.journal.accepted_at.append(time.time())
        elif response.status_code not in (400, 404, 409, 503):
            self.journal.wrong.append(f"{method} {path} was answered {response.status_code}: {response.text[:500]}")
        return Answer(response.status_code, response.json(), response.status_code < 500)

    def _unanswered(self, error: requests.RequestException) -> Answer:
        """Where no connection was made, nothing can have been done."""
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        is_certain = isinstance(reason, NewConnectionError) or isinstance(error, requests.ConnectTimeout)
        self.journal.answers["no connection" if is_certain else "lost"] += 1
        return Answer(0, None, is_certain)
