"""A marketer's CSV as records: encodings, delimiters and broken lines, without ever stopping at one.

A record is kept together with the line it begins on, so that every complaint can name it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final

from nurture.errors import UsageError

DELIMITERS: Final = (",", ";", "\t", "|")
LONGEST_LINE: Final = 4_000_000
LONGEST_FIELD: Final = 10_000
MOST_LINES: Final = 200
"""A quoted value may span this many lines; beyond it the quote was never meant to be open."""
_SAMPLE: Final = 1 << 20
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx and .ods (ZIP), and the old .xls, begin."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CENTRAL_EUROPEAN: Final = frozenset(b"\xb9\xb3\xbf\x9f\xea\x8c\x9c\xaf\xa3\xa5\x9d\x8d\x8f")
"""Bytes that are letters in cp1250 and signs (or nothing) in cp1252."""

_UNREADABLE: Final = re.compile("[\ud800-\udfff\ufffd]")

csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line it begins on (from 1) and its values."""

    line: int
    values: list[str]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file: how it is read and what its columns are called."""

    encoding: str
    guessed: bool
    delimiter: str
    header: tuple[str, ...]


def open_table(
    source: BinaryIO, *, columns: Iterable[str], encoding: str = "auto", delimiter: str = "auto"
) -> tuple[Table, Iterator[Record | Broken]]:
    """Find encoding, delimiter and header of `source`; `columns` are the names the reader is going to ask for.

    `source` must be seekable. The iterator reads lazily; broken rows come as `Broken`, in their place.
    Raises UsageError for an empty file or an encoding nobody knows.
    """
    source.seek(0)
    sample = source.read(_SAMPLE)
    empty = UsageError("the file is empty", fix="export it again, with its header line")
    if not sample.strip(b"\r\n\t \x00"):
        raise empty
    if sample.startswith(_WORKBOOKS):
        raise UsageError("this is a workbook, not a CSV file", fix="open it and save the sheet as CSV UTF-8")
    name, guessed = (encoding, False) if encoding != "auto" else sniff_encoding(sample)
    try:
        codecs.lookup(name)
    except LookupError:
        raise UsageError(f"nobody knows the encoding `{name}`", fix="say utf-8, utf-16, cp1250 or cp1252") from None
    source.seek(0)
    errors = "replace" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"
    text = io.TextIOWrapper(source, encoding=name, errors=errors, newline="")
    lines = _lines(text)
    first = next(((n, s) for n, s in lines if isinstance(s, str) and s.strip()), (0, ""))
    if first[1].lower().startswith("sep=") and len(first[1].strip()) == 5:
        delimiter = first[1][4] if delimiter == "auto" else delimiter
        first = next(((n, s) for n, s in lines if isinstance(s, str) and s.strip()), (0, ""))
    chosen = sniff_delimiter(first[1], columns) if delimiter == "auto" else delimiter
    header = tuple(name.strip().strip("\ufeff") for name in _split(first[1], chosen) or [])
    if not any(header):
        raise empty
    if "\0" in first[1]:
        raise UsageError("this is no text: its first line has NUL characters", fix="save the table as CSV UTF-8")
    return Table(name, guessed, chosen, header), _records(lines, chosen, len(header))


def sniff_encoding(sample: bytes) -> tuple[str, bool]:
    """(encoding, guessed) for the first bytes of a file. A mark or clean UTF-8 is no guess."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name, False
    even, odd = sample[0:4096:2].count(0), sample[1:4096:2].count(0)
    half = len(sample[:4096]) // 2
    if half and max(even, odd) > half * 0.4:
        return ("utf-16-le" if odd > even else "utf-16-be"), True
    strange = [line for line in sample.splitlines() if not line.isascii()]
    if not strange:
        return "utf-8", False
    readable = sum(_is_utf8(line) for line in strange[:-1] or strange)
    if readable * 2 >= len(strange):
        return "utf-8", False
    central = sum(byte in _CENTRAL_EUROPEAN for line in strange for byte in line)
    return ("cp1250" if central else "cp1252"), True


