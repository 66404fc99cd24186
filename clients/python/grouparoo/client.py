"""Client: what a program calls. No call raises for what it is given; none but `flush` and `shutdown` waits for the network."""

import logging
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from grouparoo import lifetime
from grouparoo.event import Id, InvalidEvent, Message, Moment, make_event, write_event
from grouparoo.outbox import Outbox
from grouparoo.problem import Log, OnError, Problem, events_of
from grouparoo.sender import Sender
from grouparoo.transport import Transport

log = logging.getLogger("grouparoo")

_KEY_FORM = re.compile(r"[A-Za-z0-9_-]+\Z")


class Client:
    """Sends events in the background, in batches; each until the service has it. Safe in threads, and in forked processes."""

    def __init__(
        self,
        api_key: str,
        endpoint: str,
        *,
        on_error: OnError | None = None,
        flush_interval_s: float = 1.0,
        max_queue: int = 10_000,
        timeout_s: float = 15.0,
        gzip: bool = False,
    ) -> None:
        """`endpoint` is the service, like "https://events.example.com". Events are gathered for `flush_interval_s`.

        `max_queue` events wait at the most: what comes then is not taken, and told to `on_error` (by default the logger
        "grouparoo"). `timeout_s` is for one request; `gzip` compresses it. Raises ValueError for what can't work.
        """
        if not _KEY_FORM.match(api_key):
            raise ValueError("api_key can't be one: it has letters, digits, '-' and '_'")
        if not _is_service(endpoint):
            raise ValueError("endpoint is not the URL of a service: it should look like https://events.example.com")
        if flush_interval_s < 0 or max_queue < 1 or timeout_s <= 0:
            raise ValueError("flush_interval_s is 0 or more, max_queue 1 or more, timeout_s more than 0")
        self._on_error = Log() if on_error is None else on_error
        self._outbox = Outbox(max_queue)
        self._sender = Sender(self._outbox, Transport(endpoint, api_key, timeout_s, gzip), flush_interval_s, self._report)
        self._thread: threading.Thread | None = None
        self._reporting = threading.local()
        lifetime.look_after(self)

    def track(
        self,
        type: str,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        data: Mapping[str, object] | None = None,
        occurred_at: Moment | None = None,
        message_id: str | None = None,
    ) -> str | None:
        """Something happened. Returns the event's messageId; None if it was not taken, then `on_error` knows why.

        One of the two ids must be given; both say that they are one person's. `occurred_at` is now unless given: a
        datetime (a naive one is local time), ISO 8601, or seconds or milliseconds since 1970.
        """
        event = make_event(type, user_id, anonymous_id, data, occurred_at, message_id)
        try:
            message = write_event(event)
        except InvalidEvent as error:
            self._report(Problem("invalid_event", str(error), (event,)))
            return None
        return self._put(message)

    def identify(
        self,
        user_id: Id,
        traits: Mapping[str, object] | None = None,
        *,
        anonymous_id: Id | None = None,
        occurred_at: Moment | None = None,
        message_id: str | None = None,
    ) -> str | None:
        """Say who somebody is: an event of type `identify`, whose data are the traits."""
        ids = {"user_id": user_id, "anonymous_id": anonymous_id}
        return self.track("identify", **ids, data=traits, occurred_at=occurred_at, message_id=message_id)

    def page(
        self,
        data: Mapping[str, object] | None = None,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        occurred_at: Moment | None = None,
        message_id: str | None = None,
    ) -> str | None:
        """Somebody looked at a page: an event of type `pageview`."""
        ids = {"user_id": user_id, "anonymous_id": anonymous_id}
        return self.track("pageview", **ids, data=data, occurred_at=occurred_at, message_id=message_id)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Have all that waits sent now; whether none of it waits any more, after `timeout_s` at the latest."""
        return self._outbox.flush(timeout_s)

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Take no more events, and send what waits within `timeout_s`; whether all was sent. Comes by itself at exit.

        Called again it waits for the first call, and says the same.
        """
        if self._outbox.is_closed:
            return self._outbox.flush(timeout_s) and not self._outbox.has_left_some
        self._outbox.close(timeout_s)
        if self._thread and self._thread.is_alive():
            self._thread.join(timeout_s)
        else:
            self._sender.run()
        if left := self._outbox.empty():
            self._report(Problem("unconfirmed", "they were not sent, or not confirmed, in time", events_of(left)))
        return not left

    def __repr__(self) -> str:
        return f"<grouparoo.Client {'closed' if self._outbox.is_closed else 'open'}>"

    def hold(self) -> None:
        """Let nothing change until `release`: this process is about to be forked."""
        self._outbox.changed.acquire()

    def release(self) -> None:
        """Go on."""
        self._outbox.changed.release()

    def begin_anew(self) -> None:
        """In a forked process: no thread came along, and what waits is sent by the parent."""
        self._outbox.forget()
        self._thread = None

    def _put(self, message: Message) -> str | None:
        if self._outbox.put(message):
            self._work()
            return message.id
        reason = "the client is shut down" if self._outbox.is_closed else "too many events wait already"
        self._report(Problem("not_queued", f"{reason}: this one was not taken", events_of([message])))
        return None

    def _work(self) -> None:
        """See that there is a thread: each process begins without."""
        if self._thread is None or not self._thread.is_alive():
            with self._outbox.changed:
                # Not beside a shutdown that sends by itself.
                if not self._outbox.is_closed and (self._thread is None or not self._thread.is_alive()):
                    thread = threading.Thread(target=self._sender.run, name="grouparoo", daemon=True)
                    with suppress(RuntimeError):  # the interpreter is about to end, and starts none: `shutdown` sends
                        thread.start()
                        self._thread = thread

    def _report(self, problem: Problem) -> None:
        if getattr(self._reporting, "is_on", False):  # the handler itself tracks something
            log.warning("%r", problem)
            return
        self._reporting.is_on = True
        try:
            self._on_error(problem)
        except Exception as error:
            log.error("on_error raised %s", type(error).__name__)
        finally:
            self._reporting.is_on = False


def _is_service(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_whole and parts.username is None and not parts.query and not parts.fragment
