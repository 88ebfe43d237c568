"""Importing people: first say what would happen, then do it. Doing it again changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Final

from nurture.errors import Refused, UsageError
from nurture.intake.mapping import ImportMap
from nurture.intake.report import Forecast, Report, summary
from nurture.intake.rows import BadRow, Draft, Rows, archived
from nurture.intake.text import Broken, Record, Table, open_table
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.tokens import Keys
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentAction, ConsentStatus, EventKind
from nurture.store import Connection, Store
from nurture.store.audience import imports, leads
from nurture.store.audience.leads import Known, chunks
from nurture.store.facts import events, wakeups
from nurture.store.privacy import consent

BATCH: Final = 2_000
"""Rows per transaction: others can write in between."""
Progress = Callable[[int], None]
"""Is told how many bytes of the file have been read."""
Suppressed = Mapping[str, Collection[str]]
"""Address hash -> the reasons for which it is suppressed."""
ERASED: Final = "this person asked to be erased"
_CLOSED: Final = frozenset({ConsentStatus.WITHDRAWN.value, ConsentStatus.OBJECTED.value})


@dataclass(slots=True)
class Source:
    """A file to import. `content` is seekable; `name` is what reports call it."""

    content: BinaryIO
    name: str
    sha256: str = ""
    size: int = 0
    """Bytes."""

    @classmethod
    def of(cls, content: BinaryIO, name: str) -> Source:
        digest = hashlib.sha256()
        content.seek(0)
        while part := content.read(1 << 20):
            digest.update(part)
        size = content.tell()
        content.seek(0)
        return cls(content, name, digest.hexdigest(), size)


@dataclass(slots=True)
class _Seen:
    """Who stood in the file already, and what several rows of one person allow together."""

    lines: dict[str, int] = field(default_factory=dict)
    allowed: dict[str, frozenset[int]] = field(default_factory=dict)
    """Address key of a repeated person -> consent lines on which all further rows agree."""
    by_file: dict[str, frozenset[int]] = field(default_factory=dict)
    """Address key -> consent lines that alone make the person mailable."""
    blocks: list[tuple[str, str]] = field(default_factory=list)
    """(address hash, reason) that a repeated row states."""

    def first(self, draft: Draft) -> int | None:
        """The line on which this person stood before, or None; remembers the draft."""
        person = draft.person
        marks = [f"@{person.email_key}"] if person.email_key else []
        if person.external_id:
            marks.append(f"#{person.external_id}")
        before = next((self.lines[mark] for mark in marks if mark in self.lines), None)
        if before is None:
            for mark in marks:
                self.lines[mark] = draft.line
        return before

    def narrow(self, draft: Draft) -> None:
        """A repeated row gives nothing; what it refuses counts."""
        key, hashed = draft.person.email_key, draft.person.email_hash
        if key is None or hashed is None:
            return
        mine = frozenset(proof.number for proof in draft.proofs)
        self.allowed[key] = self.allowed.get(key, mine) & mine
        self.blocks += [(hashed, reason) for reason in draft.blocks]

    def settle(self, draft: Draft) -> None:
        """Leave a draft only the consents on which all rows of the person agree."""
        allowed = self.allowed.get(draft.person.email_key or "")
        if allowed is not None:
            draft.proofs = [proof for proof in draft.proofs if proof.number in allowed]


class PeopleImport:
    """One file on its way in. `forecast()` reads and asks only; `write()`, after it, does it."""

    def __init__(self, store: Store, source: Source, rules: ImportMap, *, keys: Keys, now: datetime) -> None:
        self.store = store
        self.source = source
        self.rules = rules
        self.keys = keys
        self.now = now
        self.import_id = 0
        self._seen = _Seen()
        with store.read() as conn:
            wordings = imports.wordings(conn)
        self.table, _ = self._open()
        self._rows = Rows(rules, self.table.header, keys=keys, now=now, wordings=wordings)
        self._mailing = frozenset(
            number for number, line in enumerate(rules.consents)
            if line.channel is Channel.EMAIL and MAIL_PURPOSES & set(line.purposes)
        )

    def forecast(self, progress: Progress | None = None) -> Forecast:
        """Read the whole file, ask the store who is known, and count. Writes nothing."""
        found = Forecast()
        if self.table.guessed:
            found.notes.append(f"read as {self.table.encoding}, which is a guess: `encoding:` in the map makes sure")
        self._seen = _Seen()
        for batch in chunks(self._once(found, progress), BATCH):
            with self.store.read() as conn:
                self._count(conn, batch, found)
        for key, allowed in self._seen.allowed.items():
            if key in self._seen.by_file and not self._seen.by_file[key] & allowed:
                found.mailable -= 1
                found.unmailable("rows of one person disagree")
        found.notes += self._rows.strays()
        return found

    def write(self, progress: Progress | None = None, *, by: str = "import") -> Report:
        """Store everybody, in batches of one transaction each. Call `forecast()` before."""
        report = Report()
        with self.store.begin() as conn:
            self._archive(conn)
            self.import_id = imports.begin(
                conn, file_name=self.source.name, file_sha256=self.source.sha256, map_sha256=self.rules.sha or None,
                kind="leads", by=by, now=self.now,
            )
        self._seen.lines.clear()
        for batch in chunks(self._once(report, progress), BATCH):
            with self.store.begin() as conn:
                self._store(conn, batch, report)
        with self.store.begin() as conn:
            blocks = [(hashed, reason, None) for hashed, reason in self._seen.blocks]
            report.suppressed += imports.suppress(conn, blocks, source=self._origin, now=self.now)
            if report.changed:
                report.import_id = self.import_id
                imports.finish(conn, self.import_id, summary(report))
            else:
                imports.drop(conn, self.import_id)
        return report

    @property
    def _origin(self) -> str:
        return f"import {self.import_id}"

    def _open(self) -> tuple[Table, Iterator[Record | Broken]]:
        return open_table(self.source.content, columns=self.rules.columns(), encoding=self.rules.encoding,
                          delimiter=self.rules.delimiter)

    def _drafts(self, found: Forecast | Report, progress: Progress | None) -> Iterator[Draft]:
        """Every readable row; the others are told to `found`."""
        _, records = self._open()
        for record in records:
            found.rows += 1
            if progress is not None and found.rows % 500 == 0:
                progress(self.source.content.tell())
            if isinstance(record, Broken):
                found.skipped.add(record.line, record.reason)
                continue
            try:
                draft = self._rows.draft(record.line, record.values, learnt_from=f"{self._origin} line {record.line}")
            except BadRow as wrong:
                found.skipped.add(record.line, str(wrong))
                continue
            for warning in draft.warnings:
                found.warnings.add(record.line, warning)
            yield draft
        if self.source.content.tell() < self.source.size:
            raise UsageError(f"{self.source.name} became shorter while it was read", fix="import it again")

    def _once(self, found: Forecast | Report, progress: Progress | None) -> Iterator[Draft]:
        """Every person of the file once, at the first row, with what all rows read so far agree on."""
        for draft in self._drafts(found, progress):
            before = self._seen.first(draft)
            if before is None:
                self._seen.settle(draft)
                yield draft
                continue
            found.skipped.add(draft.line, f"the same person as line {before}")
            if isinstance(found, Forecast):
                found.duplicates += 1
                self._seen.narrow(draft)

    def _count(self, conn: Connection, batch: list[Draft], found: Forecast) -> None:
        people = [draft.person for draft in batch]
        by_email, by_external = leads.known(conn, people)
        matches = [leads.match(person, by_email, by_external) for person in people]
        states = imports.mail_consents(conn, [m.id for m in matches if isinstance(m, Known)])
        suppressed = imports.suppressed(conn, {p.email_hash for p in people if p.email_hash})
        for draft, was in zip(batch, matches, strict=True):
            if isinstance(was, str) or _erased(draft, suppressed):
                found.skipped.add(draft.line, was if isinstance(was, str) else ERASED)
                continue
            found.new += was is None
            found.known += was is not None
            found.prospects += draft.person.email is None
            state = states.get(was.id, []) if was is not None else []
            open_before = self._is_open(state) and draft.person.email_hash not in suppressed
            found.mailable_before += open_before
            why = self._closed(draft, state, suppressed)
            if why:
                found.unmailable(why)
                continue
            found.mailable += 1
            if not open_before and draft.person.email_key:
                self._seen.by_file[draft.person.email_key] = frozenset(p.number for p in draft.proofs) & self._mailing

    def _is_open(self, states: list[imports.MailConsent]) -> bool:
        granted = [s for s in states if s.status == ConsentStatus.GRANTED]
        return any(s.until is None or s.until > self.now for s in granted)

    def _closed(self, draft: Draft, states: list[imports.MailConsent], suppressed: Suppressed) -> str:
        """Why this person cannot be mailed after the import, or nothing."""
        if draft.person.email is None:
            return "no address"
        if draft.person.email_hash in suppressed:
            return "suppressed"
        if draft.blocks:
            return "blocked in the file"
        if self._is_open(states):
            return ""
        refused = {s.purpose for s in states if s.status in _CLOSED}
        mailing = (proof.line for proof in draft.proofs if proof.number in self._mailing)
        offered = MAIL_PURPOSES & {purpose for line in mailing for purpose in line.purposes}
        if {purpose.value for purpose in offered} - refused:
            return ""
        return "withdrawn" if refused else "no consent with proof"

    def _archive(self, conn: Connection) -> None:
        """Keep the wordings the map brings along; a known id with another text stops the import (C21)."""
        for wording in archived(self.rules):
            try:
                consent.put_wording(conn, wording.id, wording.text, purposes=wording.purposes,
                                    language=wording.language, now=self.now)
            except Refused as wrong:
                raise UsageError(wrong.message, fix=wrong.fix) from wrong

    def _store(self, conn: Connection, everybody: list[Draft], report: Report) -> None:
        suppressed = imports.suppressed(conn, {d.person.email_hash for d in everybody if d.person.email_hash})
        batch = [draft for draft in everybody if not _erased(draft, suppressed)]
        for draft in everybody:
            if _erased(draft, suppressed):
                report.skipped.add(draft.line, ERASED)
        stored = leads.upsert(conn, [draft.person for draft in batch], now=self.now)
        kept: list[tuple[Draft, int]] = []
        touched: set[int] = set()
        for draft, one in zip(batch, stored, strict=True):
            if one.lead_id is None:
                report.skipped.add(draft.line, one.refused or "not stored")
                continue
            kept.append((draft, one.lead_id))
            report.created += one.created
            report.updated += one.changed and not one.created
            report.unchanged += not one.changed
            if one.changed and not one.created:
                touched.add(one.lead_id)
        blocks = [(hashed, reason, lead) for d, lead in kept if (hashed := d.person.email_hash) for reason in d.blocks]
        report.suppressed += imports.suppress(conn, blocks, source=self._origin, now=self.now)
        entries = [entry for draft, lead in kept for entry in self._entries(draft, lead)]
        report.consents += consent.append(conn, entries, now=self.now, keys=self.keys).written
        new = [one.lead_id for one in stored if one.created and one.lead_id is not None]
        leads.announce(conn, new, kind=EventKind.IMPORTED, now=self.now,
                       data={"import": self.import_id, "file": self.source.name})
        told = [event for draft, lead in kept for event in self._told(draft, lead)]
        report.events += events.record(conn, told, now=self.now)
        wakeups.wake(conn, touched, now=self.now)

    def _entries(self, draft: Draft, lead_id: int) -> Iterator[ConsentEntry]:
        for proof in draft.proofs:
            declared = proof.line.declaration
            seen = {"source": proof.source, "address": draft.person.email, "file": self.source.name, "row": draft.line}
            if declared is not None:
                seen |= {"evidence": declared.evidence, "signed_by": declared.signed_by,
                         "signed_on": declared.signed_on.isoformat()}
            for purpose in proof.line.purposes:
                told = f"{lead_id}|{purpose}|{proof.line.channel}|{proof.at.isoformat()}|{proof.wording}|{proof.source}"
                yield ConsentEntry(
                    lead_id=lead_id, purpose=purpose, action=ConsentAction.IMPORT, at=proof.at, actor=self._origin,
                    channel=proof.line.channel, basis=Basis.CONSENT, jurisdiction=draft.person.country,
                    wording=proof.wording, proof=seen,
                    key="import:" + hashlib.blake2b(told.encode(), digest_size=16).hexdigest(),
                )

    def _told(self, draft: Draft, lead_id: int) -> Iterator[events.NewEvent]:
        for told in draft.told:
            moment = told.at or draft.person.acquired_at or self.now
            when = told.at.isoformat() if told.at else "undated"
            yield events.NewEvent(
                told.line.kind, moment, lead_id=lead_id, topic=told.line.topic, content=told.line.content,
                minutes=told.minutes, key=f"import:{self.rules.name}:{lead_id}:{told.line.kind}:{when}",
                data={"import": self.import_id},
            )


def _erased(draft: Draft, suppressed: Suppressed) -> bool:
    """Whether this address was erased on request: an old file must not bring the person back."""
    return "erased" in suppressed.get(draft.person.email_hash or "", ())