def sniff_delimiter(header: str, columns: Iterable[str]) -> str:
    """The delimiter under which the header shows most of the wanted columns (else: most columns)."""
    wanted = set(columns)

    def worth(delimiter: str) -> tuple[int, int]:
        names = [name.strip() for name in _split(header, delimiter) or []]
        return sum(name in wanted for name in names), len(names)

    return max(DELIMITERS, key=worth)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str | None]]:
    """Numbered physical lines; None stands for one that is too long to be a row."""
    number = 0
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) < LONGEST_LINE or line.endswith(("\n", "\r")):
                yield number, line
                continue
            while (more := text.readline(LONGEST_LINE)) and not more.endswith(("\n", "\r")):
                pass
            yield number, None
    finally:
        # The wrapper would close a file that is going to be read again; one that is closed already needs nothing.
        with suppress(ValueError):
            text.detach()


def _records(lines: Iterator[tuple[int, str | None]], delimiter: str, width: int) -> Iterator[Record | Broken]:
    waiting: list[tuple[int, str | None]] = []

    def following() -> tuple[int, str | None] | None:
        return waiting.pop() if waiting else next(lines, None)

    while (got := following()) is not None:
        number, line = got
        if line is None:
            yield Broken(number, f"the line is longer than {LONGEST_LINE:,} characters")
            continue
        if '"' not in line:
            values: list[str] | None = line.rstrip("\r\n").split(delimiter)
        else:
            values = _split(line, delimiter)
            if values is None:
                values, read = _spanning(number, line, delimiter, width, following)
                if values is None:
                    # Give the lines back: only the one with the stray quote is lost.
                    waiting.extend(reversed(read))
                    yield Broken(number, "a quotation mark is not closed, or stands in the middle of a value")
                    continue
        if values and any(values):
            yield _checked(number, values, width)


def _spanning(
    number: int, line: str, delimiter: str, width: int, following: Callable[[], tuple[int, str | None] | None]
) -> tuple[list[str] | None, list[tuple[int, str | None]]]:
    """A record whose quoted value runs over several lines: its values, or None with the lines read in vain."""
    read: list[tuple[int, str | None]] = []
    parts, size = [line], len(line)
    while len(read) < MOST_LINES and size < LONGEST_LINE and (more := following()) is not None:
        read.append(more)
        if more[1] is None:
            break
        parts.append(more[1])
        size += len(more[1])
        if '"' in more[1]:
            values = _split("".join(parts), delimiter)
            if values is not None:
                return (values, read) if len(values) == width else (None, read)
    return None, read


def _split(line: str, delimiter: str) -> list[str] | None:
    """The values of one complete record, or None where its quotes do not add up."""
    try:
        rows = list(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else (None if rows else [])


def _checked(number: int, values: list[str], width: int) -> Record | Broken:
    if len(values) != width:
        if len(values) > width and not any(values[width:]):
            return _checked(number, values[:width], width)
        return Broken(number, f"{len(values)} columns where the header has {width}")
    joined = "".join(values)
    if joined.isascii():
        return Broken(number, "contains a NUL character") if "\0" in joined else _sized(number, values, joined)
    if _UNREADABLE.search(joined):
        return Broken(number, "contains bytes that are not in the file's encoding")
    if "\0" in joined:
        return Broken(number, "contains a NUL character")
    return _sized(number, values, joined)


def _sized(number: int, values: list[str], joined: str) -> Record | Broken:
    if len(joined) > LONGEST_FIELD:
        for column, value in enumerate(values, start=1):
            if len(value) > LONGEST_FIELD:
                size = f"{len(value):,} characters; {LONGEST_FIELD:,} is the limit"
                return Broken(number, f"column {column} holds {size}")
    return Record(number, values)

