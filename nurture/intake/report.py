"""What an import did, row by row where it matters, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

KEPT: Final = 1_000
"""Lines kept of each kind; beyond it only the number grows."""


@dataclass(slots=True)
class Findings:
    """Numbered lines with a sentence each; `total` counts beyond what is kept."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    total: int = 0

    def add(self, line: int, text: str) -> None:
        self.total += 1
        if len(self.lines) < KEPT:
            self.lines.append((line, text))

    def as_list(self) -> list[dict[str, Any]]:
        return [{"line": line, "reason": text} for line, text in sorted(self.lines)]


@dataclass(slots=True)
class Forecast:
    """What an import is going to do, found without writing anything."""

    rows: int = 0
    new: int = 0
    known: int = 0
    prospects: int = 0
    """Without an address."""
    duplicates: int = 0
    mailable: int = 0
    """Would be open to at least one kind of campaign mail afterwards."""
    mailable_before: int = 0
    not_mailable: dict[str, int] = field(default_factory=dict)
    """Why the others are not: `no consent`, `no address`, `blocked in the file`, `suppressed`, `withdrawn`."""
    skipped: Findings = field(default_factory=Findings)
    warnings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)

    def unmailable(self, why: str) -> None:
        self.not_mailable[why] = self.not_mailable.get(why, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows, "new": self.new, "known": self.known, "prospects": self.prospects,
            "mailable": self.mailable, "mailable_before": self.mailable_before,
            "not_mailable": dict(sorted(self.not_mailable.items())), "duplicates": self.duplicates,
            "skipped": self.skipped.total, "warnings": self.warnings.total, "notes": self.notes,
        }


@dataclass(slots=True)
class Report:
    """What an import did. rows = created + updated + unchanged + skipped (duplicates among the skipped)."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    consents: int = 0
    """Consent entries written."""
    suppressed: int = 0
    """Suppressions written because the file says so."""
    events: int = 0
    skipped: Findings = field(default_factory=Findings)
    warnings: Findings = field(default_factory=Findings)
    import_id: int | None = None

    @property
    def changed(self) -> bool:
        return bool(self.created or self.updated or self.consents or self.suppressed or self.events)

    def as_dict(self) -> dict[str, Any]:
        return {
            "import": self.import_id, "rows": self.rows, "created": self.created, "updated": self.updated,
            "unchanged": self.unchanged, "skipped": self.skipped.as_list(), "skipped_total": self.skipped.total,
            "warnings": self.warnings.as_list(), "warnings_total": self.warnings.total, "consents": self.consents,
            "suppressed": self.suppressed, "events": self.events,
        }


def summary(report: Report) -> Mapping[str, int]:
    """The numbers alone, for the import's row in the store."""
    return {
        "rows": report.rows, "created": report.created, "updated": report.updated, "unchanged": report.unchanged,
        "skipped": report.skipped.total, "consents": report.consents, "suppressed": report.suppressed,
        "events": report.events,
    }
