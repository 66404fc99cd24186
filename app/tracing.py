"""Tracing: spans of requests, jobs and batches go to OpenTelemetry, if OTEL_EXPORTER_OTLP_ENDPOINT names a collector."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVICE = "grouparoo-events"
SERVER_ERROR = 500

_started: list[Any] = []
"""The tracer of this process, if there is one."""


def start(settings: Settings) -> bool:
    """Send spans from here on; whether there is anybody to send them to. If not, nothing is imported.

    The SDK reads the standard's other variables by itself: headers, time-outs, sampling.
    """
    if settings.otel_exporter_otlp_endpoint and not _started:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE)}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _started.append(provider.get_tracer(SERVICE))
    return bool(_started)


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """What is done meanwhile; of an error only that there was one, for its words may quote what it failed on."""
    if not _started:
        yield
        return
    with _started[0].start_as_current_span(name, attributes=attributes, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException:
            _mark_failed()
            raise


class Traced:
    """A WSGI application, each request of which is a span, within the trace that the client names (W3C Trace Context)."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the request."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {"traceparent": environ.get("HTTP_TRACEPARENT", ""), "tracestate": environ.get("HTTP_TRACESTATE", "")}
        options = {"context": extract(headers), "kind": SpanKind.SERVER, "record_exception": False}
        with _started[0].start_as_current_span("request", **options, set_status_on_exception=False) as current:

            def start(status: str, *arguments: Any) -> Any:
                rule = environ["werkzeug.request"].url_rule
                route = rule.rule if rule else "unmatched"
                current.update_name(f"{environ['REQUEST_METHOD']} {route}")
                current.set_attribute("http.request.method", environ["REQUEST_METHOD"])
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", int(status[:3]))
                if int(status[:3]) >= SERVER_ERROR:
                    _mark_failed()
                return start_response(status, *arguments)

            return self._application(environ, start)


def _mark_failed() -> None:
    from opentelemetry.trace import StatusCode, get_current_span

    get_current_span().set_status(StatusCode.ERROR)
