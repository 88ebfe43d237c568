"""One row of a file as a person with consents, blocks and events: pure, compiled once per file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nurture.errors import UsageError
from nurture.intake.countries import country_of
from nurture.intake.mapping import ConsentLine, EventLine, ImportMap, Take, Wording
from nurture.intake.values import Cell, applies, cell, may_be_thousands, means_no, person_address, shown
from nurture.model.address import Address
from nurture.model.tokens import Keys, address_hash
from nurture.store.audience.leads import Person

MOST_MINUTES: Final = 7 * 24 * 60
MOST_STRAY: Final = 12
"""Different values of one column that are remembered because no line of the map names them."""
_POINT: Final = "a point was read as opening decimals; if it groups thousands, say `decimal: \",\"` in the map"
MOST_WARNINGS: Final = 5
"""Per row; a row that is all warnings is not worth a page."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Consent a row carries, with what proves it."""

    line: ConsentLine
    number: int
    """Position in the map, from 0."""
    at: datetime
    source: str
    wording: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something the row says has happened; `at` None: the map knows no moment for it."""

    line: EventLine
    at: datetime | None
    minutes: int | None


@dataclass(slots=True)
class Draft:
    line: int
    person: Person
    proofs: list[Proof] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class BadRow(ValueError):
    """The row is skipped, and why."""


class Rows:
    """Turns the values of one row into a `Draft`, by a map and the header of its file."""

    def __init__(
        self,
        rules: ImportMap,
        header: Sequence[str],
        *,
        keys: Keys,
        now: datetime,
        wordings: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """`wordings` are archived consent texts that the store knows, by id, with the purposes they name."""
        check_columns(rules, header)
        self.now = now
        self.rules = rules
        self.keys = keys
        self._header = header
        self._email = self._cell(rules.email)
        self._external = self._cell(rules.external_id)
        self._source = self._cell(rules.source)
        self._country = self._cell(rules.country)
        self._language = self._cell(rules.language)
        self._timezone = self._cell(rules.timezone)
        self._acquired = self._cell(rules.acquired)
        self._fields = [(name, cell(take, header, rules)) for name, take in rules.fields.items()]
        self._points = [
            (name, header.index(take.column))
            for name, take in rules.fields.items()
            if take.kind == "number" and take.column is not None and not rules.decimal
        ]
        self._consents = [self._consent(number, line) for number, line in enumerate(rules.consents)]
        self._blocks = [(line.reason, applies(line.when, header)) for line in rules.blocks]
        self._deciding = _deciding(rules, header)
        self._events = [
            (line, applies(line.when, header), self._cell(line.at), self._cell(line.minutes)) for line in rules.events
        ]
        self._wordings = dict(wordings or {}) | {w.id: frozenset(p.value for p in w.purposes) for w in archived(rules)}

    def _cell(self, take: Take | None) -> Cell | None:
        return cell(take, self._header, self.rules)

    def draft(self, line: int, values: Sequence[str], *, learnt_from: str) -> Draft:
        """The row's draft. Raises BadRow where it cannot be kept at all."""
        warnings: list[str] = []
        try:
            external = self._external(values) if self._external else None
            address = self._address(values, external, warnings)
            fields = self._profile(values)
        except ValueError as wrong:
            raise BadRow(str(wrong)) from None
        self._count_strays(values)
        warnings += [f"{name}: {_POINT}" for name, at in self._points if may_be_thousands(values[at])]
        said = _Said(values, warnings)
        country = country_code(said(self._country, "country"), warnings)
        source = said(self._source, "source")
        known = {name: value for name, found in fields if (value := said.kept(name, found)) is not None}
        if country is not None:
            known.setdefault("country", country)
        if source is not None and self.rules.source.column is not None:
            known.setdefault("source", source)
        person = Person(
            email=address.mailbox if address else None,
            email_key=address.key if address else None,
            email_hash=address_hash(self.keys, address.key) if address else None,
            external_id=external,
            fields=known,
            language=_language(said(self._language, "language"), warnings),
            country=country,
            timezone=_timezone(said(self._timezone, "time zone"), warnings),
            source=source,
            acquired_at=self._past(said(self._acquired, "acquired"), warnings),
            tags=self.rules.tags,
            lists=self.rules.lists,
            origin=self.rules.origin,
            confidence=self.rules.confidence,
            learnt_from=learnt_from,
        )
        draft = Draft(line, person, warnings=warnings)
        draft.blocks = [reason for reason, holds in self._blocks if holds(values)]
        if not draft.blocks and address is not None:
            draft.proofs = [proof for find in self._consents if (proof := find(values, said)) is not None]
        draft.told = [
            Told(event, said(at, event.kind), _minutes(said(minutes, event.kind), warnings))
            for event, holds, at, minutes in self._events
            if holds(values)
        ]
        del warnings[MOST_WARNINGS:]
        return draft

    def _address(self, values: Sequence[str], external: str | None, warnings: list[str]) -> Address | None:
        raw = self._email(values) if self._email else None
        if raw is None:
            if external is None:
                raise BadRow("neither an address nor an external id")
            return None
        address, mended = person_address(raw)
        if mended:
            warnings.append(mended)
        return address

    def _count_strays(self, values: Sequence[str]) -> None:
        """Remember what a column that decides on mail says where no line of the map knows the word."""
        for at, (_, known, seen) in self._deciding.items():
            said = values[at].strip()
            if said.casefold() not in known and (said in seen or len(seen) < MOST_STRAY):
                seen[said] = seen.get(said, 0) + 1

    def strays(self) -> list[str]:
        """One sentence per column whose words decide who may be mailed and are not all in the map.

        A plain no and an empty cell need no line: they decide nothing.
        """
        found = []
        for name, _, seen in self._deciding.values():
            words = {word: count for word, count in seen.items() if not means_no(word)}
            if words:
                told = ", ".join(f"`{shown(word)}` ({count:,})" for word, count in words.items())
                more = " and more" if len(seen) >= MOST_STRAY else ""
                found.append(f"column `{shown(name)}` says {told}{more}: in no line of the map, so it decides nothing")
        return found

    def _profile(self, values: Sequence[str]) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for name, read in self._fields:
            assert read is not None
            try:
                found.append((name, read(values)))
            except ValueError as wrong:
                if "control character" in str(wrong):
                    raise BadRow(f"`{name}` {wrong}") from None
                found.append((name, wrong))
        return found

    def _consent(self, number: int, line: ConsentLine) -> Callable[[Sequence[str], _Said], Proof | None]:
        holds = applies(line.when, self._header)
        if (declared := line.declaration) is not None:
            collected = self._cell(declared.collected)

            def by_declaration(values: Sequence[str], said: _Said) -> Proof | None:
                at = said(collected, "consent") if holds(values) else None
                if at is None:
                    return None
                if doubt := self._doubt(at, declared.signed_on):
                    said.warnings.append(f"consent to {', '.join(line.purposes)} not taken: {doubt}")
                    return None
                return Proof(line, number, at, declared.source, declared.wording)

            return by_declaration
        cells = [self._cell(take) for take in (line.at, line.source, line.wording)]

        def by_row(values: Sequence[str], said: _Said) -> Proof | None:
            if not holds(values):
                return None
            at, source, wording = (said(read, "consent") for read in cells)
            lacking = self._lacking(line, at, source, wording)
            if lacking:
                said.warnings.append(f"consent to {', '.join(line.purposes)} not taken: {lacking}")
                return None
            return Proof(line, number, at, source, wording)

        return by_row

    def _past(self, acquired: datetime | None, warnings: list[str]) -> datetime | None:
        if acquired is None or acquired <= self.now:
            return acquired
        warnings.append("acquired: lies in the future; left empty")
        return None

    def _doubt(self, at: datetime, signed_on: date) -> str:
        """Why a declaration cannot vouch for a consent of that moment, or nothing."""
        if at > self.now:
            return "its time lies in the future"
        if at.astimezone(ZoneInfo(self.rules.zone)).date() > signed_on:
            return f"its time is later than the declaration, signed on {signed_on}"
        return ""

    def _lacking(self, line: ConsentLine, at: datetime | None, source: str | None, wording: str | None) -> str:
        """What a row's consent lacks to be believed (C5), or nothing."""
        if at is None or source is None or wording is None:
            parts = (("time", at), ("source", source), ("wording", wording))
            return " and ".join(f"no {name}" for name, value in parts if value is None)
        if at > self.now:
            return "its time lies in the future"
        covers = self._wordings.get(wording)
        if covers is None:
            return f"the wording `{shown(wording)}` is not archived"
        if not {p.value for p in line.purposes} <= covers:
            return f"the wording `{shown(wording)}` does not name it"
        return ""


