"""PostgreSQL's COPY: the fastest way in, at the price of writing its text format (PostgreSQL manual, COPY, "Text Format")."""

import io
from collections.abc import Iterable, Sequence
from itertools import islice

import psycopg2
import sqlalchemy as sa

_CHUNK = 65_536
_LINES = 200
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], lines: Iterable[str]) -> None:
    """COPY `lines`, each made by joining fields with a tab, into `table`, in the connection's transaction."""
    cursor = connection.connection.cursor()
    reader = _LineReader(lines)
    try:
        cursor.copy_expert(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", reader, size=_CHUNK)
    except psycopg2.Error:
        if reader.error:  # psycopg2 would call it a cancelled query
            raise reader.error from None
        raise


class _LineReader(io.RawIOBase):
    """Lines as a file, made while PostgreSQL takes in those before."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._buffer = b""
        self.error: UnicodeEncodeError | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end."""
        while len(self._buffer) < size and (some := list(islice(self._lines, _LINES))):
            self._buffer += self._encoded("".join(f"{line}\n" for line in some))
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            self.error = error
            raise


def field(value: str | None) -> str:
    """One field of a line."""
    if value is None:
        return "\\N"
    if "\\" not in value and value.isprintable():
        return value
    return value.translate(_ESCAPES)
