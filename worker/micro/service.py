"""Service: the app with everything that it needs, in this process and its memory."""

import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from app import create_app
from app.answers import ApiError
from app.config import Settings
from app.ingest.acceptance import Rejected
from app.keys import PERMISSIONS, hash_key
from app.models import ApiKey, db
from app.services import services
from backends.event import new_guid, now
from backends.memory import MemoryBackend
from worker.micro.journal import Bad, Journal, NotingAcceptor, Refused, Source
from worker.micro.micro import Micro
from worker.micro.routes import routes
from worker.micro.stream import LocalStream
from worker.micro.worker import LocalWorker
from worker.micro.writable import writable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ELSEWHERE = (
    *("DATABASE_URL", "REDIS_URL", "EVENT_BACKEND_URL", "INGEST_ONLY", "DURABLE_ACK", "RETENTION_DAYS"),
    *("SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT"),
)
"""Settings of what is not here. All others are honoured: what they have accepted elsewhere is accepted here."""

NOWHERE = "redis://127.0.0.1:0/0"
"""Should anything ask for Redis, none shall be found, not one of somebody's own either."""

WITHOUT_REDIS = ("metrics.show", "api.status.show")
"""The routes that tell of Redis and of worker processes."""

UNJUDGED = ("health", "metrics", "api", "openapi", "clients", "micro")
"""The blueprints that take no events: what they refuse was not sent by an SDK."""


def make_micro(environ: Mapping[str, str], key: str) -> Micro:
    """The service with one API key, which may do everything. Raises InvalidSettings."""
    database = f"file:/{uuid.uuid4().hex}?vfs=memdb"
    keeper = sqlite3.connect(database, uri=True, check_same_thread=False)
    app = create_app(_settings(environ, f"sqlite:///{database}&uri=true"))
    with app.app_context():
        micro = _install(app, keeper)
        db.create_all()
        _add_key(key)
    return micro


def _settings(environ: Mapping[str, str], database_url: str) -> Settings:
    given = {name: value for name, value in environ.items() if name not in ELSEWHERE}
    stores = {"DATABASE_URL": database_url, "EVENT_BACKEND_URL": "memory:", "REDIS_URL": NOWHERE}
    return Settings.from_environ({"LOG_LEVEL": "WARNING", **given, **stores})


def _install(app: Flask, keeper: sqlite3.Connection) -> Micro:
    """Put our parts where the others were."""
    shared, journal = services(), Journal()
    assert isinstance(shared.backend, MemoryBackend)
    worker = LocalWorker(shared.identity, shared.backend, shared.settings)
    stream = LocalStream(worker, journal)
    micro = Micro(app, journal, worker, stream, shared.backend, keeper)
    replace(shared, stream=stream).register(app)
    app.extensions["acceptor"] = NotingAcceptor(shared.settings, journal, partial(_note_rejection, journal))
    app.extensions["micro"] = micro
    app.register_blueprint(routes)
    app.after_request(partial(_note_refusal, journal))
    app.view_functions["health.ready"] = app.view_functions["health.live"]
    app.view_functions.update(dict.fromkeys(WITHOUT_REDIS, _answer_absent))
    app.wsgi_app = _CaughtUp(app.wsgi_app, worker)  # type: ignore[method-assign]
    return micro


def _add_key(key: str) -> None:
    moment = now()
    row = ApiKey(guid=new_guid("key"), name="micro", key_hash=hash_key(key), permissions=list(PERMISSIONS))
    row.origins, row.created_at, row.updated_at = [], moment, moment
    db.session.add(row)
    db.session.commit()


def _note_rejection(journal: Journal, raw: Any, rejected: Rejected) -> None:
    g.is_noted = True
    journal.reject(Bad(_source(), writable(raw), rejected.reason, rejected.details))


def _note_refusal(journal: Journal, response: Response) -> Response:
    """A request that was refused as a whole; not one of which each event is noted already."""
    is_told = response.status_code == 400 and g.get("is_noted", False)
    if response.status_code >= 400 and not is_told and _may_bring_events():
        answer = response.get_json(silent=True)
        journal.refuse(Refused(_source(), response.status_code, answer))
    return response


def _may_bring_events() -> bool:
    """Whether an SDK may have sent the request, with events: one to a path that is nobody's, too."""
    if request.blueprint is None:
        return request.method == "POST"
    return request.blueprint.partition(".")[0] not in UNJUDGED


def _source() -> Source:
    return Source(request.method, request.path)


def _answer_absent() -> Response:
    raise ApiError("not_found", 404, "there is no Redis and no worker process here: see /micro/all")


class _CaughtUp:
    """A WSGI application whose answers go out when the jobs that they tell of are done."""

    def __init__(self, application: "WSGIApplication", worker: LocalWorker) -> None:
        self._application = application
        self._worker = worker

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the request."""
        answer = self._application(environ, start_response)
        self._worker.catch_up()
        return answer
