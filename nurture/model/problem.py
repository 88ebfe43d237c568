"""A marketer's mistake as a value: where, how bad, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a file. `line` and `col` count from 1; `width` is how many characters the caret underlines."""

    file: str = ""
    line: int = 1
    col: int = 1
    width: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding of `nurture check`. `code` names the rule (`nurture check --explain CODE`)."""

    place: Place
    severity: Severity
    code: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        head = f"{self.place.file}:{self.place.line}:{self.place.col}: {self.severity}[{self.code}] {self.message}"
        return f"{head}\n    fix: {self.fix}" if self.fix else head
