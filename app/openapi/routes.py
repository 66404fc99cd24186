"""GET /api/v1/openapi.json, and /api/v1/docs: a page that shows it."""

from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, send_from_directory

from app.answers import answer

blueprint = Blueprint("openapi", __name__, url_prefix="/api/v1")

STATIC = Path(__file__).parent / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and nothing that stands in the page itself: what events say could never run here."""


@blueprint.get("/openapi.json")
def document() -> Response:
    """This document."""
    return answer(read_document(current_app))


@blueprint.get("/docs")
def page() -> Response:
    """A page that shows this document."""
    response = send_from_directory(STATIC, "index.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/docs/<name>")
def asset(name: str) -> Response:
    """A file of that page."""
    return send_from_directory(STATIC, name)


def read_document(app: Flask) -> object:
    """The document; made when it is first asked for."""
    if "openapi" not in app.extensions:
        from app.openapi.document import make_document  # what it needs is for nobody else

        app.extensions["openapi"] = make_document(app)
    return app.extensions["openapi"]
