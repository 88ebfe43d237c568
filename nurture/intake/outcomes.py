"""A file of leads and what became of them, as columns to learn from: the same values an import would store."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nurture.errors import UsageError
from nurture.intake.mapping import ImportMap
from nurture.intake.people import Source
from nurture.intake.rows import check_columns, country_code
from nurture.intake.text import Record, open_table
from nurture.intake.values import Cell, applies, cell, plain_text, yes_no

Value = float | str | None
DIFFERENT: Final = 0.5
"""A text column with more distinct values than this share of its rows tells people apart, and nothing else."""


@dataclass(slots=True)
class Column:
    """One column by the name a lead's field has (or would have)."""

    name: str
    label: str
    """What the file calls it."""
    values: list[Value] = field(default_factory=list)
    mapped: bool = False
    """Whether an import stores it, so that a scoring model can see it."""
    yes_no: bool = False


@dataclass(slots=True)
class OutcomeTable:
    """`columns` in the order of the file, `outcomes` in the order of the rows; rows without an outcome are left out."""

    columns: dict[str, Column]
    outcomes: list[bool]
    not_used: dict[str, str]
    """Column of the file -> why it must not or cannot be learnt from."""
    leak_risk: tuple[str, ...]
    """Names of used columns that may have been written after the outcome was known."""
    skipped: int

    @property
    def values(self) -> Mapping[str, Sequence[Value]]:
        return {name: column.values for name, column in self.columns.items()}


def read_outcomes(
    source: Source, rules: ImportMap, *, outcome: str | None, without: Collection[str] = (), needs_outcome: bool = True
) -> OutcomeTable:
    """Read a file for calibration. `outcome` is a column of yes and no; without it the map's `won` line decides.

    Without `needs_outcome` a file that says nothing about outcomes is read too, and nobody in it was won.
    Raises UsageError for columns that are not there.
    """
    table, records = open_table(
        source.content, columns=rules.columns(), encoding=rules.encoding, delimiter=rules.delimiter
    )
    header = table.header
    check_columns(rules, header)
    missing = [name for name in (outcome, *without) if name and name not in header and name not in rules.fields]
    if missing:
        raise UsageError(f"the file has no column `{missing[0]}`", fix=f"its columns are: {', '.join(header)}")
    won = _outcome(rules, header, outcome) if needs_outcome or outcome else lambda row: False
    columns, readers, not_used = _columns(rules, header, outcome, set(without))
    outcomes: list[bool] = []
    skipped = 0
    for record in records:
        good = won(record.values) if isinstance(record, Record) else None
        if good is None or not isinstance(record, Record):
            skipped += 1
            continue
        outcomes.append(good)
        for name, read in readers.items():
            columns[name].values.append(_value(read, record.values))
    for name in list(columns):
        why = _useless(columns[name])
        if why:
            not_used[columns.pop(name).label] = why
    risky = tuple(name for name, column in columns.items() if column.label in rules.learning.leak_risk)
    return OutcomeTable(columns, outcomes, not_used, risky, skipped)


def _outcome(rules: ImportMap, header: Sequence[str], outcome: str | None) -> Callable[[Sequence[str]], bool | None]:
    if outcome is not None:
        at = header.index(outcome)

        def told(row: Sequence[str]) -> bool | None:
            try:
                return yes_no(row[at].strip())
            except ValueError:
                return None

        return told
    lines = [applies(line.when, header) for line in rules.outcomes if line.result == "won" and line.when.column]
    if not lines:
        raise UsageError("nothing says which leads were won", fix="add --outcome COLUMN")
    return lambda row: any(holds(row) for holds in lines)


def _columns(
    rules: ImportMap, header: Sequence[str], outcome: str | None, without: set[str]
) -> tuple[dict[str, Column], dict[str, Cell], dict[str, str]]:
    """The columns to learn from, how to read them, and the others with the reason."""
    not_used = {name: "written while or after sales worked the lead" for name in rules.learning.never if name in header}
    not_used |= {name: "left out as asked" for name in without if name in header}
    identity = [take.column for take in (rules.email, rules.external_id) if take is not None and take.column]
    not_used |= dict.fromkeys(identity, "tells people apart")
    decided = [line.when.column for line in rules.outcomes if line.result == "won" and line.when.column]
    not_used |= dict.fromkeys([outcome] if outcome else decided, "is the outcome")
    columns: dict[str, Column] = {}
    readers: dict[str, Cell] = {}
    taken: set[str] = set()
    for name, take in {**rules.fields, "source": rules.source, "country": rules.country}.items():
        if take is None or take.column is None:
            continue
        taken.add(take.column)
        read = cell(take, header, rules)
        if take.column not in not_used and name not in without and read is not None:
            columns[name] = Column(name, take.column, mapped=True, yes_no=take.kind == "yes_no")
            readers[name] = _countries(read) if name == "country" else read
    for at, label in enumerate(header):
        if label not in taken and label not in not_used and label:
            name = field_name(label)
            columns[name] = Column(name, label)
            readers[name] = _raw(at, rules.unknown)
    return columns, readers, not_used


def _countries(read: Cell) -> Cell:
    return lambda row: country_code(read(row), [])


def _raw(at: int, unknown: frozenset[str]) -> Cell:
    def read(row: Sequence[str]) -> Any:
        text = plain_text(row[at])
        return None if text in unknown else text

    return read


def _value(read: Cell, row: Sequence[str]) -> Value:
    try:
        found = read(row)
    except ValueError:
        return None
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, datetime):
        return found.date().isoformat()
    return float(found) if isinstance(found, int | float) else found


def _useless(column: Column) -> str:
    known = [value for value in column.values if value is not None]
    distinct = len(set(known))
    if distinct <= 1 and len(known) == len(column.values):
        return "is the same for everybody"
    if not known:
        return "is empty"
    texts = sum(isinstance(value, str) for value in known)
    if distinct > DIFFERENT * len(known) and (texts or distinct == len(known)) and distinct > 20:
        return "tells people apart"
    return ""


def field_name(label: str) -> str:
    """What a lead's field would be called: small letters, digits, underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
    return name if name[:1].isalpha() else f"field_{name}"
