"""The book of rules: every code `nurture check` can print, why it exists, a wrong example and the way out.

The pages are the Markdown files of this folder, so that the documentation and the program cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from nurture.model.problem import Severity

PAGES: Final = ("reading", "campaigns", "copies", "people")

_ENTRY: Final = re.compile(
    r"^## (?P<code>[a-z0-9-]+) \((?P<severity>error|warning|info)\): (?P<title>[^\n]+)\n\n"
    r"(?P<why>.*?)\n\n```\n(?P<wrong>.*?)```\n\nFix: (?P<fix>.*?)(?=\n\n## |\n*\Z)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing `nurture check` looks for. `wrong` is an excerpt that breaks it, `fix` how to mend it."""

    code: str
    severity: Severity
    title: str
    why: str
    wrong: str
    fix: str


def _rules(page: str) -> Iterator[Rule]:
    for found in _ENTRY.finditer(page):
        words = {key: " ".join(found[key].split()) for key in ("title", "why", "fix")}
        yield Rule(found["code"], Severity(found["severity"]), wrong=found["wrong"].rstrip("\n"), **words)


RULES: Final[Mapping[str, Rule]] = {
    rule.code: rule for page in PAGES for rule in _rules((files(__name__) / f"{page}.md").read_text("utf-8"))
}
