"""The book of rules: every code `nurture check` can print, why it exists, a wrong example and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nurture.authoring.desk import Rule
from nurture.authoring.rulebook import campaigns, copies, people, reading

RULES: Final[Mapping[str, Rule]] = {
    rule.code: rule for part in (reading.RULES, campaigns.RULES, copies.RULES, people.RULES) for rule in part
}
