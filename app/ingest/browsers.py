"""Browsers: what an answer says, so that a page of another origin may send events and read it (CORS)."""

from flask import Response, request


def allow_browsers(response: Response, methods: str = "POST, OPTIONS") -> Response:
    """CORS with credentials: sendBeacon sends them, so that '*' will not do (Fetch standard, "CORS protocol")."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is not None:
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "Retry-After"
        headers["Vary"] = "Origin"
        if request.method == "OPTIONS":
            response.status_code = 204
            asked = request.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "authorization, content-type")
            headers["Access-Control-Allow-Headers"] = asked
            headers["Access-Control-Allow-Methods"] = methods
            headers["Access-Control-Max-Age"] = "7200"
    return response
