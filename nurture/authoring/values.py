"""What single values look like: `3 days`, `2 emails per week`, `mon-thu`, `09:30`, `5%`, `Ines <ines@example.com>`.

Every reader takes a node and the desk and gives the value, or None after it has noted a finding with the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar, cast, get_args
from zoneinfo import available_timezones

from nurture.authoring.desk import Desk, did_you_mean, listing
from nurture.authoring.tree import Node
from nurture.model.campaign import Cap, Duration, Unit

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Reader = Callable[[Node, Desk], T | None]

SLUG: Final = r"[a-z0-9][a-z0-9_.-]{0,63}"
DURATION: Final = r"[0-9]{1,5} (minute|hour|day|business day|week|month|year)s?"
CAP: Final = r"[0-9]{1,3} emails? per (day|week|month)"
CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00"
SHARE: Final = r"[0-9]{1,3}%"
POINTS: Final = r"[+-]?[0-9]{1,4}(\.[0-9]{1,3})?"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST: Final = {
    "minutes": 525_600, "hours": 26_280, "days": 1_830, "business_days": 1_200, "weeks": 260, "months": 60, "years": 5,
}


def not_like(node: Node, desk: Desk, *examples: str) -> None:
    """Note that a value does not have the form it should have."""
    shown = ", ".join(f"`{e}`" for e in examples)
    bare = "an empty" if not (node.items or node.pairs) else "a"
    said = f"`{short(node.text)}`" if node.kind == "text" else f"{bare} {'list' if node.kind == 'list' else 'block'}"
    desk.find("bad-form", node.place, f"{said} does not read as for example {shown}")


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


def text(node: Node, desk: Desk) -> str | None:
    """Any text that is not empty."""
    if node.kind != "text" or not node.text.strip():
        not_like(node, desk, "a text")
        return None
    return node.text


def line(node: Node, desk: Desk) -> str | None:
    """Text on one line."""
    found = text(node, desk)
    if found is not None and "\n" in found.strip("\n"):
        not_like(node, desk, "a text on one line")
        return None
    return None if found is None else found.strip()


def slug(node: Node, desk: Desk) -> str | None:
    """An id: small letters, digits, `-`, `_`, `.`."""
    if node.kind != "text" or not re.fullmatch(SLUG, node.text):
        not_like(node, desk, "buyers-guide", "business_case")
        return None
    return node.text


def path(node: Node, desk: Desk) -> str | None:
    """The name of a template: `awareness/guide`. Never out of its folder."""
    if node.kind != "text" or not re.fullmatch(rf"{SLUG}(/{SLUG}){{0,4}}", node.text) or ".." in node.text:
        not_like(node, desk, "awareness/guide")
        return None
    return node.text


def whole(low: int, high: int) -> Reader[int]:
    """A whole number between `low` and `high`."""

    def read(node: Node, desk: Desk) -> int | None:
        if node.kind == "text" and node.plain and re.fullmatch(r"[+-]?[0-9]{1,9}", node.text):
            if low <= int(node.text) <= high:
                return int(node.text)
            desk.find("out-of-range", node.place, f"`{node.text}` is not between {low} and {high}")
            return None
        not_like(node, desk, str(low if low else min(10, high)))
        return None

    return read


def number(low: float, high: float) -> Reader[float]:
    """A number between `low` and `high`."""

    def read(node: Node, desk: Desk) -> float | None:
        if node.kind == "text" and re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", node.text):
            if low <= float(node.text) <= high:
                return float(node.text)
            desk.find("out-of-range", node.place, f"`{node.text}` is not between {low:g} and {high:g}")
            return None
        not_like(node, desk, f"{(low + min(high, low + 1)) / 2:g}")
        return None

    return read


def yes_no(node: Node, desk: Desk) -> bool | None:
    if node.kind == "text" and node.plain and node.text in ("true", "True", "TRUE"):
        return True
    if node.kind == "text" and node.plain and node.text in ("false", "False", "FALSE"):
        return False
    not_like(node, desk, "true", "false")
    return None


def points(node: Node, desk: Desk) -> int | None:
    """`+15` -> milli-points."""
    if node.kind != "text" or not re.fullmatch(POINTS, node.text) or abs(float(node.text)) > 1000:
        not_like(node, desk, "+15", "-5")
        return None
    return round(float(node.text) * 1000)


def share(node: Node, desk: Desk) -> int | None:
    """`5%` -> 5."""
    if node.kind != "text" or not re.fullmatch(SHARE, node.text) or int(node.text[:-1]) > 100:
        not_like(node, desk, "5%")
        return None
    return int(node.text[:-1])


def part(node: Node, desk: Desk) -> int | None:
    """A share that leaves somebody over: `5%` -> 5, at most 50%."""
    found = share(node, desk)
    if found is not None and found > 50:
        desk.find("out-of-range", node.place, f"`{found}%` is not between 0% and 50%", "5% is usual; it gets nothing")
        return None
    return found


def some_time(node: Node, desk: Desk) -> Duration | None:
    """A duration that is not nothing."""
    found = duration(node, desk)
    if found is not None and found.amount == 0:
        desk.find("out-of-range", node.place, f"`{found}` is no time at all", "for example `7 days`")
        return None
    return found


def as_duration(said: str) -> Duration | None:
    """`3 days` -> Duration, or None."""
    found = re.fullmatch(r"([0-9]{1,6}) (minute|hour|day|business day|week|month|year)s?", " ".join(said.split()))
    if not found:
        return None
    unit = cast(Unit, found.group(2).replace(" ", "_") + "s")
    amount = int(found.group(1))
    return Duration(amount, unit) if 0 <= amount <= _LONGEST[unit] else None


def duration(node: Node, desk: Desk) -> Duration | None:
    found = as_duration(node.text) if node.kind == "text" else None
    if found is None:
        not_like(node, desk, "3 days", "4 hours", "2 weeks", "5 business days")
    return found


def days(node: Node, desk: Desk) -> int | None:
    """`180 days` -> 180; weeks are seven days."""
    found = as_duration(node.text) if node.kind == "text" else None
    if found is None or found.unit not in ("days", "weeks"):
        not_like(node, desk, "180 days")
        return None
    return found.amount * (7 if found.unit == "weeks" else 1)


def cap(node: Node, desk: Desk) -> Cap | None:
    found = re.fullmatch(r"([0-9]{1,3}) emails? per (day|week|month)", node.text) if node.kind == "text" else None
    if not found or int(found.group(1)) == 0:
        not_like(node, desk, "2 emails per week")
        return None
    return Cap(int(found.group(1)), cast(Literal["day", "week", "month"], found.group(2)))


def clock(node: Node, desk: Desk) -> int | None:
    """`08:30` -> minutes of the day."""
    if node.kind != "text" or not re.fullmatch(CLOCK, node.text):
        not_like(node, desk, "09:00")
        return None
    hours, minutes = node.text.split(":")
    return int(hours) * 60 + int(minutes)


def weekdays(node: Node, desk: Desk) -> frozenset[int] | None:
    """`mon-thu`, `mon, wed`, `[mon, wed]`, `every day` -> 0 = Monday ... 6."""
    said = [n.text for n in node.items] if node.kind == "list" else node.text.split(",")
    found: set[int] = set()
    for part in (p.strip().lower() for p in said):
        if part == "every day":
            found.update(range(7))
            continue
        ends = part.split("-")
        if not 1 <= len(ends) <= 2 or any(e not in DAYS for e in ends):
            not_like(node, desk, "mon-thu", "[mon, wed]")
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found.update((first + i) % 7 for i in range((last - first) % 7 + 1))
    if not found:
        not_like(node, desk, "mon-thu", "[mon, wed]")
        return None
    return frozenset(found)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(node: Node, desk: Desk, *more: str) -> str | None:
    if node.kind == "text" and node.text in (*more, *zones()):
        return node.text
    if node.kind == "text" and node.text:
        hint = did_you_mean(node.text, (z for z in zones() if "/" in z))
        also = "".join(f"`{word}`, or " for word in more)
        desk.find("unknown-timezone", node.place, f"`{short(node.text)}` is not a time zone.{hint}",
                  f"write {also}a name as for example `Europe/Warsaw`")
        return None
    not_like(node, desk, *more, "Europe/Warsaw")
    return None


def zone_or_lead(node: Node, desk: Desk) -> str | None:
    return zone(node, desk, "lead")


def country(node: Node, desk: Desk) -> str | None:
    if node.kind != "text" or not re.fullmatch(r"[A-Z]{2}", node.text):
        not_like(node, desk, "PL", "US")
        return None
    return node.text


def language(node: Node, desk: Desk) -> str | None:
    if node.kind != "text" or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", node.text):
        not_like(node, desk, "en", "pl")
        return None
    return node.text


def by_language(reader: Reader[T]) -> Reader[dict[str, T]]:
    """`{ pl: ..., cs: ... }`: the same in other languages."""
    def read(node: Node, desk: Desk) -> dict[str, T] | None:
        if node.kind != "map":
            not_like(node, desk, "a block with a language a line, as `pl: ...`")
            return None
        return {
            name: value for key, said in node.pairs.values()
            if (name := language(key, desk)) is not None and (value := reader(said, desk)) is not None
        }
    return read


def day(node: Node, desk: Desk) -> date | None:
    """`2026-11-01`."""
    try:
        if node.kind == "text" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", node.text):
            found = date.fromisoformat(node.text)
            if not 1900 <= found.year <= 2200:
                desk.find("out-of-range", node.place, f"`{node.text}` is not in a year between 1900 and 2200")
                return None
            return found
    except ValueError:
        desk.find("bad-form", node.place, f"`{node.text}` is not in the calendar", "check day and month")
        return None
    not_like(node, desk, "2026-11-01")
    return None


def moment(node: Node, desk: Desk) -> str | None:
    """`2027-03-04 10:00`, a local date and time without zone -> ISO text."""
    try:
        if node.kind == "text" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}", node.text):
            found = datetime.fromisoformat(node.text)  # local on purpose: the lead's zone
            if 1900 <= found.year <= 2200:
                return found.isoformat(timespec="minutes")
    except ValueError:
        desk.find("bad-form", node.place, f"`{node.text}` is not in the calendar", "check day, month and time")
        return None
    not_like(node, desk, "2027-03-04 10:00")
    return None


def choice(*words: str) -> Reader[Any]:
    """One of a closed list of words."""

    def read(node: Node, desk: Desk) -> str | None:
        if node.kind == "text" and node.text in words:
            return node.text
        if node.kind != "text":
            not_like(node, desk, *words[:2])
            return None
        hint = did_you_mean(node.text, words)
        desk.find("not-a-choice", node.place, f"`{short(node.text)}` is not one of {listing(words)}.{hint}")
        return None

    return read


def literal(form: Any) -> Reader[Any]:
    """One of a `Literal`'s words."""
    return choice(*get_args(form))


