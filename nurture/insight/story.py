"""One lead explained: what happened, what was sent or refused and why, the score by line, why (not) handed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nurture.decide import gate
from nurture.decide.consent import may_score
from nurture.decide.recycle import recycle_reasons
from nurture.decide.scored import Scored, holding, scored, scores, shadows
from nurture.insight.tellers import TELLERS, Entry, whys
from nurture.model.agreement import Agreement
from nurture.model.facts import Snapshot
from nurture.model.words import MESSAGE_WAITING, Stage
from nurture.parts import Parts
from nurture.stages import hand_off
from nurture.store.audience import snapshots
from nurture.store.facts import stories
from nurture.store.programs import enrollments
from nurture.store.sales import handoffs


@dataclass(frozen=True, slots=True)
class Now:
    """Where an enrollment stands and what comes next."""

    campaign: str
    step: str | None
    state: str
    due_at: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Story:
    lead_id: int
    who: str
    at: datetime
    stage: str
    track: str | None
    entries: tuple[Entry, ...]
    score: Scored
    gate: gate.GateResult
    standing: tuple[Now, ...]
    consents: tuple[str, ...]
    stored: Stored | None = None
    """Of a past moment: what the gate had said by then. `gate` says what today's agreement makes of that day."""
    shadows: tuple[Scored, ...] = ()
    """What shadow models say at the same moment. They decide nothing."""
    handoff: int | None = None
    """The hand-off that is open at that moment."""
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What the gate said when it was last asked; it is kept when it changes. `results`: its predicates, as kept."""

    at: datetime
    outcome: str
    vector: str
    via: str
    agreement_version: int | None
    results: tuple[dict[str, Any], ...]


def tell(
    parts: Parts, lead_id: int, *, now: datetime, at: datetime | None = None, campaign: str | None = None
) -> Story | None:
    """The story up to `at` (default: now), of one campaign only where named. None: no such lead."""
    moment = at or now
    with parts.store.read() as conn:
        head = stories.header(conn, lead_id)
        if head is None:
            return None
        logs = stories.read(conn, lead_id, until=moment)
        snapshot = snapshots.load(conn, [lead_id], now=moment)[lead_id]
        if at is not None:
            first = stories.first_stage(conn, lead_id)
            snapshot = _as_of(snapshot, logs, parts.library.agreement, at, first)
            handoff, deal = stories.with_sales_at(conn, lead_id, snapshot.lead.account_id, at=at)
            snapshot = replace(snapshot, open_handoff=handoff, open_opportunity=deal)
        scorable = may_score(snapshot.consents)
        trip = handoffs.get(conn, snapshot.open_handoff) if snapshot.open_handoff is not None else None
        asked = hand_off.look(parts, conn, lead_id, now=now).result if at is None and scorable else None
        inside = enrollments.open_of(conn, [lead_id]).get(lead_id, [])
    library = parts.library
    # Who objected has no profile: there is nothing to show but what was done.
    profiled = snapshot if scorable else replace(snapshot, events=(), scores=None)
    holds = holding(library.company)
    result = scores(profiled, library.scoring, now=moment, holds=holds)
    beside = shadows(profiled, library.scoring, now=moment, holds=holds)
    entries = tuple(sorted(_entries(logs, campaign), key=lambda e: e.at))
    return Story(
        lead_id=lead_id,
        who=_who(head),
        at=moment,
        stage=snapshot.lead.stage.value,
        track=snapshot.lead.track,
        entries=entries,
        score=result,
        # Of now with all that the hand-off stage sees: room, colleagues, recycles of this period.
        gate=asked or gate.evaluate(snapshot, library.agreement, result, now=moment),
        standing=_standing(inside, logs),
        consents=tuple(
            f"{p.value}/{c.value}: {s.status.value}" + (f" since {s.since:%Y-%m-%d}" if s.since else "")
            for (p, c), s in sorted(snapshot.consents.items())
        ),
        stored=_stored(logs["gate"]) if at is not None else None,
        shadows=tuple(scored(profiled, model, now=moment) for model in beside),
        handoff=trip.id if trip is not None else None,
        owner=trip.owner if trip is not None else None,
    )


def _standing(inside: Sequence[enrollments.Enrolled], logs: dict[str, list[dict[str, Any]]]) -> tuple[Now, ...]:
    """Where each run stands. A mail that waits is the next thing there: when, and what put it off."""
    said = {row["id"]: row["why"] for row in logs["enrollment"]}
    waits = {(row["enrollment_id"], row["step_id"]): row for row in logs["message"] if row["state"] in MESSAGE_WAITING}
    found = []
    for run in inside:
        why, due, mail = said.get(run.id, ""), run.due_at, waits.get((run.id, run.step_id))
        if mail is not None:
            due = mail["due_at"]
            why += f"; put off: {mail['reason_text']}" if mail["reason_text"] else ""
        found.append(Now(run.campaign, run.step_id, run.state, due, why))
    return tuple(found)


def _stored(kept: list[dict[str, Any]]) -> Stored | None:
    if not kept:
        return None
    last = kept[-1]
    return Stored(
        last["at"], last["outcome"], last["vector"], last["via"], last["agreement_version"], tuple(last["results"])
    )


def _as_of(
    snapshot: Snapshot, logs: dict[str, list[dict[str, Any]]], agreement: Agreement, at: datetime, first: str
) -> Snapshot:
    """Caches answer for now; for a past moment the stage, and since when engagement counts, come from the moves."""
    lead = replace(snapshot.lead, stage=Stage(stories.stage_at(logs["transition"], first)))
    if lead.baseline_at is not None and lead.baseline_at > at:
        # Refused later than the moment asked for: what counted then is what counted after the refusal before it.
        back = _refusals(logs["transition"])
        said = str(back[-1]["reason"] or "") if back else ""
        known = recycle_reasons(agreement)
        reason = known.get(said) or known.get(said.partition(":")[0])
        lead = replace(
            lead, baseline_at=back[-1]["occurred_at"] if back else None,
            carryover=reason.carryover if reason is not None else 0.0, cool_off_until=None, cool_off_mode=None,
            recycles=sum(move["trigger"] == "recycle" for move in back),
        )
    return replace(snapshot, lead=lead)


def _refusals(moves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns from sales that were not taken back, oldest first."""
    found: list[dict[str, Any]] = []
    for move in moves:
        if move["to_stage"] == Stage.RECYCLED:
            found.append(move)
        elif move["trigger"] == "undo" and move["from_stage"] == Stage.RECYCLED and found:
            found.pop()
    return found


def _who(head: dict[str, Any]) -> str:
    values = {name: held["v"] for name, held in (head["fields"] or {}).items()}
    name = " ".join(str(values[part]) for part in ("first_name", "last_name") if values.get(part))
    return ", ".join(
        str(part)
        for part in (name, values.get("role"), values.get("company"), head["email"] or head["external_id"])
        if part
    )


def _entries(logs: dict[str, list[dict[str, Any]]], campaign: str | None) -> Iterator[Entry]:
    why = whys(logs["journal"])
    logs = {**logs, "message": [
        {**row, "when": why.get((row["enrollment_id"], row["step_id"]))} for row in logs["message"]
    ]}  # fmt: skip
    for kind, rows in logs.items():
        wanted = [row for row in rows if campaign is None or row.get("campaign") in (None, campaign)]
        if kind in TELLERS:
            yield from TELLERS[kind](wanted)
