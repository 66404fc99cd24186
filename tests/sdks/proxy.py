"""Proxy: stands between an SDK and the service, drops requests, loses answers, and says 503, each as often as it is told."""

import http.client
import json
import random
import re
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.sdks.faults import Fault, schedule
from tests.sdks.seen import Seen, marks

EVENTS = re.compile(r"POST /(?!flags|decide)|GET /(track|engage|groups|i)\b")
"""Requests that send events; faults are for these, not for what SDKs ask before they start, once."""

_OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}
_OF_ANSWER = _OF_CONNECTION | {"date", "server"}
_BUSY = {"code": 503, "message": "the service is busy", "error": "the service is busy", "status": 0}


class Proxy:
    """On a free port of 127.0.0.1, before the service at `port`."""

    def __init__(self, port: int, faults: Sequence[Fault], seed: int) -> None:
        self.target = port
        self.seen: list[Seen] = []
        self._delay_s = 0.0
        self._schedule = schedule(faults, random.Random(seed))
        self._lock = threading.Lock()
        self._at_end = threading.Event()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._at_end.set()
        self._server.shutdown()
        self._server.server_close()

    def note(self, method: str, path: str, body: bytes) -> Seen:
        """The request, with its fault."""
        sends_events = EVENTS.match(f"{method} {path}")
        steps = marks(path, body) if sends_events else set()
        with self._lock:
            seen = Seen(method, path, body, next(self._schedule) if sends_events else Fault.NONE, steps)
            self.seen.append(seen)
        return seen

    def calm(self, delay_s: float) -> None:
        """No more faults, but slow answers."""
        with self._lock:
            self._schedule = schedule((), random.Random())
        self._delay_s = delay_s

    def pause(self) -> None:
        """As long as an answer takes."""
        self._at_end.wait(self._delay_s)

    def faults_done(self) -> set[Fault]:
        """Those that happened."""
        return {one.fault for one in self.seen} - {Fault.NONE}

    def are_taken(self, steps: set[str]) -> bool:
        """Whether the service has each of these steps."""
        return steps <= {step for one in list(self.seen) if one.was_taken() for step in one.steps}

    def are_settled(self, steps: set[str]) -> bool:
        """Whether each of these steps was sent, and its last request answered well: nobody has a reason to send it again."""
        last = {step: one for one in list(self.seen) for step in one.steps}
        return steps <= last.keys() and all(last[step].was_answered_well() for step in steps)

    def refused(self) -> list[Seen]:
        """Requests that the service does not want."""
        return [one for one in list(self.seen) if one.was_refused()]

    def sent_again(self) -> set[str]:
        """The steps that came again though the service had them already."""
        taken: set[str] = set()
        again: set[str] = set()
        for one in list(self.seen):
            again |= one.steps & taken
            taken |= one.steps if one.was_taken() else set()
        return again


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away; that is part of the story."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_any(self) -> None:
        """Whatever the method is."""
        body = self._body()
        seen = self.server.proxy.note(self.command, self.path, body)
        if seen.fault is Fault.DROPPED:
            return self._hang_up()
        if seen.fault is Fault.BUSY:
            return self._refuse()
        answer, seen.answer = self._forward(body)
        seen.status = answer.status
        if seen.fault is Fault.LOST:
            return self._hang_up()
        if self.command != "OPTIONS":
            self.server.proxy.pause()
        self._answer(answer.status, dict(answer.getheaders()), seen.answer)

    do_GET = do_POST = do_OPTIONS = do_any

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if length := self.headers.get("Content-Length"):
            return self.rfile.read(int(length))
        body = b""
        while "Transfer-Encoding" in self.headers and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.target, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _OF_CONNECTION:
                connection.putheader(name, value)
        if self.command == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _OF_ANSWER:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self) -> None:
        """As the service says that it is busy, to browsers too."""
        headers = {"Content-Type": "application/json", "Retry-After": "1"}
        if origin := self.headers.get("Origin"):
            headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
            headers |= {"Access-Control-Expose-Headers": "Retry-After"}
        self._answer(503, headers, json.dumps(_BUSY).encode())

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
