"""Peers that don't behave: one that says nothing, or something else, and one that stops in the middle."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Between:
    """Stands between a client and a server on 127.0.0.1; without a server it says `greeting`, and no more. `freeze` ends all
    talk, but no connection."""

    def __init__(self, server_port: int | None = None, greeting: bytes = b"") -> None:
        self.server_port = server_port
        self.greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_frozen = threading.Event()
        self._open: list[socket.socket] = [self._listener]

    def freeze(self) -> None:
        self._is_frozen.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_frozen.set()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                client.sendall(self.greeting)
                if self.server_port is not None:
                    server = socket.create_connection(("127.0.0.1", self.server_port))
                    self._open.append(server)
                    for ends in ((client, server), (server, client)):
                        threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._is_frozen.is_set():
                    return
                target.sendall(data)
