"""The folder that checks clean, and the wrong files laid over it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nurture.authoring import Reading
from nurture.authoring.check import check
from nurture.authoring.reading import kind_of, read_bytes
from nurture.authoring.report import as_text
from nurture.model.problem import Problem

HERE = Path(__file__).parent
GOOD = HERE / "good"
CASES = HERE / "cases"
NOTE = "gate-adds"
"""Said at every hand-off, right or wrong."""

TODAY = date(2026, 11, 22)


def files_of(root: Path) -> dict[str, bytes]:
    """Every file below `root` that stands in its two folders, by relative path."""
    paths = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if name.startswith(("campaigns/", "templates/"))}


def good() -> dict[str, str]:
    return {name: raw.decode() for name, raw in files_of(GOOD).items() if kind_of(name) is not None}


def wrong(code: str) -> tuple[Reading, Reading | None]:
    """The good folder with the files of a case laid over it, and the state before where the case has one."""
    root = CASES / code
    removed = (root / "removed.txt").read_text().split() if (root / "removed.txt").exists() else []
    kept = {name: raw for name, raw in files_of(GOOD).items() if name not in removed}
    before = {**files_of(GOOD), **files_of(root / "before")} if (root / "before").exists() else None
    return read_bytes({**kept, **files_of(root)}), None if before is None else read_bytes(before)


def findings(code: str) -> tuple[Problem, ...]:
    reading, before = wrong(code)
    found = check(reading, today=TODAY, before=before)
    return tuple(p for p in found if p.code == code or p.code != NOTE)


def shown(code: str) -> str:
    """The findings of a case as `nurture check` prints them."""
    return as_text(findings(code), wrong(code)[0].sources).plain
