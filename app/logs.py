"""Logs: one line an event of note, in one form for every process; of errors the kind and the place, never the words.

An error's words may quote what it failed on: a key, an id, event data, a password. So no line has them, whoever logs it.
"""

import copy
import json
import logging
import re
import sys
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from flask import has_request_context, request
from pythonjsonlogger.json import JsonFormatter

from backends.event import timestamp

OURS = ("app", "backends", "worker", "migrations")
ACCESS = "gunicorn.access"
"""Its lines are made in app/gunicorn.py."""

FORMATS = ("text", "json")
REQUEST_ID = "grouparoo.request_id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_HARMLESS = re.compile(r"[\w.:@/ -]{0,200}\Z")
"""What another library may put into its lines: names, numbers, addresses. Queries, quotes and several lines are more."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST_CAUSES = 5

_bound: ContextVar[dict[str, str]] = ContextVar("bound", default={})

log = logging.getLogger(__name__)


def configure(level: str, form: str) -> None:
    """Let this process log to stderr: our own lines from `level` on, those of others from WARNING on.

    More of others would be too much: at DEBUG SQLAlchemy logs the rows that it reads.
    """
    handler = _Handler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name in ("gunicorn.error", ACCESS):
        # gunicorn gives them handlers of their own.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    sys.excepthook = _log_end


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Let every line that this thread logs meanwhile have these fields."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def request_id() -> str:
    """The id of the request that we are in: the client's X-Request-Id if it is sane, else one of our own."""
    environ = request.environ
    found: str | None = environ.get(REQUEST_ID)
    if found is None:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        found = environ[REQUEST_ID] = sent if _SANE_ID.match(sent) else uuid.uuid4().hex
    return found


def message_of(record: logging.LogRecord) -> str:
    """The line's message; that of another library without what it may quote."""
    return record.getMessage() if _is_ours(record) else _discreet(record)


def kind_of(error: BaseException) -> str:
    """What sort of error it is, by its class."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def traceback_of(error: BaseException) -> str:
    """Where the error was raised, and those that caused it: places and kinds."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < _MOST_CAUSES:
        parts.append("".join(traceback.format_tb(cause.__traceback__)) + kind_of(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nbecause of:\n".join(parts)


class _Handler(logging.StreamHandler[TextIO]):
    """To what is stderr at the time; a record is made discreet in a copy, for other handlers have it too."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # as logging.lastResort does it
        """stderr, which tests exchange."""
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record = copy.copy(record)
        record.exc_text = record.stack_info = None  # whoever formatted it before us wrote the words there
        record.msg, record.args = message_of(record), None
        return super().format(record)


class _Text(logging.Formatter):
    """Time, level, logger and message; then the fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line."""
        fields = "".join(f" {name}={_one_word(value)}" for name, value in fields_of(record).items())
        return super().formatMessage(record) + fields

    def formatException(self, ei: Any) -> str:
        """Without words."""
        return traceback_of(ei[1])


class _Json(JsonFormatter):
    """One JSON object a line: time, level, logger, message, fields; and `error` with the places, if it is about one."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill in the object."""
        moment = timestamp(datetime.fromtimestamp(record.created, UTC))
        log_data |= {"time": moment, "level": record.levelname, "logger": record.name, "message": record.message}
        log_data |= fields_of(record)
        if "exc_info" in message_dict:
            log_data["error"] = message_dict["exc_info"]

    def formatException(self, ei: Any) -> str:
        """Without words."""
        return traceback_of(ei[1])


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in OURS or record.name == ACCESS


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What the line says beside its message: which worker, job or request, and how much."""
    found: dict[str, Any] = dict(_bound.get())
    if _is_ours(record):
        found |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if has_request_context():
        found["request"] = request_id()
    return found


def _one_word(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or " " in text else text


def _discreet(record: logging.LogRecord) -> str:
    if isinstance(record.args, tuple) and record.args:
        try:
            return str(record.msg) % tuple(_discreet_argument(one) for one in record.args)
        except (TypeError, ValueError):
            return str(record.msg)
    if record.args:
        return str(record.msg)
    return str(record.msg).partition(": ")[0].partition("\n")[0]


def _discreet_argument(value: object) -> object:
    if isinstance(value, int | float):
        return value
    if isinstance(value, BaseException):
        return kind_of(value)
    text = str(value)
    return text if _HARMLESS.match(text) else "…"


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("ended by an error that nobody expected", exc_info=(kind, error, trace))
