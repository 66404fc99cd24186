"""The JavaScript client as pages load it from the service."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.clients.routes import NAMES, STATIC
from app.config import Settings
from tests.app.conformity import check_answer
from tests.conftest import close


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def ingest_only(settings: Settings) -> Iterator[FlaskClient]:
    app = create_app(replace(settings, ingest_only=True))
    yield app.test_client()
    close(app)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_served_as_it_stands_there(app: Flask, client: FlaskClient, name: str) -> None:
    answer = client.get(f"/clients/{name}")

    check_answer(app, answer)
    assert answer.data == (STATIC / name).read_bytes()
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]


def test_it_is_served_zipped_to_who_takes_that(client: FlaskClient) -> None:
    zipped = client.get("/clients/grouparoo.js", headers={"Accept-Encoding": "gzip, deflate, br"})
    refused = client.get("/clients/grouparoo.js", headers={"Accept-Encoding": "gzip;q=0"})

    assert (zipped.headers["Content-Encoding"], zipped.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert len(zipped.data) < 4096
    assert gzip.decompress(zipped.data) == refused.data == client.get("/clients/grouparoo.js").data


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_page_that_has_it_is_not_sent_it_again(client: FlaskClient, encoding: str) -> None:
    first = client.get("/clients/grouparoo.js", headers={"Accept-Encoding": encoding})
    tag = first.headers["ETag"]

    again = client.get("/clients/grouparoo.js", headers={"Accept-Encoding": encoding, "If-None-Match": tag})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert first.headers["Cache-Control"] == again.headers["Cache-Control"]
    assert "public" in first.headers["Cache-Control"] and "max-age=3600" in first.headers["Cache-Control"]


def test_pages_of_any_origin_may_load_it(client: FlaskClient) -> None:
    answer = client.get("/clients/grouparoo.mjs", headers={"Origin": "https://shop.example"})

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_app_that_only_ingests_serves_it_too(ingest_only: FlaskClient) -> None:
    assert ingest_only.get("/clients/grouparoo.js").status_code == 200


@pytest.mark.parametrize("name", ["none.js", "routes.py", "..%2froutes.py", "", "grouparoo.js/"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/clients/{name}").status_code == 404
