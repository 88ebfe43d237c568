"""What evaluating an SPF record costs a receiver (RFC 7208): its questions, and where it would give up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

MOST_QUESTIONS: Final = 10
"""RFC 7208 4.6.4: `include`, `a`, `mx`, `ptr`, `exists` and `redirect` together; one more is a permanent error."""
_ASKS: Final = ("include", "a", "mx", "ptr", "exists")
_KNOWN: Final = (*_ASKS, "all", "ip4", "ip6")

Texts = Callable[[str], Sequence[str]]
"""TXT records of a name."""


def records(texts: Sequence[str]) -> list[str]:
    """Those of a name's TXT records that are SPF."""
    return [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]


class Walk:
    """One evaluation: `asked` questions so far, and what is wrong, in words."""

    def __init__(self, lookup: Texts) -> None:
        self.lookup = lookup
        self.asked = 0
        self.faults: list[str] = []
        self.ends = False
        """Does the whole end in a word about everybody else (`-all`, `~all`)?"""

    def follow(self, domain: str, record: str, above: tuple[str, ...] = ()) -> None:
        """Count what `record` of `domain` costs, with all it includes."""
        terms = record.split()[1:]
        redirect = ""
        for term in terms:
            word = term.lstrip("+-~?").lower()
            name, _, target = word.replace("=", ":", 1).partition(":")
            name = name.partition("/")[0]
            if name == "redirect":
                redirect = target
            elif name == "exp" or "=" in word:
                continue
            elif name not in _KNOWN:
                self.faults.append(f"`{term}` in the record of {domain} is no mechanism of SPF")
            elif name in _ASKS:
                self._ask(name, target, domain, above)
        if any(t.lower() in ("-all", "~all") for t in terms):
            self.ends = self.ends or not above
        elif redirect and not any(t.lstrip("+?").lower() == "all" for t in terms):
            self._ask("redirect", redirect, domain, above)

    def _ask(self, name: str, target: str, domain: str, above: tuple[str, ...]) -> None:
        self.asked += 1
        if name not in ("include", "redirect") or "%" in target or self.asked > MOST_QUESTIONS + 1:
            return
        if target in above or target == domain:
            self.faults.append(f"{domain} and {target} include each other without end")
            return
        found = records(self.lookup(target))
        if len(found) != 1:
            has = "no SPF record" if not found else f"{len(found)} SPF records"
            self.faults.append(f"{domain} includes {target}, which has {has}")
            return
        self.follow(target, found[0], (*above, domain) if name == "include" else above)
