"""A real server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.app.ingest.sending import TRACK, Sender
from tests.servers import Web


@pytest.fixture
def web(app: Flask, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Web]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "for tests only", "ACCESS_LOG": "1"}
    server = Web(environ, tmp_path / "log")
    server.start()
    yield server
    server.stop()


def test_a_chunked_body_is_read_and_capped_and_the_log_has_no_query(web: Web, sender: Sender, tmp_path: Path) -> None:
    def chunked(*chunks: bytes) -> bytes:
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        head = f"POST {TRACK}?secret=query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Api-Key: {sender.key}\r\n"
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
            return connection.makefile("rb").read()

    taken = chunked(b'{"type":"a",', b'"userId":"u"}')
    refused = chunked(*[b" " * 65_536] * 17)
    assert taken.startswith(b"HTTP/1.1 202")
    assert refused.startswith(b"HTTP/1.1 413") and b"body_too_large" in refused
    assert [event.user_id for event in sender.stored()] == ["u"]
    web.stop()
    log = (tmp_path / "log").read_text()
    assert f"method=POST route={TRACK} status=202" in log
    assert "secret" not in log and sender.key not in log
