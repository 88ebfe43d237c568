"""How it ended, from a CRM's export: rows by a map, with the lead each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nurture.errors import UsageError
from nurture.intake.mapping import ImportMap, OutcomeLine
from nurture.intake.people import Source
from nurture.intake.report import Findings
from nurture.intake.rows import check_columns
from nurture.intake.text import Broken, open_table
from nurture.intake.values import Cell, applies, cell, person_address
from nurture.store import Store
from nurture.store.audience import imports, leads, people
from nurture.store.facts import events

KIND: Final = "crm_"
"""Events of this kind say what a CRM reports: `crm_mql`, `crm_sql`, `crm_won`, `crm_lost`, `crm_churned`."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One result of one lead. `amount` is in minor units."""

    line: int
    lead_id: int
    stage: str
    """The lead's stage with us."""
    result: str
    at: datetime | None
    owner: str | None = None
    amount: int | None = None
    currency: str | None = None
    reason: str | None = None
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One outcome line of the map, ready to read rows of one file."""

    line: OutcomeLine
    holds: Callable[[Sequence[str]], bool]
    cells: Mapping[str, Cell | None]

    @classmethod
    def of(cls, line: OutcomeLine, header: Sequence[str], rules: ImportMap) -> _Outcome:
        takes = {"at": line.at, "owner": line.owner, "amount": line.amount, "reason": line.reason}
        return cls(line, applies(line.when, header), {name: cell(take, header, rules) for name, take in takes.items()})

    def read(self, row: Sequence[str], number: int, learnt: tuple[tuple[str, Any], ...]) -> Reported:
        said = {name: read(row) if read else None for name, read in self.cells.items()}
        paid = said["amount"]
        return Reported(
            number, 0, "", self.line.result, said["at"], said["owner"], round(paid * 100) if paid else None,
            self.line.currency if paid else None, said["reason"], learnt,
        )


def read_results(store: Store, source: Source, rules: ImportMap) -> tuple[list[Reported], Findings, int]:
    """The results of a file, the rows that could not be used, and how many rows there were."""
    if not rules.outcomes:
        raise UsageError("the map says nothing about results", fix="add `outcomes:` with `result: won`")
    table, records = open_table(source.content, columns=rules.columns(), encoding=rules.encoding,
                                delimiter=rules.delimiter)
    check_columns(rules, table.header)
    header, skipped, rows = table.header, Findings(), 0
    email, external = cell(rules.email, header, rules), cell(rules.external_id, header, rules)
    lines = [_Outcome.of(line, header, rules) for line in rules.outcomes]
    fields = [(name, cell(take, header, rules)) for name, take in rules.fields.items()]
    drafts: list[tuple[str, Reported]] = []
    for record in records:
        rows += 1
        if isinstance(record, Broken):
            skipped.add(record.line, record.reason)
            continue
        row = record.values
        try:
            address = email(row) if email else None
            key = person_address(address)[0].key if address else external(row) if external else None
            if key is None:
                raise ValueError("neither an address nor an external id")
            learnt = tuple((name, value) for name, read in fields if read and (value := read(row)) is not None)
            drafts += [(key, line.read(row, record.line, learnt)) for line in lines if line.holds(row)]
        except ValueError as wrong:
            skipped.add(record.line, str(wrong))
    return list(_found(store, drafts, skipped)), skipped, rows


def _found(store: Store, drafts: Sequence[tuple[str, Reported]], skipped: Findings) -> Iterator[Reported]:
    keys = {key for key, _ in drafts}
    with store.read() as conn:
        ids = leads.ids_by_email_key(conn, [key for key in keys if "@" in key])
        ids |= leads.ids_by_external(conn, [key for key in keys if "@" not in key])
        stages = leads.stages(conn, ids.values())
    for key, draft in drafts:
        lead_id = ids.get(key)
        if lead_id is None:
            skipped.add(draft.line, "nobody is known by this address or id; import the leads first")
        else:
            yield Reported(draft.line, lead_id, stages.get(lead_id, ""), draft.result, draft.at, draft.owner,
                           draft.amount, draft.currency, draft.reason, draft.fields)


def record_history(
    store: Store, reported: Sequence[Reported], rules: ImportMap, *, now: datetime, file_name: str, sha256: str, by: str
) -> int:
    """Keep results as facts of leads that our own desk did not work. Returns how many were new."""
    with store.begin() as conn:
        run = imports.begin(conn, file_name=file_name, file_sha256=sha256, map_sha256=rules.sha, kind="results", by=by,
                            now=now)
        told = [
            events.NewEvent(
                KIND + one.result, one.at or now, lead_id=one.lead_id, touchpoint="crm",
                key=f"crm:{rules.name}:{one.lead_id}:{one.result}",
                data={"owner": one.owner, "amount": one.amount, "currency": one.currency, "reason": one.reason},
            )
            for one in reported
        ]
        new = events.record(conn, told, now=now)
        for one in reported:
            if one.fields:
                people.learn(conn, one.lead_id, dict(one.fields), origin=rules.origin,
                             source=f"import {run} line {one.line}", now=now)
        if new:
            imports.finish(conn, run, {"rows": len(reported), "events": new})
        else:
            imports.drop(conn, run)
    return new
