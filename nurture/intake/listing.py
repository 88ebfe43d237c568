"""Putting known people on a list, by address, external id or lead number."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nurture.intake.people import Source
from nurture.intake.report import Findings
from nurture.intake.text import Broken, open_table
from nurture.intake.values import person_address, plain_text, shown
from nurture.model.words import EventKind
from nurture.store import Store
from nurture.store.audience import leads
from nurture.store.facts import events

_EMAIL: Final = frozenset({"email", "e-mail", "email address", "e-mail address", "mail", "address"})
_EXTERNAL: Final = frozenset({"external_id", "external id", "id", "lead id", "crm id"})


@dataclass(slots=True)
class ListReport:
    rows: int = 0
    added: int = 0
    already: int = 0
    skipped: Findings = field(default_factory=Findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows, "added": self.added, "already": self.already, "skipped": self.skipped.as_list(),
            "skipped_total": self.skipped.total,
        }


def add(store: Store, name: str, source: Source, *, now: datetime, prefix: str = "") -> ListReport:
    """Put everybody the file names on the list `name`. Nobody is created; unknown people are told line by line.

    The first column called like an address or an id counts, else the first column; a file without a header works.
    """
    report = ListReport()
    table, records = open_table(source.content, columns=_EMAIL | _EXTERNAL)
    header = [label.casefold() for label in table.header]
    at = next((i for i, label in enumerate(header) if label in _EMAIL), None)
    if at is None:
        at = next((i for i, label in enumerate(header) if label in _EXTERNAL), 0)
    named = header[at] in _EMAIL | _EXTERNAL
    wanted: list[tuple[int, str]] = [] if named else [(1, table.header[at])]
    report.rows = len(wanted)
    for record in records:
        report.rows += 1
        if isinstance(record, Broken):
            report.skipped.add(record.line, record.reason)
            continue
        try:
            wanted.append((record.line, plain_text(record.values[at])))
        except ValueError as wrong:
            report.skipped.add(record.line, str(wrong))
    keys: dict[int, str] = {}
    for line, text in wanted:
        try:
            keys[line] = person_address(text)[0].key if "@" in text else prefix + text
        except ValueError as wrong:
            report.skipped.add(line, str(wrong))
    with store.begin() as conn:
        by_email = leads.ids_by_email_key(conn, [key for key in keys.values() if "@" in key])
        by_external = leads.ids_by_external(conn, [key for key in keys.values() if "@" not in key])
        found: set[int] = set()
        for line, key in keys.items():
            lead_id = by_email.get(key) or by_external.get(key)
            if lead_id is None:
                report.skipped.add(line, f"nobody is known as `{shown(key)}`")
            else:
                found.add(lead_id)
        new = leads.add_to_list(conn, name, found, now=now)
        report.added, report.already = len(new), len(found) - len(new)
        told = [
            events.NewEvent(EventKind.LIST_ADDED, now, lead_id=lead, key=f"list:{name}:{lead}", data={"list": name})
            for lead in new
        ]
        events.record(conn, told, now=now)
    return report
