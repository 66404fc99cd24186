"""create_app: the composition root."""

import logging
import os
import sys

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api, cli, health, logs, reporting, tracing
from app.answers import forbid_sniffing, register_errors
from app.auth import KeyCache, NoSessions, load_key
from app.clients import routes as clients
from app.config import ROOT, InvalidSettings, Settings
from app.connections import request_client
from app.ingest import calls
from app.ingest import routes as ingest
from app.ingest.acceptance import Acceptor
from app.metrics import routes as metrics
from app.models import db
from app.openapi import routes as openapi
from app.services import Services
from app.stream import EventStream
from backends.errors import BackendError
from backends.registry import open_backend
from backends.sql.engine import database_url, engine_options

log = logging.getLogger(__name__)

BOOT_ERROR = 3
"""gunicorn gives up when a worker ends so (its arbiter's WORKER_BOOT_ERROR), and does not start it again and again."""


def create_app(settings: Settings | None = None) -> Flask:
    """The Flask app with everything that its settings ask for, by default those of the environment; connects to nothing yet.

    An environment that can't be understood ends the process, with one line on stderr and BOOT_ERROR.
    """
    if settings is None:
        try:
            return create_app(Settings.from_environ(os.environ))
        except (InvalidSettings, BackendError) as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(BOOT_ERROR)
    logs.configure(settings.log_level, settings.log_format)
    reporting.start(settings)
    if "DYNO" in os.environ and database_url(settings.database_url).get_backend_name() == "sqlite":
        log.warning("SQLite on a Heroku dyno: its disk, and all that is stored, goes with the next restart; set DATABASE_URL")
    app = Flask(__name__, static_folder=None)
    url = database_url(settings.database_url)
    app.config["SECRET_KEY"] = settings.secret_key
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url)
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    stream = EventStream(request_client(settings), settings.buffer_max_bytes, settings.durable_ack)
    Services(settings, stream.client, stream, open_backend(settings.backend_url)).register(app)
    app.extensions["key_cache"] = KeyCache(load_key)
    app.extensions["acceptor"] = Acceptor(settings)
    app.session_interface = NoSessions()
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies)  # type: ignore[method-assign]
    register_errors(app)
    app.after_request(forbid_sniffing)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(ingest.blueprint)
    calls.register(app, settings)
    app.register_blueprint(clients.blueprint)
    metrics.register(app)
    if tracing.start(settings):
        app.wsgi_app = tracing.Traced(app.wsgi_app)  # type: ignore[method-assign]
    if not settings.ingest_only:
        app.register_blueprint(api.blueprint)
        app.register_blueprint(openapi.blueprint)
    cli.register(app)
    return app
