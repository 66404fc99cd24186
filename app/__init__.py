"""create_app: the composition root."""

import os

from flask import Flask
from flask_migrate import Migrate

from app.config import Settings
from app.models import db
from app.services import Services
from app.stream import EventStream, connect
from backends.registry import open_backend
from backends.sql.engine import database_url, engine_options


def create_app(settings: Settings | None = None) -> Flask:
    """The Flask app with everything that its settings ask for; connects to nothing yet."""
    settings = settings or Settings.from_environ(os.environ)
    app = Flask(__name__, static_folder=None)
    url = database_url(settings.database_url)
    app.config["SECRET_KEY"] = settings.secret_key
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url)
    db.init_app(app)
    Migrate(app, db, directory=os.path.join(os.path.dirname(app.root_path), "migrations"))
    client = connect(settings.redis_url)
    stream = EventStream(client, settings.buffer_max_bytes, settings.durable_ack)
    Services(settings, client, stream, open_backend(settings.backend_url)).register(app)
    return app
