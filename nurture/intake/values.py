"""What a cell of a marketer's file means: text, number, date, yes or no."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.intake.mapping import ImportMap, Take, When
from nurture.model.address import Address, read_address

Cell = Callable[[Sequence[str]], Any]
"""Takes a row's values, gives one value or None where it is unknown; raises ValueError with a reason."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FORMULA: Final = "=+-@\t\r\n＝＋－＠"
_YES: Final = frozenset({"yes", "y", "true", "1", "x", "tak", "ano", "ja", "oui"})
_NO: Final = frozenset({"no", "n", "false", "0", "nie", "ne", "nein", "non"})
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_NAMED: Final = re.compile(r"[^<>]*<\s*([^<>\s]+@[^<>\s]+)\s*>")
_ONE_OF_SEVERAL: Final = re.compile(r"[^\s,;<>\"']+@[^\s,;<>\"'@]+")


def plain_text(raw: str) -> str:
    """A cell without surrounding space, line breaks and the quote that protects against formulas.

    Raises ValueError for control characters: they have no business in a name and much in an attack.
    """
    if raw.isascii() and raw.isprintable() and not raw.startswith("'"):
        return raw.strip()
    text = unicodedata.normalize("NFC", raw).strip()
    if text.startswith("'") and text[1:2] and text[1] in _FORMULA:
        text = text[1:].strip()
    text = " ".join(text.split()) if any(c in text for c in "\t\r\n") else text
    if found := _CONTROL.search(text):
        raise ValueError(f"contains the control character U+{ord(found.group()):04X}")
    return text


def cell(take: Take | None, header: Sequence[str], rules: ImportMap) -> Cell | None:
    """How to read what `take` asks for from a row of a table with this header."""
    if take is None:
        return None
    convert = _converter(take, rules)
    if take.column is None:
        fixed = None if take.constant is None else convert(take.constant)
        return lambda row: fixed
    at, unknown, values, only = header.index(take.column), rules.unknown, take.values, take.only

    def read(row: Sequence[str]) -> Any:
        text = plain_text(row[at])
        if values and (text in values or only):
            text = values.get(text, "")
        return None if text in unknown else convert(text)

    return read


def applies(when: When, header: Sequence[str]) -> Callable[[Sequence[str]], bool]:
    """Whether a line of the map holds for a row."""
    if when.column is None:
        return lambda row: True
    at, unless = header.index(when.column), when.unless
    one_of = frozenset(value.casefold() for value in when.one_of)
    return lambda row: (row[at].strip().casefold() in one_of) is not unless


def means_no(text: str) -> bool:
    """Whether somebody wrote a no, in one of the languages that `yes_no` reads."""
    return text.casefold() in _NO


def person_address(raw: str) -> tuple[Address, str]:
    """The one address in a cell, and what had to be mended (or nothing): `mailto:`, a name before it, invisible signs.

    Raises ValueError with a sentence; several addresses are nobody's.
    """
    try:
        return read_address(raw), ""
    except ValueError:
        tidy = _tidy(raw)
        if len(_ONE_OF_SEVERAL.findall(tidy)) > 1:
            raise ValueError("several addresses in one cell; give each person a row") from None
        if tidy == raw:
            raise
    return read_address(tidy), f"the address was read as `{shown(tidy)}`"


def _tidy(raw: str) -> str:
    text = _INVISIBLE.sub("", raw).strip()
    if named := _NAMED.fullmatch(text):
        text = named.group(1)
    if text[:7].casefold() == "mailto:":
        text = text[7:].partition("?")[0]
    return text.strip(" \u00a0").rstrip(".,;")


_SPACES: Final = re.compile("(?<=[0-9])['\u2019](?=[0-9]{3})|[ \u00a0\u202f]")
_EITHER: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
_GROUPED: Final = {mark: re.compile(rf"[+-]?[0-9]{{1,3}}(\{mark}[0-9]{{3}})+(?![0-9{mark}])") for mark in ".,"}


def _converter(take: Take, rules: ImportMap) -> Callable[[str], Any]:
    if take.kind == "number":
        return lambda text: number(text, decimal=rules.decimal or ".")
    if take.kind == "date":
        zone = ZoneInfo(rules.zone)
        return lambda text: moment(text, zone=zone, format=take.format)
    if take.kind == "yes_no":
        return yes_no
    prefix = take.prefix
    return (lambda text: prefix + text) if prefix else (lambda text: text)


def number(text: str, *, decimal: str = ".") -> int | float:
    """`1 234,5`, `1,234.5`, `1'234`, `12 %`. Whole numbers stay whole.

    Raises ValueError, also where a mark that groups thousands stands elsewhere: `12,5` is never 125.
    """
    bare = _SPACES.sub("", text).rstrip("%")
    between = "." if decimal == "," else ","
    if between in bare:
        if not _GROUPED[between].match(bare):
            raise ValueError(f"`{shown(text)}` is not a number if `{decimal}` opens decimals (`decimal:` in the map)")
        bare = bare.replace(between, "")
    bare = bare.replace(",", ".")
    try:
        found = float(bare)
    except ValueError:
        raise ValueError(f"`{shown(text)}` is not a number") from None
    if found != found or found in (float("inf"), float("-inf")):
        raise ValueError(f"`{shown(text)}` is not a number")
    return int(found) if found == int(found) and abs(found) < 2**53 else found


def may_be_thousands(text: str) -> bool:
    """Whether a point in a number may as well group thousands: `1.250`, but not `12.5`, `0.125` or `1.2345`."""
    return _EITHER.fullmatch(text.strip()) is not None


def moment(text: str, *, zone: ZoneInfo, format: str | None = None) -> datetime:
    """An aware UTC moment. A date alone is noon in `zone`: it stays the same day in most of the world."""
    try:
        if format:
            told = datetime.strptime(text, format)  # noqa: DTZ007  # the zone follows below
            timed = any(mark in format for mark in ("%H", "%I", "%c", "%X", "%s"))
            found: date = told if timed else told.date()
        else:
            found = date.fromisoformat(text) if len(text) in (8, 10) else datetime.fromisoformat(text)
    except ValueError:
        expected = f"in the form {format}" if format else "like 2026-11-22 or 2026-11-22 14:05 (`format:` in the map)"
        raise ValueError(f"`{shown(text)}` is not {expected}") from None
    if not isinstance(found, datetime):
        found = datetime.combine(found, time(12))
    if found.year < 1970 or found.year > 2200:
        raise ValueError(f"`{shown(text)}` is no year of ours")
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def yes_no(text: str) -> bool:
    said = text.casefold()
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ValueError(f"`{shown(text)}` is neither yes nor no")


def shown(text: str, longest: int = 40) -> str:
    """A value as it may stand in a message: short, one line, nothing a terminal obeys."""
    clean = _CONTROL.sub("?", text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
