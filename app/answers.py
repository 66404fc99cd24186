"""Answers: JSON made fast, and every error in one form (04-http, "Errors")."""

import logging
from typing import Any

import orjson
import redis
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from app.logs import kind_of, with_request_id
from app.stream import BufferFull, RateLimited
from backends.errors import BackendUnavailable

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2


class ApiError(Exception):
    """Raised to answer with an error: a code for programs, a message for people, details for both."""

    def __init__(self, code: str, status: int, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.details = details or {}


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, content_type="application/json")


def error_body(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """What stands under "error"."""
    return {"code": code, "message": message, "details": details}


def register_errors(app: Flask) -> None:
    """Let each kind of error be answered in the one form, whichever route it came from."""
    app.register_error_handler(ApiError, _answer_api_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(RateLimited, _answer_rate_limited)
    app.register_error_handler(BufferFull, _answer_outage)
    app.register_error_handler(redis.RedisError, _answer_outage)
    app.register_error_handler(BackendUnavailable, _answer_outage)
    app.register_error_handler(Exception, _answer_bug)


def forbid_sniffing(response: Response) -> Response:
    """Let no browser take an answer for anything but what its content type says."""
    response.headers.add("X-Content-Type-Options", "nosniff")
    return response


def _answer_api_error(error: ApiError) -> Response:
    response = answer({"error": error_body(error.code, error.message, error.details)}, error.status)
    if error.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code = (error.name or "error").lower().replace(" ", "_")
    response = answer({"error": error_body(code, error.description or error.name, {})}, status)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _answer_rate_limited(error: RateLimited) -> Response:
    response = _answer_api_error(ApiError("rate_limited", 429, str(error), {"retryAfter": error.retry_after_s}))
    response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _answer_outage(error: Exception) -> Response:
    log.warning("answered 503: %s", kind_of(error))
    why = str(error) if isinstance(error, BufferFull) else "a service that this one needs is away"
    outage = ApiError("unavailable", 503, f"{why}; nothing was accepted, send it again later")
    return with_request_id(_answer_api_error(outage))


def _answer_bug(error: Exception) -> Response:
    log.error("answered 500: %s", kind_of(error), exc_info=error)
    bug = ApiError("internal_error", 500, "something went wrong here; it is in the log")
    return with_request_id(_answer_api_error(bug))