def one_of(words: type[E]) -> Reader[E]:
    """One of an enum's words."""
    read = choice(*(w.value for w in words))

    def read_enum(node: Node, desk: Desk) -> E | None:
        found = read(node, desk)
        return None if found is None else words(found)

    return read_enum


def many(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list; one value alone is a list of one. None when any of them is wrong."""

    def read(node: Node, desk: Desk) -> tuple[T, ...] | None:
        nodes = node.items if node.kind == "list" else [node]
        found = [reader(n, desk) for n in nodes]
        return None if any(f is None for f in found) else tuple(f for f in found if f is not None)

    return read


def one_or_many(reader: Reader[T]) -> Reader[T | tuple[T, ...]]:
    """One value stays one value, a list becomes a tuple: any of them."""

    def read(node: Node, desk: Desk) -> T | tuple[T, ...] | None:
        if node.kind != "list":
            return reader(node, desk)
        if not node.items:
            not_like(node, desk, "a list with something in it")
            return None
        everything = next((n for n in node.items if n.text == "any"), None)
        if everything is not None:
            desk.find("bad-form", everything.place, "`any` in a list means nothing: it stands alone",
                      "write `any` without a list")
            return None
        return many(reader)(node, desk)

    return read


def scalar(node: Node, desk: Desk) -> Any:
    """A value as YAML 1.2 core means it: number, true, false, else text."""
    if node.kind != "text":
        not_like(node, desk, "a word", "a number")
        return None
    said = node.text
    if node.plain:
        if said in ("true", "True", "TRUE"):
            return True
        if said in ("false", "False", "FALSE"):
            return False
        if re.fullmatch(r"[+-]?[0-9]{1,15}", said):
            return int(said)
        if re.fullmatch(r"[+-]?[0-9]{1,15}\.[0-9]{1,9}", said):
            return float(said)
    return said


def anything(node: Node, desk: Desk) -> Any:
    """Text, number, list or block as plain Python data."""
    if node.kind == "list":
        return tuple(anything(n, desk) for n in node.items)
    if node.kind == "map":
        return {key: anything(value, desk) for key, (_, value) in node.pairs.items()}
    return None if node.empty else scalar(node, desk)


def unique(words: Iterable[str]) -> list[str]:
    """The words without repeats, in order."""
    return list(dict.fromkeys(words))
