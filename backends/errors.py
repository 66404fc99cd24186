"""What a backend may raise. Three fates: refused (kept, never retried), unavailable (retried), anything else is a bug."""


class BackendError(Exception):
    """Base of all that a backend raises on purpose."""


class UnknownBackend(BackendError):
    """Raised when a URL names no backend that is known or can be imported; the message says what to install or write."""


class BackendUnavailable(BackendError):
    """Raised when the store can't be reached or is too busy: nothing is wrong with the events, try again later.

    Its first line goes into logs: it names no key, id or value.
    """


class EventsRefused(BackendError):
    """Raised when the store refuses what it was given: at least one of the events can never be stored as it is.

    Its text is kept with the dead letter and may quote the event; no log has it.
    """
