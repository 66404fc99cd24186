"""The visitor whose story each SDK tells, as the test made them, and what the teller hands back."""

import json
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any


class Visitor:
    """Ids, the purchase, where to tell it all; `given_up` has the steps that the SDK says it gave up."""

    def __init__(self) -> None:
        said = json.loads(sys.argv[1])
        self.url: str = said["url"]
        self.key: str = said["key"]
        self.user_id: str = said["userId"]
        self.anonymous_id: str = said["anonymousId"]
        self.traits: dict[str, Any] = {"step": "sign-in", **said["traits"]}
        self.order: dict[str, Any] = {"step": "purchase", **said["order"]}
        self.bought_at = datetime.fromisoformat(said["boughtAt"])
        self.bought_ms = round(self.bought_at.timestamp() * 1000)
        self.given_up: list[str] = []
        self._arrived = threading.Semaphore(0)

    def attempt(self, step: str, tell: Callable[[], object]) -> None:
        """For SDKs that raise in the app's own thread."""
        try:
            tell()
        except Exception:
            self.given_up.append(step)

    def arrived(self) -> None:
        """An SDK's callback says that it is done with an event, one way or another."""
        self._arrived.release()

    def wait_for(self, step: str, timeout_s: float = 60) -> None:
        """Until it is done with one more; what it never tells of again counts as given up."""
        if not self._arrived.acquire(timeout=timeout_s):
            self.given_up.append(step)

    def end(self) -> None:
        """Hand back what a test can't know."""
        print(json.dumps({"anonymousId": self.anonymous_id, "givenUp": self.given_up}))
