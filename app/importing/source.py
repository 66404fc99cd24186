"""Source: a file's records, line by line, whatever its format."""

import codecs
import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

BLANKS = " "
"""The delimiter that stands for any run of blanks."""

Row = tuple[int, list[str], str]
"""The number of a row's last line, its fields, and what is wrong with it."""
_NO_ROW: Row = (0, [], "")


class Record(NamedTuple):
    """One record: the number of its (last) line, its fields, or what is wrong with it."""

    line: int
    values: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True)
class Source:
    """A file of records; compressed if its name ends in .gz. `form` is `ndjson` or `csv`."""

    path: Path
    form: str
    delimiter: str = ","

    def digest(self) -> str:
        """A hash of the content, so that a file is known again under another name."""
        found = hashlib.sha256()
        with self._opened(Place()) as lines:
            for line in lines:
                found.update(line)
        return found.hexdigest()

    def columns(self) -> list[str]:
        """The names in the header; NDJSON has none."""
        with self._opened(Place()) as lines:
            return next(self._rows(lines), _NO_ROW)[1] if self.form == "csv" else []

    def read(self, place: "Place") -> Iterator[Record]:
        """The records in the order of the file; `place` is told how far the file has been read."""
        with self._opened(place) as lines:
            yield from self._csv(lines) if self.form == "csv" else _ndjson(lines)

    @contextmanager
    def _opened(self, place: "Place") -> Iterator[Iterator[bytes]]:
        with self.path.open("rb") as raw:
            if self.path.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield _told(unpacked, raw, place)
            else:
                yield _told(raw, raw, place)

    def _csv(self, lines: Iterator[bytes]) -> Iterator[Record]:
        rows = self._rows(lines)
        _, header, _ = next(rows, _NO_ROW)
        for line, row, problem in rows:
            if problem or row:
                yield _record(line, header, row, problem)

    def _rows(self, lines: Iterator[bytes]) -> Iterator[Row]:
        """Each row, the header's included."""
        text = (line.decode(errors="surrogateescape") for line in lines)
        if self.delimiter == BLANKS:
            yield from ((line, row.split(), "") for line, row in enumerate(text, 1))
            return
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        while True:
            try:
                yield reader.line_num, next(reader), ""
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, [], str(error)


@dataclass
class Place:
    """How far a file has been read."""

    byte: int = 0


def _record(line: int, header: list[str], row: list[str], problem: str) -> Record:
    if not problem and len(row) != len(header):
        problem = f"it has {len(row)} columns, the header has {len(header)}"
    if not problem and not all(map(_is_storable, row)):
        problem = "it is not UTF-8, or holds a NUL"
    return Record(line, {} if problem else dict(zip(header, row, strict=True)), problem)


def _told(lines: Iterable[bytes], raw: BinaryIO, place: Place) -> Iterator[bytes]:
    """The lines without the mark that some programs set before the first."""
    for number, line in enumerate(lines):
        place.byte = raw.tell()
        yield line if number else line.removeprefix(codecs.BOM_UTF8)


def _ndjson(lines: Iterator[bytes]) -> Iterator[Record]:
    for line, text in enumerate(lines, 1):
        if text.strip():
            yield _parsed(line, text)


def _parsed(line: int, text: bytes) -> Record:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Record(line, {}, f"it is not JSON: {error}")
    if not isinstance(values, dict):
        return Record(line, {}, "it is not a JSON object")
    if b"\\u0000" in text and not _is_storable(str(values)):
        return Record(line, {}, "it holds a NUL")
    return Record(line, values)


def _is_storable(text: str) -> bool:
    """No NUL, and no byte that is not UTF-8 (read as a lone surrogate)."""
    return text.isascii() and "\0" not in text or "\0" not in text and text.encode(errors="replace").decode() == text
