"""A world for edits: files as text, people on steps, a real store, mail that goes nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, insert, select, text

from nurture import pipeline
from nurture.acts import apply as applying
from nurture.acts.apply import Draft, Plan
from nurture.assembly import refresh
from nurture.authoring import read_sources
from nurture.mail.memory import MemoryTransport
from nurture.model.tokens import Keys, address_hash
from nurture.model.words import Purpose
from nurture.parts import Parts
from nurture.store import Store
from nurture.store.tables import (
    ConsentStateRow,
    EnrollmentRow,
    LeadRow,
    LeadTagRow,
    MessageRow,
    StepDoneRow,
    metadata,
)

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEYS = Keys.from_secrets(["a secret that is only used in tests, and long"])
GOOD = Path(__file__).parent.parent / "authoring" / "good"
POOL = tuple(f"s{n}" for n in range(8))
enrollment = EnrollmentRow.__table__
message = MessageRow.__table__


@dataclass(frozen=True)
class S:
    """A step for a generated file. `kind`: `send`, `score` or `fork` (a wait_for with two sends inside)."""

    name: str
    days: int = 1
    kind: str = "send"
    was: str | None = None
    template: str | None = None


def campaign_file(steps: Sequence[S], *, extra: str = "", top: str = "") -> str:
    lines = [
        "campaign: drip",
        "name: Drip",
        "funnel_stage: awareness",
        "track: education",
        "owner: ines@example.com",
        "status: live",
        *top.splitlines(),
        "enter:",
        "  when: [{ form: buyers-guide }]",
        "  only_if: { consent: nurture_email }",
        *extra.splitlines(),
        "sending: { topic: product-education, sender: Ines at Acme <ines@example.com> }",
        "steps:",
    ]
    for step in steps:
        lines += _step(step)
    return "\n".join(lines) + "\n"


def _step(step: S) -> list[str]:
    lines = [f"  - step: {step.name}"]
    lines += [f"    was: {step.was}"] if step.was else []
    lines += [f"    after: {step.days} days"] if step.days else []
    match step.kind:
        case "score":
            return [*lines, "    score: +5", "    because: came this far"]
        case "fork":
            inner = [f"      - {{ step: {step.name}-yes, send: t/{step.name}-yes }}"]
            other = [f"      - {{ step: {step.name}-no, send: t/{step.name}-no }}"]
            waits = ["    wait_for: { clicked: any }", "    within: 2 days", "    if_unknown: otherwise"]
            return [*lines, *waits, "    then:", *inner, "    otherwise:", *other]
    return [*lines, f"    send: t/{step.template or step.name}"]


def template_file(name: str, words: str = "words") -> str:
    front = "\n".join(
        [
            f"content: {name}",
            "kind: educational",
            "depth: awareness",
            "topics: [product-education]",
            f"subject: About {name}",
            "preheader: More",
        ]
    )
    return f'---\n{front}\n---\nHello, {words}: [read](https://www.example.com/{name} "read")\n'


def base_sources() -> dict[str, str]:
    """Company files and layouts that check clean, and a template for every step a file may have."""
    names = [f"campaigns/{n}.yaml" for n in ("company", "tracks", "scoring", "agreement", "sales")]
    names += ["templates/_base.html", "templates/_base.txt"]
    found = {name: (GOOD / name).read_text(encoding="utf-8") for name in names}
    every = [part for name in (*POOL, *(f"r{n}" for n in range(8))) for part in (name, f"{name}-yes", f"{name}-no")]
    found |= {f"templates/t/{name}.en.md": template_file(name) for name in every}
    return found


BASE = base_sources()


def draft(file: str, **more: str) -> Draft:
    return applying.draft_of(read_sources({**BASE, **more, "campaigns/drip.yaml": file}))


@dataclass
class World:
    store: Store
    transport: MemoryTransport = field(default_factory=MemoryTransport)
    parts: Parts = field(init=False)
    now: datetime = START
    used: bool = False
    """Whether other examples ran in this database before."""

    def __post_init__(self) -> None:
        if self.used:
            self.clear()
        library = read_sources({}).draft
        assert library is not None
        self.parts = Parts(self.store, library, KEYS, self.transport, "https://go.example.com")

    def clear(self) -> None:
        """An empty database, so that examples of one test do not see each other."""
        with self.store.begin() as conn:
            names = [table.name for table in metadata.sorted_tables]
            if not self.store.is_sqlite:
                conn.execute(text("; ".join(f'DELETE FROM "{name}"' for name in names)))
                return
            for table in metadata.sorted_tables:
                conn.execute(delete(table))

    def plan(self, made: Draft) -> Plan:
        with self.store.read() as conn:
            return applying.plan(conn, made, now=self.now)

    def apply(self, made: Draft) -> Plan:
        """Apply and say every number back."""
        done = applying.apply(self.store, made, now=self.now, by="test", accept=self.plan(made).asks)
        refresh(self.parts)
        return done

    def rollback(self, n: int) -> Plan:
        with self.store.read() as conn:
            made = applying.rollback(conn, "drip", n)
        return self.apply(made)

    def people(
        self, stands: Iterable[tuple[str | None, float]], *, purposes: Iterable[Purpose] = (Purpose.NURTURE_EMAIL,)
    ) -> None:
        """One lead per (step, days since the step before was done), due by the version that runs."""
        from nurture.decide.effect import due_of
        from nurture.model.facts import Lead
        from nurture.model.intents import Position
        from nurture.model.words import Stage

        live = self.parts.library.campaigns["drip"]
        leads, consents, rows = [], [], []
        for i, (step, days) in enumerate(stands, start=1):
            email = f"lead{i}@example.org"
            anchor = self.now - timedelta(days=days)
            zone = ("Europe/Berlin", "America/New_York", None)[i % 3]
            due = due_of(
                live, Position(step, anchor), Lead(i, Stage.NURTURING, timezone=zone), self.parts.library.company
            )
            leads.append(
                {
                    "id": i,
                    "email": email,
                    "email_key": email,
                    "email_hash": address_hash(KEYS, email),
                    "stage": "nurturing",
                    "timezone": zone,
                    "track": "education",
                    "track_since": anchor,
                    "created_at": anchor,
                    "updated_at": anchor,
                    "domain_group": "example.org",
                }
            )
            consents += [
                {"lead_id": i, "purpose": p, "channel": "email", "status": "granted", "since": anchor} for p in purposes
            ]
            rows.append(
                {
                    "id": i,
                    "lead_id": i,
                    "campaign": "drip",
                    "track": "education",
                    "version_entered": 1,
                    "version_now": 1,
                    "step_id": step,
                    "anchor_at": anchor,
                    "entered_at": anchor,
                    "due_at": due,
                }
            )
        with self.store.begin() as conn:
            for model, values in ((LeadRow, leads), (ConsentStateRow, consents), (EnrollmentRow, rows)):
                if values:
                    conn.execute(insert(model), values)
            if not self.store.is_sqlite:
                # Rows with ids of their own leave PostgreSQL's counters behind.
                for name in ("lead", "enrollment"):
                    conn.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 1000)"))

    def people_at(self, lead_id: int, *, version: int, step: str = "s1", email: str | None = None) -> None:
        """One more lead, on a step of a version, due now."""
        lead = {"id": lead_id, "stage": "nurturing", "created_at": self.now, "updated_at": self.now}
        if email is not None:
            lead |= {"email": email, "email_key": email, "email_hash": address_hash(KEYS, email)}
        with self.store.begin() as conn:
            conn.execute(insert(LeadRow), [lead])
            granted = {"purpose": Purpose.NURTURE_EMAIL, "channel": "email", "status": "granted", "since": self.now}
            conn.execute(insert(ConsentStateRow), [{"lead_id": lead_id, **granted}])
            conn.execute(
                insert(EnrollmentRow),
                [
                    {
                        "id": lead_id,
                        "lead_id": lead_id,
                        "campaign": "drip",
                        "track": "education",
                        "version_entered": version,
                        "version_now": version,
                        "step_id": step,
                        "anchor_at": self.now,
                        "entered_at": self.now,
                        "due_at": self.now,
                    }
                ],
            )

    def agree(self, lead_id: int, purpose: Purpose) -> None:
        granted = {"purpose": purpose, "channel": "email", "status": "granted", "since": self.now}
        with self.store.begin() as conn:
            conn.execute(insert(ConsentStateRow), [{"lead_id": lead_id, **granted}])

    def tag(self, lead_id: int, word: str) -> None:
        with self.store.begin() as conn:
            conn.execute(insert(LeadTagRow), [{"lead_id": lead_id, "tag": word, "at": self.now}])

    def refresh(self) -> None:
        refresh(self.parts)

    def run(self, *stages: str) -> None:
        pipeline.run_due(self.parts, now=self.now, owner="test", stages=stages or ("rebase", "plan", "send"))

    def positions(self) -> dict[int, tuple[str | None, datetime, datetime | None, int]]:
        columns = [enrollment.c[n] for n in ("id", "step_id", "anchor_at", "due_at", "version_now")]
        with self.store.read() as conn:
            return {
                row[0]: (row[1], row[2], row[3], row[4])
                for row in conn.execute(select(*columns).order_by(enrollment.c.id))
            }

    def lazily(self) -> dict[int, tuple[str | None, datetime]]:
        """Where everybody would stand if they woke now."""
        from nurture.stages.rebase import place
        from nurture.store.programs import enrollments

        with self.store.read() as conn:
            ids = list(conn.execute(select(enrollment.c.id)).scalars())
            found = {}
            for one in enrollments.by_ids(conn, ids):
                live = self.parts.campaign("drip", one.version_now)
                assert live is not None
                position, _ = place(self.parts, conn, one, live)
                found[one.id] = (position.step_id, position.anchor_at)
            return found

    def sent(self) -> list[tuple[int, int, str]]:
        """(lead, run, content) of every mail that left."""
        with self.store.read() as conn:
            query = select(message.c.lead_id, message.c.run, message.c.content).where(message.c.state == "sent")
            return [tuple(row) for row in conn.execute(query)]

    def dump(self) -> Mapping[str, list[tuple[object, ...]]]:
        """Every row of what an apply may touch."""
        wanted = (
            "campaign",
            "campaign_version",
            "template_version",
            "config_version",
            "redirect",
            "note",
            "plan",
            "enrollment",
            "wakeup",
        )
        with self.store.read() as conn:
            return {
                t.name: sorted((tuple(map(repr, row)) for row in conn.execute(select(t))), key=repr)
                for t in metadata.sorted_tables
                if t.name in wanted
            }


__all__ = ["BASE", "POOL", "START", "Draft", "S", "StepDoneRow", "World", "campaign_file", "draft", "template_file"]
