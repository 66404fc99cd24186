"""Who is asking, and what they may do."""

import base64
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import sqlalchemy as sa
from flask import Flask, Request, Response, current_app, g, request
from flask.sessions import NullSession, SessionInterface, SessionMixin

from app.answers import ApiError
from app.background import begin
from app.keys import hash_key
from app.models import ApiKey, db
from app.services import services
from app.stream import RateLimit
from backends.sql.engine import is_outage, reading

FRESH_S = 5
UNKNOWN_S = 10
STALE_S = 24 * 3600
MAX_UNKNOWN = 10_000
"""A key is read again after 5 s, so that a revoked one ends within 10; while the database is away it stays good for a day."""

ANSWER_S = 1
"""A database that was stopped keeps its connections and says nothing; no request may wait for that."""

_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")

P = ParamSpec("P")
R = TypeVar("R")


class Key(NamedTuple):
    """What a request may do: the API key's guid, permissions, allowed origins (empty: any) and rate limit (None: none)."""

    guid: str
    permissions: frozenset[str]
    origins: frozenset[str]
    limit: RateLimit | None = None


class NoSessions(SessionInterface):
    """Who is asking is said by a key, never by a cookie."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """A session that keeps nothing."""
        return self.make_null_session(app)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to save."""


class KeysUnavailable(Exception):
    """Raised when the database that has the keys is away."""


class KeyCache:
    """The keys that this process has seen, so that the request path asks the database only about others."""

    def __init__(self, load: Callable[[str], Key | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._known: dict[str, tuple[Key, float, float]] = {}
        self._unknown: OrderedDict[str, float] = OrderedDict()

    def find(self, key: str) -> Key | None:
        """The key's record. Raises KeysUnavailable when it can't be known whether there is one."""
        digest, moment = hash_key(key), self._clock()
        entry = self._known.get(digest)
        if entry and moment < entry[1]:
            return entry[0]
        if not entry and moment < self._unknown.get(digest, 0):
            return None
        is_usable = entry is not None and moment - entry[2] < STALE_S
        if entry and is_usable and entry[1] > entry[2] + FRESH_S:
            # The database was away when it was last asked, and may take seconds to fail: the other threads need not wait.
            self._known[digest] = entry[0], moment + FRESH_S, entry[2]
        try:
            return self._remember(digest, self._load(digest), moment)
        except KeysUnavailable:
            if entry and is_usable:
                self._known[digest] = entry[0], self._clock() + FRESH_S, entry[2]
                return entry[0]
            raise

    def _remember(self, digest: str, found: Key | None, moment: float) -> Key | None:
        if found:
            self._known[digest] = found, moment + FRESH_S, moment
            return found
        self._known.pop(digest, None)
        self._unknown[digest] = moment + UNKNOWN_S
        while len(self._unknown) > MAX_UNKNOWN:
            self._unknown.popitem(last=False)
        return None


def load_key(digest: str) -> Key | None:
    """The key of that hash from the app's database. Raises KeysUnavailable, after ANSWER_S at the latest."""
    engine = db.engine
    try:
        return begin(lambda: _read_key(engine, digest)).result(ANSWER_S)
    except (TimeoutError, sa.exc.TimeoutError) as error:  # it hangs; or those that hang have all the connections
        raise KeysUnavailable from error
    except sa.exc.DBAPIError as error:
        if not is_outage(error):
            raise
        raise KeysUnavailable from error


def _read_key(engine: sa.Engine, digest: str) -> Key | None:
    columns = sa.select(ApiKey.guid, ApiKey.permissions, ApiKey.origins, ApiKey.rate_limit)
    with reading(engine) as connection:
        row = connection.execute(columns.where(ApiKey.key_hash == digest, ApiKey.revoked_at.is_(None))).first()
    if row is None:
        return None
    limit = RateLimit(row.guid, row.rate_limit) if row.rate_limit else None
    return Key(row.guid, frozenset(row.permissions), frozenset(row.origins), limit)


def authenticate(body: Any = None) -> Key:
    """The key of this request: from its headers, else from its body. Raises ApiError (401, 403, 503)."""
    return find_key(key_in_headers() or _key_in_body(body))


def find_key(text: str | None) -> Key:
    """The key that was sent as `text`, which may be used from where the request comes. Raises ApiError (401, 403, 503)."""
    if not text:
        raise ApiError("missing_key", 401, "send an API key, for example as the header 'Authorization: Bearer KEY'")
    try:
        key = _cache().find(text) if _KEY_FORM.match(text) else None
    except KeysUnavailable:
        raise ApiError("unavailable", 503, "the keys can't be looked up now; send it again later") from None
    if key is None:
        raise ApiError("unknown_key", 401, "this API key is unknown or was revoked")
    origin = request.environ.get("HTTP_ORIGIN")
    if key.origins and origin is not None and origin not in key.origins:
        raise ApiError("origin_not_allowed", 403, f"this API key may not be used from {origin!r}", {"origin": origin})
    return key


def requires(*permissions: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for a key with these permissions, within its rate limit; the view finds the key as `g.key`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.key = key = authenticate()
            for permission in permissions:
                if permission not in key.permissions:
                    raise forbidden(permission)
            if key.limit:
                services().stream.spend(key.limit)
            return view(*args, **kwargs)

        setattr(guarded, "permissions", permissions)  # for the OpenAPI document
        return guarded

    return decorate


def forbidden(permission: str) -> ApiError:
    """The answer to a key without the permission."""
    return ApiError("forbidden", 403, f"this API key lacks the permission {permission}", {"permission": permission})


def _cache() -> KeyCache:
    cache: KeyCache = current_app.extensions["key_cache"]
    return cache


def key_in_headers() -> str | None:
    """The key as a header has it."""
    environ = request.environ
    scheme, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return str(value).strip()
    if scheme.lower() == "basic" and (user := _basic_user(value)):
        return user
    if found := environ.get("HTTP_X_API_KEY"):
        return str(found)
    return environ.get("HTTP_X_WRITE_KEY", "").partition(":")[0] or None


def _basic_user(value: str) -> str | None:
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
    except ValueError:  # no Base64, or no text in it
        return None


def _key_in_body(body: Any) -> str | None:
    if isinstance(body, dict):
        for name in ("apiKey", "writeKey"):
            if isinstance(found := body.get(name), str):
                return found
    return None
