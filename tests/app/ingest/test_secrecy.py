"""What is never told."""

import logging
from typing import Any

import pytest
from flask import Flask

from tests.app.ingest.sending import TRACK, Sender, error_of
from tests.servers import free_port


def test_neither_keys_nor_ids_nor_data_reach_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender(app)
    sender.track(userId="secret-user", data={"k": "secret-data"})
    sender.track(userId=["secret-user"], data="secret-data", messageId="secret-message")
    sender.post(TRACK, data=b'{"type": "secret-type", "userId":')
    sender.client.post(TRACK, json={"apiKey": "secret-key"})
    assert "secret" not in caplog.text and sender.key not in caplog.text


def test_an_outage_tells_the_log_nothing_of_the_event(make_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender(make_app(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    sender.track(userId="secret-user", data={"k": "secret-data"})
    assert "answered 503" in caplog.text
    assert "secret" not in caplog.text and sender.key not in caplog.text


def test_a_bug_tells_the_log_where_it_is_but_nothing_of_the_event(make_app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app()

    @app.route("/bug")
    def bug() -> str:
        return str(int("".join(["secret", "-data"])))

    answer = app.test_client().get("/bug")
    error_of(answer, 500, "internal_error")
    said = capsys.readouterr().err
    assert "ValueError" in said and "in bug" in said
    assert "secret-data" not in said + answer.get_data(as_text=True)
