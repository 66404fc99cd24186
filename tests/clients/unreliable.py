"""A proxy that goes wrong as it is told: it forwards to the service all requests but those for which a fault waits."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
import urllib3


@dataclass(frozen=True)
class Fault:
    """What happens to one request: it is forwarded or not, and answered, by these words or the service's, or not at all."""

    is_forwarded: bool = False
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


DROPPED = Fault()
ANSWER_LOST = Fault(is_forwarded=True)
UNAVAILABLE = Fault(status=503, body=b'{"error": {"code": "unavailable", "message": "later", "details": {}}}')


@dataclass(frozen=True)
class Seen:
    """A request that came, and when (monotonic seconds)."""

    at: float
    headers: Mapping[str, str]
    body: bytes


class Unreliable:
    """Listens on a free port while it is used as a context."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: deque[Fault] = deque()
        self.seen: list[Seen] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                proxy.handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "Unreliable":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.seen.append(Seen(time.monotonic(), dict(request.headers), body))
        fault = self.faults.popleft() if self.faults else Fault(is_forwarded=True, status=0)
        answer = self._forward(request, body) if fault.is_forwarded else None
        request.close_connection = True
        if fault.status is None:
            return
        if answer is None:
            self._answer(request, fault.status, fault.headers, fault.body)
        else:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
            self._answer(request, answer.status_code, kept, answer.content)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> requests.Response:
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Connection")}
        headers["Accept-Encoding"] = urllib3.util.SKIP_HEADER
        return requests.post(self.upstream + request.path, data=body, headers=headers, timeout=20)

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
