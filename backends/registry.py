"""open_backend: from a URL to a backend. Third parties add theirs by the entry point group "grouparoo.backends"."""

from importlib import import_module
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from backends.base import EventBackend
from backends.errors import UnknownBackend

SCHEMES = {
    "sqlite": "backends.sql.backend:SqlBackend",
    "postgres": "backends.sql.backend:SqlBackend",
    "postgresql": "backends.sql.backend:SqlBackend",
    "mariadb": "backends.sql.backend:SqlBackend",
    "mysql": "backends.sql.backend:SqlBackend",
    "memory": "backends.memory:MemoryBackend",
}


def open_backend(url: str) -> EventBackend:
    """The backend that the scheme of `url` names (what follows a '+' in the scheme is the driver's).

    Raises UnknownBackend, naming the scheme and those that are known; never the URL, which may hold a password.
    """
    return _backend_class(urlsplit(url).scheme.split("+")[0]).open(url)


def _backend_class(scheme: str) -> type[EventBackend]:
    if scheme in SCHEMES:
        module, name = SCHEMES[scheme].split(":")
        found: type[EventBackend] = getattr(import_module(module), name)
        return found
    for entry in entry_points(group="grouparoo.backends", name=scheme):
        return entry.load()  # type: ignore[no-any-return]  # an entry point is untyped by nature
    known = sorted({*SCHEMES, *entry_points(group="grouparoo.backends").names})
    raise UnknownBackend(
        f"no event backend for the scheme {scheme!r}: known are {', '.join(known)}. "
        'Another one is added by a package with an entry point in "grouparoo.backends".'
    )
