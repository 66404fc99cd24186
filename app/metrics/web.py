"""WebMetrics: what a web process counts, and the WSGI layer that measures each request.

prometheus-client is loaded with the first request, so that workers and the command line don't pay for it.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client import CollectorRegistry

ROUTE = "grouparoo.route"
"""In the WSGI environment: the route's template, for whoever logs the request."""

UNMATCHED = "unmatched"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REASONS = ("invalid", "too_large", "not_permitted", "rate_limited", "unavailable")
"""Why an event is rejected: it is no valid event, has too many bytes, or its key may not send it, or not as many; or Redis
is away or full."""

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DIRECTORY, SLOT = "PROMETHEUS_MULTIPROC_DIR", "METRICS_SLOT"
"""Set by app/gunicorn.py: where its workers keep their counts, and which of them this one is."""


class WebMetrics:
    """The counts of this process; under gunicorn in files, which whichever worker is asked adds up."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, values

        self._directory = os.environ.get(DIRECTORY)
        if self._directory:
            # Files by slot, not by pid: a worker goes on where its predecessor ended, and there are never more of them.
            slot = os.environ.get(SLOT, "0")
            values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]  # not annotated
        self._own = CollectorRegistry()
        labels = ["route", "method", "status"]
        text = "Time from a request's arrival to the start of its answer."
        name = "grouparoo_http_request_duration_seconds"
        self._duration = Histogram(name, text, labels, buckets=BUCKETS_S, registry=self._own)
        accepted = Counter("grouparoo_events_accepted", "Events accepted: Redis has them.", registry=self._own)
        rejected = Counter("grouparoo_events_rejected", "Events rejected.", ["reason"], registry=self._own)
        self._accepted = accepted.inc
        self._rejected = {reason: rejected.labels(reason).inc for reason in REASONS}
        self._observe: dict[tuple[str, str, str], Callable[[float], None]] = {}

    def observe(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count a request."""
        key = (route, method, status)
        observe = self._observe.get(key)
        if observe is None:
            observe = self._observe[key] = self._duration.labels(*key).observe
        observe(seconds)

    def accepted(self, events: int) -> None:
        """Count events that Redis has."""
        self._accepted(events)

    def rejected(self, reason: str, events: int = 1) -> None:
        """Count events that were not taken, for one of REASONS."""
        self._rejected[reason](events)

    def registry(self) -> "CollectorRegistry":
        """The counts of all the web processes of this machine's gunicorn, or else of this process."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        if not self._directory:
            return self._own
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._directory)  # type: ignore[no-untyped-call]  # nor is this
        return registry


class Lazy:
    """WebMetrics that are made when they are first needed."""

    def __init__(self) -> None:
        self._made: WebMetrics | None = None

    def get(self) -> WebMetrics:
        """The metrics of this process."""
        if self._made is None:
            self._made = WebMetrics()
        return self._made


class Measured:
    """A WSGI application, each request of which is counted and timed."""

    def __init__(self, application: "WSGIApplication", metrics: Lazy) -> None:
        self._application = application
        self._metrics = metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the request."""
        began = time.perf_counter()

        def start(status: str, *arguments: Any) -> Any:
            # werkzeug leaves the request there, with the route that Flask matched, until it ends.
            rule = environ["werkzeug.request"].url_rule
            route = environ[ROUTE] = rule.rule if rule else UNMATCHED
            method = environ["REQUEST_METHOD"]
            seconds = time.perf_counter() - began
            self._metrics.get().observe(route, method if method in METHODS else "other", status[:3], seconds)
            return start_response(status, *arguments)

        return self._application(environ, start)
