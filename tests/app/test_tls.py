"""Redis behind TLS: certificates are verified unless the operator says otherwise."""

import dataclasses
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import trustme

from app.config import Settings
from app.connections import job_client, request_client


class Tunnel:
    """Speaks TLS with a certificate of its own making, and passes all on to a server that does not."""

    def __init__(self, target: tuple[str, int], folder: Path) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = trustme.CA()
        authority.issue_cert("another.example").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rediss://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[plain], daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), closing(plain), closing(self._context.wrap_socket(plain, server_side=True)) as client:
            with closing(socket.create_connection(self._target)) as server:
                while question := client.recv(65_536):
                    server.sendall(question)
                    client.sendall(server.recv(65_536))


@pytest.fixture
def tunnel(redis_url: str, tmp_path: Path) -> Iterator[Tunnel]:
    target = urlsplit(redis_url)
    tunnel = Tunnel((target.hostname or "", target.port or 0), tmp_path)
    yield tunnel
    tunnel.close()


@pytest.mark.parametrize("client_of", [request_client, job_client])
def test_a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_told_to_be_taken(
    tunnel: Tunnel, client_of: object
) -> None:
    assert callable(client_of)
    strict = Settings(redis_url=tunnel.url)
    lax = dataclasses.replace(strict, redis_tls_verify=False)

    with pytest.raises(redis.ConnectionError, match="certificate"), client_of(strict) as client:
        client.ping()
    with client_of(lax) as client:
        assert client.ping()
