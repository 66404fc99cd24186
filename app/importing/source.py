"""Source: a file's records, line by line, whatever its format."""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

BLANKS = " "
"""The delimiter that stands for any run of blanks."""


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
        with self._open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def columns(self) -> list[str]:
        """The names in the header; NDJSON has none."""
        with self._open() as stream:
            return next(self._rows(stream), (0, [], ""))[1] if self.form == "csv" else []

    def read(self, place: "Place") -> Iterator[Record]:
        """The records in the order of the file; `place` is told how far the file has been read."""
        with self.path.open("rb") as raw, self._decompressed(raw) as stream:
            for record in self._csv(stream) if self.form == "csv" else _ndjson(stream):
                place.byte = raw.tell()
                yield record

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path)) if self.is_compressed else self.path.open("rb")

    @property
    def is_compressed(self) -> bool:
        """By its name, as gzip itself does."""
        return self.path.suffix == ".gz"

    def _decompressed(self, raw: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.is_compressed else raw

    def _csv(self, stream: BinaryIO) -> Iterator[Record]:
        rows = self._rows(stream)
        _, header, _ = next(rows, (0, [], ""))
        for line, row, problem in rows:
            if problem or row:
                yield _record(line, header, row, problem)

    def _rows(self, stream: BinaryIO) -> Iterator[tuple[int, list[str], str]]:
        """(line, fields, problem) of each row, the header's included."""
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
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


def _ndjson(stream: BinaryIO) -> Iterator[Record]:
    for line, text in enumerate(stream, 1):
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
