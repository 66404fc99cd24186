"""What a reader or a manager is refused: each error of these routes, made in one place."""

from typing import Any

from app.answers import ApiError


def unknown(what: str, value: str) -> ApiError:
    """404: there is no such thing."""
    return ApiError(f"unknown_{what.replace(' ', '_')}", 404, f"there is no {what} {value!r}", {what.replace(" ", "_"): value})


def invalid_parameter(name: str, value: str, wanted: str, **where: int) -> ApiError:
    """400: a parameter of the query can't be understood."""
    return ApiError("invalid_parameter", 400, f"{name} is {value!r}: {wanted}", {"parameter": name, "value": value, **where})


def unknown_parameters(names: list[str], known: list[str]) -> ApiError:
    """400: misspelt parameters would otherwise widen the answer without a word."""
    message = f"unknown parameters: {', '.join(names)}; this route knows {', '.join(known) or 'none'}"
    return ApiError("unknown_parameter", 400, message, {"parameters": names, "known": known})


def invalid_body(message: str) -> ApiError:
    """400: the body is not what this route takes."""
    return ApiError("invalid_body", 400, message, {})


def invalid_field(field: str, message: str) -> ApiError:
    """422: a field of the body can't be what it is."""
    return ApiError("invalid_field", 422, f"{field}: {message}", {field: [message]})


def conflict(code: str, message: str) -> ApiError:
    """409: it can't be done as things stand."""
    return ApiError(code, 409, message, {})


def refuse_unreadable_path(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """No id holds a NUL, and PostgreSQL takes none in a question either."""
    for name, value in (values or {}).items():
        if "\0" in value:
            raise unknown(name, value)