def _deciding(rules: ImportMap, header: Sequence[str]) -> dict[int, tuple[str, frozenset[str], dict[str, int]]]:
    """Columns that decide who may be mailed: position -> name, the words the map knows, and room to count others."""
    known: dict[str, set[str]] = {}
    conditions = [line.when for line in rules.consents] + [line.when for line in rules.blocks]
    for when in conditions:
        if when.column is not None:
            known.setdefault(when.column, set(rules.unknown)).update(when.one_of)
    decided = {when.column for when in conditions if when.unless}
    return {
        header.index(name): (name, frozenset(word.casefold() for word in words), {})
        for name, words in known.items() if name not in decided
    }


class _Said:
    """Reads optional cells: what cannot be read is unknown, and said."""

    def __init__(self, values: Sequence[str], warnings: list[str]) -> None:
        self.values = values
        self.warnings = warnings

    def __call__(self, read: Cell | None, what: str) -> Any:
        if read is None:
            return None
        try:
            return read(self.values)
        except ValueError as wrong:
            self.warnings.append(f"{what}: {wrong}; left empty")
            return None

    def kept(self, name: str, found: Any) -> Any:
        if isinstance(found, ValueError):
            self.warnings.append(f"{name}: {found}; left empty")
            return None
        return found.date().isoformat() if isinstance(found, datetime) else found


