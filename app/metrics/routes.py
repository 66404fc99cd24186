"""GET /metrics: for Prometheus, in its text format or as OpenMetrics, whichever it asks for."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Flask, Response, current_app, request

from app.auth import requires
from app.metrics.web import Lazy, Measured, WebMetrics
from app.services import services

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

blueprint = Blueprint("metrics", __name__)


def register(app: Flask) -> None:
    """Measure every request of the app from here on, and show what was measured."""
    lazy = Lazy()
    app.extensions["metrics"] = lazy
    app.wsgi_app = Measured(app.wsgi_app, lazy)  # type: ignore[method-assign]
    app.register_blueprint(blueprint)


def web_metrics() -> WebMetrics:
    """The counts of this process."""
    return cast(Lazy, current_app.extensions["metrics"]).get()


@blueprint.get("/metrics")
def show() -> Response:
    """All metrics. Prometheus sends the key as `authorization: credentials`."""
    return _answer() if services().settings.metrics_public else _guarded()


@requires("status:read")
def _guarded() -> Response:
    return _answer()


def _answer() -> Response:
    from prometheus_client.exposition import choose_encoder

    from app.metrics.serving import ServingCollector
    from app.metrics.stores import StoreCollector

    parts = [web_metrics().registry(), ServingCollector(), StoreCollector(services())]
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(_Together(parts)), content_type=content_type)


class _Together:
    """Several collectors as one."""

    def __init__(self, parts: Sequence["Collector"]) -> None:
        self._parts = parts

    def collect(self) -> Iterator["Metric"]:
        for part in self._parts:
            yield from part.collect()
