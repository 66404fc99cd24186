"""Driver: what one kind of foreign database does in its own way."""

import os
import socket
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.foreign.place import Place

CONNECT_S = 3


class Kind(StrEnum):
    """What a column holds, as far as it matters for asking it for userIds."""

    TEXT = "text"
    WHOLE = "whole number"
    UUID = "uuid"
    OTHER = "other"
    """Compared as text: correct, but not by an index."""


class Problem(NamedTuple):
    """What is wrong, to be read behind "the app 'x'", and what has to be looked at. No word of it is a secret."""

    text: str
    field: str = "host"


NO_ANSWER = Problem(f"can't be reached: no answer within {CONNECT_S} s")
UNREACHABLE = Problem("can't be reached: nobody answers there as such a database does")
NOT_LET_IN = Problem("does not let us in: look at its user and password", "password")
NO_DATABASE = Problem("has no database of that name", "database")
TOO_SLOW = Problem("took too long to answer", "query")
NOT_ALLOWED = Problem("does not let its user read that", "table")


class Driver(ABC):
    """One kind of database."""

    dialect: str
    """SQLAlchemy's URL of it, without any place."""

    error: type[Exception]
    """What its driver raises."""

    has_address = True
    """Is it somewhere on a network?"""

    @abstractmethod
    def connect(self, place: Place, address: str, timeout_s: float) -> Any:
        """A DBAPI connection to this very address, within CONNECT_S; answers are waited for as long as `timeout_s`."""

    @abstractmethod
    def begin(self, connection: sa.Connection, timeout_s: float) -> None:
        """Let the transaction that begins read only, and no statement take longer than that."""

    @abstractmethod
    def kind_of(self, type_code: Any) -> Kind:
        """What a column of this type (PEP 249, `cursor.description`) holds."""

    @abstractmethod
    def problem_of(self, error: BaseException) -> Problem:
        """What is wrong, by what the driver raised."""

    def interrupt(self, raw: Any) -> None:
        """End what the connection waits for, from another thread: its peer may have stopped to answer."""
        with socket.socket(fileno=os.dup(self._fileno(raw))) as twin:
            twin.shutdown(socket.SHUT_RDWR)

    def _fileno(self, raw: Any) -> int:
        number: int = raw.fileno()
        return number


def said_by(error: BaseException) -> str:
    """The first line of what a database says of a statement: of its words and names."""
    return " ".join(str(error.args[-1] if error.args else "").strip().partition("\n")[0].split())[:300]
