"""ForeignDatabase: one connection at a time, for one transaction that only reads and does not take long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.foreign.addresses import addresses_of
from app.foreign.drivers import DRIVERS, Driver
from app.foreign.drivers.base import NO_ANSWER, TOO_SLOW, UNREACHABLE
from app.foreign.place import AppUnavailable, Place

GRACE_S = 2
"""So much longer than a statement may take we wait for a peer that does not end it by itself."""

STATEMENTS = 3
"""So many times longer than one statement all of a transaction may take."""

AT_ONCE, TURN_S = 2, 1
"""Connections that a process has to all databases together, and how long is waited for one of them: its other threads are
there for events, which nobody else's database may hold up."""

SQLITE = "SQL_APPS_SQLITE"


_turns = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Limits:
    """What the operator allows sql apps (docs/settings.md)."""

    timeout_s: int = 10
    allows_private: bool = False
    allows_sqlite: bool = False


class ForeignDatabase:
    """Nothing is kept open: each question has a connection of its own, and who is away is noticed by the next one."""

    def __init__(self, place: Place, limits: Limits) -> None:
        self.place = place
        self.limits = limits
        self.driver: Driver = DRIVERS[place.scheme]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A READ ONLY transaction. Raises AppUnavailable in place of whatever the database or its driver says; and if as many
        are under way as may be at once."""
        if not _turns.acquire(timeout=TURN_S):
            busy = f"can't be asked now: {AT_ONCE} questions to databases are under way already; try again"
            raise AppUnavailable(self.place.app, busy)
        try:
            with self._transaction() as connection:
                yield connection
        finally:
            _turns.release()

    def ping(self) -> None:
        """Return if the database lets us in. Raises AppUnavailable."""
        with self.reading() as connection:
            connection.execute(sa.select(1))

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        guard = _Guard(self.driver, STATEMENTS * self.limits.timeout_s + GRACE_S)

        def connect() -> Any:
            return guard.watch(self._connect())

        engine = sa.create_engine(self.driver.dialect, creator=connect, poolclass=sa.NullPool, hide_parameters=True)
        try:
            with guard, engine.connect() as connection, guard, connection.begin() as transaction:
                self.driver.begin(connection, self.limits.timeout_s)
                yield connection
                transaction.rollback()
        except sa.exc.DBAPIError as error:
            problem = TOO_SLOW if guard.has_ended_it else self.driver.problem_of(error.orig or error)
            raise AppUnavailable(self.place.app, *problem) from None
        except (UnicodeDecodeError, OverflowError):
            raise AppUnavailable(self.place.app, "has text that is none in its own encoding", "query") from None

    def _connect(self) -> Any:
        """A connection to the first address that answers; to one that may be connected to, and no other."""
        timeout_s = self.limits.timeout_s + GRACE_S
        if not self.driver.has_address:
            if not self.limits.allows_sqlite:
                raise AppUnavailable(self.place.app, f"can't be used: {SQLITE} does not allow files of this machine", "scheme")
            return self.driver.connect(self.place, "", timeout_s)
        return self._connect_to(addresses_of(self.place, self.limits.allows_private), timeout_s)

    def _connect_to(self, addresses: list[str], timeout_s: float) -> Any:
        for address in addresses[:-1]:
            try:
                return self.driver.connect(self.place, address, timeout_s)
            except self.driver.error as error:
                if self.driver.problem_of(error) not in (NO_ANSWER, UNREACHABLE):
                    raise
        return self.driver.connect(self.place, addresses[-1], timeout_s)


class _Guard:
    """Ends what takes longer than it may, though the peer does not answer any more. It lets go before the connection ends."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        self.has_ended_it = False
        self._driver = driver
        self._lock = threading.Lock()
        self._raw: Any = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, raw: Any) -> Any:
        """From now on."""
        self._raw = raw
        self._timer.start()
        return raw

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._raw = None

    def _end(self) -> None:
        with self._lock:
            if self._raw is not None:
                self.has_ended_it = True
                with suppress(Exception):  # it has just ended by itself
                    self._driver.interrupt(self._raw)
