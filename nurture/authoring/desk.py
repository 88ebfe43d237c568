"""Where findings are collected while a file is read, each under a rule of the book."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nurture.authoring.rulebook import RULES
from nurture.model.problem import Place, Problem

MOST = 200
"""Findings kept of one file."""

Spots = dict[tuple[Any, ...], Place]
"""Where a word stands: `("step", "guide", "send")` -> place, for findings that only show when files are compared."""


@dataclass(slots=True)
class Desk:
    """The findings and places of one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    spots: Spots = field(default_factory=dict)

    def find(self, code: str, place: Place, message: str, fix: str = "") -> None:
        if len(self.problems) < MOST:
            self.problems.append(problem(code, place, message, fix))
        elif len(self.problems) == MOST:
            self.problems.append(problem("too-many", place,
                                         f"more than {MOST} problems in this file; the rest is not shown",
                                         "mend the first ones; many follow from one"))


def problem(code: str, place: Place, message: str, fix: str = "") -> Problem:
    """A finding with the severity its rule has."""
    return Problem(place, RULES[code].severity, code, message, fix)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word somebody probably meant, or None."""
    if len(word) > 80:
        return None
    lowered = {k.casefold(): k for k in known}
    exact = lowered.get(word.casefold().replace(" ", "-")) or lowered.get(word.casefold().replace("-", "_"))
    if exact:
        return exact
    close = difflib.get_close_matches(word.casefold(), list(lowered), n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean `x`?` or nothing, ready to be appended."""
    meant = nearest(word, known)
    return f" Did you mean `{meant}`?" if meant and meant != word else ""


def listing(words: Iterable[str], limit: int = 12) -> str:
    """`a, b, c`, cut after `limit` words."""
    known = list(words)
    return ", ".join(known[:limit]) + (f" and {len(known) - limit} more" if len(known) > limit else "")
