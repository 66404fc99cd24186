"""`python -m worker.micro`, which bin/serve --micro is: serve until SIGTERM or Ctrl-C; nothing is left behind."""

import argparse
import os
import re
import secrets
import signal
import socket
import sys
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app import BOOT_ERROR
from app.config import InvalidSettings
from backends.errors import BackendError
from worker.micro.micro import Micro
from worker.micro.service import make_micro

KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")
READ_TIMEOUT_S = 30


class Handler(WSGIRequestHandler):
    """A request; nothing is logged of it, and nobody is waited for who sends only half of one."""

    timeout = READ_TIMEOUT_S

    def log_request(self, *_: Any) -> None:
        """Nothing."""


def main() -> None:
    """Make it, say where it is, serve."""
    options = _options()
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # counts are kept in memory
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        micro = make_micro(os.environ, options.key)
        listener = socket.create_server((options.host, options.port), backlog=128)
    except (InvalidSettings, BackendError, OSError) as error:
        print(f"bin/serve --micro: {error}", file=sys.stderr)
        sys.exit(BOOT_ERROR)
    _serve(micro, listener, options, stop)


def _serve(micro: Micro, listener: socket.socket, options: argparse.Namespace, stop: threading.Event) -> None:
    host, port = listener.getsockname()[:2]
    server: BaseWSGIServer = make_server(host, port, micro.app, threaded=True, request_handler=Handler, fd=listener.fileno())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    print(f"API key: {options.key}\nServing on http://{host}:{port}, in memory (Ctrl-C ends it).", flush=True)
    stop.wait()
    server.shutdown()
    thread.join()
    server.server_close()
    listener.close()
    micro.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/serve --micro", description="Serve in memory, for tests (docs/micro.md).")
    port, key = os.environ.get("PORT") or "8000", os.environ.get("MICRO_KEY") or secrets.token_urlsafe(24)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", default=port, type=_port, help="0 takes a free one (PORT, or 8000)")
    parser.add_argument("--key", default=key, type=_key, help="the API key (MICRO_KEY, or a new one)")
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number up to 65535")
    return int(text)


def _key(text: str) -> str:
    if not KEY_FORM.match(text):
        raise argparse.ArgumentTypeError("a key has 1 to 200 letters, digits, '-' and '_'")
    return text


if __name__ == "__main__":
    main()
