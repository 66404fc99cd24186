"""Lines: records as NDJSON, and as CSV in which no cell is a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import orjson

from app.api.shapes import Json

FORMS = ("ndjson", "csv")
CONTENT_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}

COLUMNS = (
    *("guid", "messageId", "producerGuid", "profileGuid", "type", "userId", "anonymousId", "ipAddress"),
    *("occurredAt", "createdAt", "updatedAt", "profileAssociatedAt", "state", "data"),
)
"""Of an event as CSV. The data are one column of JSON: which keys there are is not known before the last event is read."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection")."""


def ndjson(records: Iterable[Json]) -> bytes:
    """One line of JSON a record."""
    return b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)


def csv_header(columns: Sequence[str] = COLUMNS) -> bytes:
    """The line above all rows."""
    return _rows([columns])


def csv_rows(records: Iterable[Json], columns: Sequence[str] = COLUMNS) -> bytes:
    """One row a record; a cell that begins like a formula gets a quotation mark before it."""
    return _rows(_cells(record, columns) for record in records)


def _cells(record: Json, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        value = record.get(column)
        text = value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
        yield f"'{text}" if text.startswith(_FORMULA) else text


def _rows(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
