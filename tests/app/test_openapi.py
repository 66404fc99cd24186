"""The OpenAPI document, and the page that shows it."""

import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from jsonschema_rs import ValidationError

from app.openapi.document import METHODS, our_routes
from app.openapi.operations import OPERATIONS
from app.openapi.routes import STATIC, read_document
from tests.app.conformity import check_answer
from tests.app.management import make_reader

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite3"


def routes(app: Flask) -> set[tuple[str, str]]:
    """Every method and path of the app, as documents write them."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in our_routes(app)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_in_the_document_and_no_other(app: Flask) -> None:
    document: Any = read_document(app)
    described = {(one.upper(), path) for path, found in document["paths"].items() for one in found if one.upper() in METHODS}
    assert described == routes(app)
    assert OPERATIONS.keys() == {rule.endpoint for rule in our_routes(app)}


def test_every_route_is_in_the_docs(app: Flask) -> None:
    said = set(re.findall(r"`([A-Z]+) (/[^` ?]*)`", (ROOT / "docs/api.md").read_text()))
    assert said == routes(app)


def test_the_document_is_valid(app: Flask) -> None:
    schemathesis.openapi.from_dict(read_document(app)).validate()  # type: ignore[arg-type]


def test_the_document_needs_no_key(client: FlaskClient) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")


def test_an_answer_that_is_not_as_documented_is_noticed(app: Flask) -> None:
    answer = make_reader(app).get("/events/types")
    answer.set_data(b'{"types": [3]}')
    with pytest.raises(ValidationError):
        check_answer(app, answer)
    answer.status_code = 418
    with pytest.raises(AssertionError):
        check_answer(app, answer)


def test_the_page_takes_nothing_from_elsewhere_and_runs_nothing_of_its_own(client: FlaskClient) -> None:
    answer = client.get("/api/v1/docs", buffered=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert re.findall(r"<script(?! src=\"docs/)|<style|style=|\son\w+=|//", answer.text.replace("<!doctype", "")) == []
    for name in re.findall(r'"docs/([^"]+)"', answer.text):
        asset = client.get(f"/api/v1/docs/{name}", buffered=True)
        assert (asset.status_code, asset.mimetype) == (200, "text/css" if name.endswith("css") else "text/javascript")


def test_what_is_vendored_keeps_its_license() -> None:
    assert "Apache License" in (STATIC / "LICENSE").read_text()


@pytest.mark.parametrize("name", ["none.js", "..%2froutes.py", "%2e%2e/routes.py", "a%00b"])
def test_the_page_has_no_other_files(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/v1/docs/{name}").status_code == 404


def test_no_answer_is_sniffed(app: Flask) -> None:
    client = app.test_client()
    of_the_api = [f"/api/v1/{name}" for name in ("docs", "openapi.json", "events", "track")]
    for path in (*of_the_api, "/health/live", "/metrics", "/none"):
        assert client.get(path, buffered=True).headers.getlist("X-Content-Type-Options") == ["nosniff"], path
