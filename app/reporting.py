"""Reporting: errors go to Sentry, if SENTRY_DSN names one. What our logs call an error is sent, and no more than they say."""

import logging
from typing import Any

from app import logs
from app.config import Settings

KEPT = ("event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk", "logger")
KEPT_OF_ERROR = ("type", "module", "stacktrace")


def start(settings: Settings) -> None:
    """Send errors from here on. Without SENTRY_DSN nothing is imported."""
    if not settings.sentry_dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        settings.sentry_dsn,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        # What others hook into Flask and RQ would bring in paths, headers and arguments.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda *_: None),
        ],
        before_send=_discreet,
    )


def _discreet(event: Any, hint: dict[str, Any]) -> Any:
    """A new report of what may be told: kinds and places, the line of the log, and its fields as tags."""
    told = {name: event[name] for name in KEPT if name in event}
    found = event.get("exception", {}).get("values", [])
    if found:
        told["exception"] = {"values": [{name: one[name] for name in KEPT_OF_ERROR if name in one} for one in found]}
    if record := hint.get("log_record"):
        told["logentry"] = {"message": logs.message_of(record)}
        told["tags"] = {name: str(value) for name, value in logs.fields_of(record).items()}
    return told
