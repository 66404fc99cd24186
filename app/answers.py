"""Answers: JSON made fast, and every error in one form (04-http, "Errors")."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson
import redis
from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from app.logs import kind_of, request_id
from app.stream import BufferFull, RateLimited
from backends.errors import BackendUnavailable

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2


class ApiError(Exception):
    """Raised to answer with an error: a code for programs, a message for people, details for both; and headers."""

    def __init__(
        self,
        code: str,
        status: int,
        message: str,
        details: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.details = details or {}
        self.headers = {**({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}), **(headers or {})}


Form = Callable[[ApiError], Response]
"""How an error is told; its headers are set by whoever calls this."""


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, content_type="application/json")


def error_body(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """What stands under "error"."""
    return {"code": code, "message": message, "details": details}


def own_form(error: ApiError) -> Response:
    """The one form of our own routes."""
    return answer({"error": error_body(error.code, error.message, error.details)}, error.status)


def register_errors(scaffold: Flask | Blueprint, form: Form = own_form) -> None:
    """Let each kind of error be answered in one form, whichever of these routes it came from."""
    for kind, translate in _TRANSLATIONS.items():
        scaffold.register_error_handler(kind, partial(_answer_error, translate, form))


def forbid_sniffing(response: Response) -> Response:
    """Let no browser take an answer for anything but what its content type says."""
    response.headers.add("X-Content-Type-Options", "nosniff")
    return response


def http_error(error: HTTPException) -> ApiError:
    """What werkzeug or Flask itself refuses."""
    code = (error.name or "error").lower().replace(" ", "_")
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return ApiError(code, error.code or 500, error.description or error.name, headers=headers)


def _answer_error(translate: Callable[[Any], ApiError], form: Form, error: Exception) -> Response:
    told = translate(error)
    response = form(told)
    response.headers.update(told.headers)
    return response


def _rate_limited(error: RateLimited) -> ApiError:
    seconds = error.retry_after_s
    return ApiError("rate_limited", 429, str(error), {"retryAfter": seconds}, {"Retry-After": str(seconds)})


def _outage(error: Exception) -> ApiError:
    log.warning("answered 503: %s", kind_of(error))
    why = str(error) if isinstance(error, BufferFull) else "a service that this one needs is away"
    return ApiError("unavailable", 503, f"{why}; nothing was accepted, send it again later", headers=_in_log())


def _bug(error: Exception) -> ApiError:
    log.error("answered 500: %s", kind_of(error), exc_info=error)
    return ApiError("internal_error", 500, "something went wrong here; it is in the log", headers=_in_log())


def _in_log() -> dict[str, str]:
    """Under which id the log has more."""
    return {"X-Request-Id": request_id()}


_TRANSLATIONS: Mapping[type[Exception], Callable[[Any], ApiError]] = {
    ApiError: lambda error: error,
    HTTPException: http_error,
    RateLimited: _rate_limited,
    BufferFull: _outage,
    redis.RedisError: _outage,
    BackendUnavailable: _outage,
    Exception: _bug,
}
