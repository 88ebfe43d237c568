"""Attendance reports as webinar tools export them: where the people begin, what the columns are called, how long."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from nurture.errors import UsageError
from nurture.intake.text import sniff_delimiter, sniff_encoding
from nurture.intake.values import plain_text, shown, yes_no
from nurture.model.address import read_address

LARGEST: Final = 50_000_000
LONGEST_STAY: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Tool:
    """How one tool writes its report. `begins` and `ends` are the lines around the attendees, in small letters."""

    begins: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    bare_unit: str = "minutes"
    """What a number without a unit is."""


TOOLS: Final = {
    "zoom": Tool(begins=("attendee details",), ends=("other attended", "panelist details")),
    "teams": Tool(begins=("2. participants",), ends=("3. in-meeting activities",)),
    "gotowebinar": Tool(begins=("attendee details",), ends=("staff details", "panelist details")),
    "livestorm": Tool(bare_unit="seconds"),
    "generic": Tool(),
}
_COLUMNS: Final = {
    "email": ("email", "e-mail", "email address", "e-mail address", "user email", "attendee email", "mail"),
    "attended": ("attended", "has attended", "attendance", "present", "status"),
    "first_name": ("first name", "firstname", "given name"),
    "last_name": ("last name", "lastname", "surname", "family name"),
    "name": ("user name (original name)", "name (original name)", "full name", "name", "user name"),
    "registered": ("registration time", "registration date/time", "registration date", "registered at", "registered"),
    "joined": ("join time", "first join", "first join time", "joined at", "join date", "time joined", "start time"),
    "left": ("leave time", "last leave", "last leave time", "left at", "time exited", "end time"),
    "length": (
        "time in session (minutes)", "time in session", "duration (minutes)", "duration", "in-meeting duration",
        "attendance duration", "total duration", "minutes", "minutes attended", "duration (seconds)",
        "attendance duration (seconds)", "attendance duration (minutes)",
    ),
    "role": ("role",),
}
_PERIODS: Final = (
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y, %I:%M:%S %p", "%m/%d/%y, %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M", "%b %d, %Y %H:%M:%S", "%b %d, %Y %I:%M %p", "%b %d, %Y %I:%M:%S %p", "%d.%m.%Y, %H:%M:%S",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %I:%M %p", "%Y/%m/%d %H:%M:%S", "%d/%m/%Y, %H:%M:%S",
)
_UNITS: Final = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(hours?|hrs?|h|godz|std|minutes?|mins?|min|m|seconds?|secs?|sek|s)\b", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})$")
_STAFF: Final = frozenset({"organizer", "presenter", "host", "panelist", "co-organizer", "organisator", "organizator"})


@dataclass(frozen=True, slots=True)
class Attendee:
    """One person of a report. `seconds` is how long they were there in all; 0 and not `attended`: only registered."""

    line: int
    email: str
    key: str
    first_name: str | None = None
    last_name: str | None = None
    attended: bool = True
    seconds: int = 0
    joined: datetime | None = None
    left: datetime | None = None
    registered: datetime | None = None


def read_report(
    raw: bytes, tool: str, *, zone: ZoneInfo, unit: str | None = None
) -> tuple[list[Attendee], list[tuple[int, str]]]:
    """The people of a report, each once, and the rows that could not be used with the reason.

    Several stays of one person are added up; where they overlap (two devices), the time counts once.
    Raises UsageError where no list of people is found.
    """
    if len(raw) > LARGEST:
        raise UsageError(f"the report is {len(raw):,} bytes; {LARGEST:,} is the limit")
    profile = TOOLS[tool]
    rows = list(_rows(raw))
    start, columns = _header(rows, profile)
    stays: dict[str, list[Attendee]] = {}
    skipped: list[tuple[int, str]] = []
    label = rows[start][1][columns["length"]].casefold() if "length" in columns else ""
    stated = "seconds" if "second" in label else "minutes" if "minute" in label else None
    for line, cells in rows[start + 1 :]:
        if _is_end(cells, profile):
            break
        if not any(cells):
            continue
        try:
            found = _attendee(line, cells, columns, zone=zone, unit=unit or stated or profile.bare_unit)
        except ValueError as wrong:
            skipped.append((line, str(wrong)))
            continue
        if found is not None:
            stays.setdefault(found.key, []).append(found)
    return [_together(group) for group in stays.values()], skipped


def _rows(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    encoding, _ = sniff_encoding(raw[: 1 << 20])
    text = raw.decode(encoding, errors="replace").lstrip("\ufeff")
    lines = text.splitlines(keepends=True)
    wanted = {name for names in _COLUMNS.values() for name in names}
    header = max(lines[:200], key=lambda line: _known(line, wanted), default="")
    delimiter = sniff_delimiter(header.casefold(), wanted)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        yield reader.line_num, [cell.strip() for cell in cells]


def _known(line: str, wanted: set[str]) -> int:
    return sum(part.strip(' "').casefold() in wanted for part in re.split(r"[,;\t]", line.strip()))


def _header(rows: Sequence[tuple[int, list[str]]], profile: Tool) -> tuple[int, dict[str, int]]:
    """Where the list of people begins, and which column says what."""
    first: tuple[int, dict[str, int]] | None = None
    begun = False
    for index, (_, cells) in enumerate(rows):
        title = cells[0].casefold() if cells else ""
        begun = begun or title in profile.begins
        columns = _columns(cells)
        if "email" in columns and len(columns) >= (2 if len(cells) > 1 else 1):
            if begun or not profile.begins:
                return index, columns
            first = first or (index, columns)
    if first is None:
        raise UsageError("no list of people in this file: no row of column names with an e-mail column",
                         fix="export the attendee report as CSV, with addresses")
    return first


def _columns(cells: Sequence[str]) -> dict[str, int]:
    names = [cell.casefold().rstrip("*").strip() for cell in cells]
    found: dict[str, int] = {}
    for what, known in _COLUMNS.items():
        for name in known:
            if name in names:
                found[what] = names.index(name)
                break
    return found


def _is_end(cells: Sequence[str], profile: Tool) -> bool:
    return bool(cells) and cells[0].casefold() in profile.ends


def _attendee(
    line: int, cells: Sequence[str], columns: dict[str, int], *, zone: ZoneInfo, unit: str
) -> Attendee | None:
    """One row; None for staff of the session. Raises ValueError with the reason."""
    def cell(what: str) -> str:
        at = columns.get(what)
        text = plain_text(cells[at]) if at is not None and at < len(cells) else ""
        return "" if text in ("--", "-", "N/A", "n/a") else text

    if cell("role").casefold() in _STAFF:
        return None
    if not cell("email"):
        raise ValueError(f"no address for `{shown(cell('name') or 'somebody')}`")
    address = read_address(cell("email"))
    joined, left = _moment(cell("joined"), zone), _moment(cell("left"), zone)
    seconds = _seconds(cell("length"), unit)
    if not seconds and joined and left and left > joined:
        seconds = int((left - joined).total_seconds())
    attended = _attended(cell("attended"), bool(seconds or joined))
    first, last = cell("first_name"), cell("last_name")
    return Attendee(
        line, address.mailbox, address.key, first_name=first or None, last_name=last or None, attended=attended,
        seconds=seconds if attended else 0, joined=joined, left=left, registered=_moment(cell("registered"), zone),
    )


def _attended(text: str, otherwise: bool) -> bool:
    said = text.casefold()
    if said in ("attended", "present", "joined"):
        return True
    if said in ("not attended", "did not attend", "absent", "registered", "no show", "no-show"):
        return False
    try:
        return yes_no(text)
    except ValueError:
        return otherwise


def _seconds(text: str, unit: str) -> int:
    """`57`, `57 minutes`, `1h 3m 5s`, `00:57:12` in seconds."""
    if not text:
        return 0
    if told := _CLOCK.match(text):
        hours, minutes, seconds = (int(part or 0) for part in told.groups())
        return min(hours * 3600 + minutes * 60 + seconds, LONGEST_STAY)
    parts = _UNITS.findall(text)
    if parts:
        worth = {"h": 3600, "g": 3600, "m": 60, "s": 1}
        total = 0.0
        for amount, word in parts:
            letter = "h" if word.lower().startswith("std") else word[0].lower()
            total += float(amount.replace(",", ".")) * worth[letter]
        return int(min(total, LONGEST_STAY))
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"`{shown(text)}` is not a length of time") from None
    if not number < LONGEST_STAY:
        raise ValueError(f"`{shown(text)}` is longer than any webinar")
    return int(number * (60 if unit == "minutes" else 1)) if number > 0 else 0


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """A time in the report's zone; None where the report writes none or one nobody can read."""
    if not text:
        return None
    text = re.sub(r"\s+(UTC|GMT|CEST|CET|EST|EDT|PST|PDT|CST|CDT)$", "", text.replace("\u202f", " "))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for pattern in _PERIODS:
            try:
                found = datetime.strptime(text, pattern)  # noqa: DTZ007  # the zone follows below
                break
            except ValueError:
                continue
        else:
            return None
    if not 1970 <= found.year <= 2200:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _together(stays: Sequence[Attendee]) -> Attendee:
    """Several rows of one person: the time they were there, once, however many devices they used."""
    first = next((stay for stay in stays if stay.attended), stays[0])
    timed = sorted((s.joined, s.left) for s in stays if s.attended and s.joined and s.left and s.left > s.joined)
    seconds = sum(stay.seconds for stay in stays)
    if len(timed) > 1:
        covered, until = timedelta(), timed[0][0]
        for joined, left in timed:
            covered += max(left - max(joined, until), timedelta())
            until = max(until, left)
        seconds = min(seconds, int(covered.total_seconds())) if seconds else int(covered.total_seconds())
    joins = [stay.joined for stay in stays if stay.joined]
    registrations = [stay.registered for stay in stays if stay.registered]
    return replace(
        first, attended=any(stay.attended for stay in stays), seconds=seconds, joined=min(joins, default=None),
        registered=min(registrations, default=None),
    )
