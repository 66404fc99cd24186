"""The checks of ingest, for records of a file: what makes a valid event is said once, in app.ingest.schemas."""

from collections.abc import Callable
from typing import Any

from app.config import Settings
from app.importing.run import RecordRefused
from app.ingest.acceptance import Acceptance, Acceptor, Rejected
from backends.event import Event


def checker(settings: Settings, producer_guid: str) -> Callable[[dict[str, Any]], Event]:
    """A function from what a client would send to the Event; it raises RecordRefused."""
    acceptor = Acceptor(settings)

    def check(sent: dict[str, Any]) -> Event:
        # A file has no clock that could be corrected: it was sent at another time than now.
        raw = {name: value for name, value in sent.items() if name != "sentAt"}
        try:
            event, warnings = acceptor.accept(raw, Acceptance(producer_guid, None, may_identify=True), is_large=True)
        except Rejected as rejected:
            raise RecordRefused(str(rejected)) from None
        # To a client that is there now, createdAt is nearly as good; to history it is not.
        if unread := [warning for warning in warnings if warning.startswith("occurredAt")]:
            raise RecordRefused(f"{unread[0]}: {raw.get('occurredAt', raw.get('ocurredAt'))!r}")
        return event

    return check
