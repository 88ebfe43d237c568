"""How a rule is written down."""

from __future__ import annotations

from nurture.authoring.desk import Rule
from nurture.model.problem import Severity

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def rule(code: str, severity: Severity, title: str, why: str, wrong: str, fix: str) -> Rule:
    """A rule; `wrong` may be written over several indented lines."""
    return Rule(code, severity, title, " ".join(why.split()), wrong.strip("\n"), " ".join(fix.split()))