def check_columns(rules: ImportMap, header: Sequence[str]) -> None:
    """Raises UsageError where the map asks for columns that the file does not have, or has twice."""
    missing = sorted(rules.columns() - set(header))
    if missing:
        have = ", ".join(plain_header(header)) or "none"
        asked = ", ".join(f"`{name}`" for name in missing)
        fix = f"its columns are: {have}; is it the right map, and the right delimiter?"
        if any("@" in name for name in header):
            fix = f"the file begins with a person, not with the names of its columns ({have}): add that line"
        raise UsageError(f"the file has no column {asked}", fix=fix)
    twice = sorted(name for name in rules.columns() if header.count(name) > 1)
    if twice:
        raise UsageError(f"the file has the column `{twice[0]}` twice", fix="rename one of them in the file")


def plain_header(header: Iterable[str]) -> list[str]:
    return [shown(name) for name in list(header)[:60]]


def archived(rules: ImportMap) -> list[Wording]:
    """Every wording the map brings along: its own list and those of its declarations."""
    declared = [
        Wording(line.declaration.wording, line.declaration.text, line.purposes, line.declaration.language)
        for line in rules.consents
        if line.declaration is not None
    ]
    return [*rules.wordings, *declared]


def _minutes(number: int | float | None, warnings: list[str]) -> int | None:
    if number is None or 0 <= number <= MOST_MINUTES:
        return None if number is None else int(number)
    warnings.append(f"`{number:g}` minutes cannot be; left empty")
    return None


def country_code(text: str | None, warnings: list[str]) -> str | None:
    if text is None:
        return None
    code = country_of(text)
    if code is None:
        warnings.append(f"country: nobody knows `{shown(text)}`; left empty")
    return code


def _language(text: str | None, warnings: list[str]) -> str | None:
    if text is None:
        return None
    short = text.replace("_", "-").split("-")[0].lower()
    if len(short) in (2, 3) and short.isascii() and short.isalpha():
        return short
    warnings.append(f"language: `{shown(text)}` is not a language code; left empty")
    return None


@lru_cache(maxsize=1_000)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _timezone(text: str | None, warnings: list[str]) -> str | None:
    if text is None or _is_zone(text):
        return text
    warnings.append(f"time zone: `{shown(text)}` is not one; left empty")
    return None
