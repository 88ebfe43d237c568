"""One lead explained: what happened, what was sent or refused and why, the score by line, why (not) handed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nurture.decide import gate
from nurture.decide.consent import may_score
from nurture.decide.recycle import recycle_reasons
from nurture.decide.scored import Scored, holding, scored, scores, shadows
from nurture.model.agreement import Agreement
from nurture.model.facts import Snapshot
from nurture.model.words import MessageState, Stage
from nurture.parts import Parts
from nurture.stages import hand_off
from nurture.store import enrollments, handoffs, snapshots, stories


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story. `kind` names its log, `text` says it; `campaign` and `step` where it belongs to one."""

    at: datetime
    kind: str
    text: str
    campaign: str | None = None
    step: str | None = None


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
    entries = _together(sorted(_entries(logs, campaign), key=lambda e: e.at))
    whys = {row["id"]: row["why"] for row in logs["enrollment"]}
    return Story(
        lead_id=lead_id,
        who=_who(head),
        at=moment,
        stage=snapshot.lead.stage.value,
        track=snapshot.lead.track,
        entries=tuple(entries),
        score=result,
        # Of now with all that the hand-off stage sees: room, colleagues, recycles of this period.
        gate=asked or gate.evaluate(snapshot, library.agreement, result, now=moment),
        standing=tuple(Now(e.campaign, e.step_id, e.state, e.due_at, whys.get(e.id, "")) for e in inside),
        consents=tuple(
            f"{p.value}/{c.value}: {s.status.value}" + (f" since {s.since:%Y-%m-%d}" if s.since else "")
            for (p, c), s in sorted(snapshot.consents.items())
        ),
        stored=_stored(logs["gate"]) if at is not None else None,
        shadows=tuple(scored(profiled, model, now=moment) for model in beside),
        handoff=trip.id if trip is not None else None,
        owner=trip.owner if trip is not None else None,
    )


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
    for kind, rows in logs.items():
        told = _TELLERS.get(kind)
        for row in rows if told else ():
            if campaign is None or row.get("campaign") in (None, campaign):
                yield from told(row)  # type: ignore[misc]  # None was filtered above


def _together(entries: list[Entry]) -> list[Entry]:
    """Consents given by one click are one line."""
    told: list[Entry] = []
    for entry in entries:
        last = told[-1] if told else None
        verb = entry.text.split(" ", 1)[0]
        if (
            last is not None
            and entry.kind == last.kind == "consent"
            and last.at == entry.at
            and last.text.startswith(verb + " ")
        ):
            told[-1] = replace(last, text=f"{last.text}; {entry.text.removeprefix(verb + ' ')}")
        else:
            told.append(entry)
    return told


def _event(row: dict[str, Any]) -> Iterator[Entry]:
    what = row["content"] or row["link"] or row["path"] or row["touchpoint"] or ""
    text = f"{row['kind'].replace('_', ' ')} {what}".strip()
    if row["minutes"] is not None:
        text += f", {row['minutes']} minutes"
    if row["kind"] == "auto_reply" and (back := (row["data"] or {}).get("back_on")):
        text += f", away until {back}"
    if row["points"] is not None:
        text = f"{row['points'] / 1000:+g} points: {(row['data'] or {}).get('because', '')}"
    marks = [
        mark
        for mark, on in (("a machine", row["machine"]), ("void", row["void"]), (row["flags"] or "", bool(row["flags"])))
        if on
    ]
    yield Entry(
        row["occurred_at"], "event", text + (f" ({', '.join(marks)})" if marks else ""), row["campaign"], row["step"]
    )


def _consent(row: dict[str, Any]) -> Iterator[Entry]:
    by = f" by {row['actor']}" if row["actor"] != "person" else ""
    text = f"{row['action']} {row['purpose']} ({row['channel']}){by}" + (
        f", wording {row['wording']}" if row["wording"] else ""
    )
    yield Entry(row["at"], "consent", text)


def _transition(row: dict[str, Any]) -> Iterator[Entry]:
    actor = row["actor_id"] or row["actor_kind"]
    why = f": {row['reason']}" if row["reason"] else ""
    yield Entry(
        row["occurred_at"],
        "stage",
        f"{row['from_stage']} -> {row['to_stage']} ({row['rule']} {row['trigger']}, {actor}){why}",
    )


def _journal(row: dict[str, Any]) -> Iterator[Entry]:
    words = {"not_entered": "did not enter", "entered": "entered", "left": "left", "finished": "finished"}
    text = f"{words[row['kind']]} {row['campaign']}: {row['text']}" if row["kind"] in words else row["text"]
    yield Entry(row["at"], row["kind"], text, row["campaign"], row["step"])


def _message(row: dict[str, Any]) -> Iterator[Entry]:
    variant = f" [{row['variant']}]" if row["variant"] else ""
    why = row["reason_text"] or row["reason"] or ""
    match row["state"]:
        case MessageState.SENT:
            yield Entry(row["sent_at"], "sent", f"SENT {row['template']}{variant}", row["campaign"], row["step_id"])
        case MessageState.REFUSED | MessageState.FAILED as state:
            yield Entry(
                row["ended_at"] or row["planned_at"],
                state,
                f"{state} {row['template']}{variant}: {why}",
                row["campaign"],
                row["step_id"],
            )
        case state:
            when = (
                f", due {row['due_at']:%Y-%m-%d %H:%M}"
                if state in (MessageState.PLANNED, MessageState.DEFERRED)
                else ""
            )
            yield Entry(
                row["planned_at"],
                state,
                f"{state} {row['template']}{variant}{when}" + (f": {why}" if why else ""),
                row["campaign"],
                row["step_id"],
            )


def _gate(row: dict[str, Any]) -> Iterator[Entry]:
    missing = [r["id"] for r in row["results"] if r.get("outcome") != "pass" and not r.get("skipped")]
    yield Entry(
        row["at"],
        "gate",
        f"gate: {row['outcome']}" + (f", open: {' '.join(missing)}" if missing and row["outcome"] != "pass" else ""),
    )


def _handoff(row: dict[str, Any]) -> Iterator[Entry]:
    yield Entry(
        row["opened_at"],
        "hand_off",
        f"handed to {row['queue']}"
        + (f" ({row['owner']})" if row["owner"] else "")
        + f", cell {row['cell']}, via {row['via']}",
    )


def _decision(row: dict[str, Any]) -> Iterator[Entry]:
    why = " ".join(str(part) for part in (row["reason"], row["note"]) if part)
    yield Entry(row["at"], "sales", f"{row['actor_id']}: {row['decision']}" + (f", {why}" if why else ""))


def _activity(row: dict[str, Any]) -> Iterator[Entry]:
    yield Entry(
        row["at"], "sales", f"{row['actor_id']}: {row['kind']} {row['outcome'] or ''} {row['note'] or ''}".strip()
    )


def _timer(row: dict[str, Any]) -> Iterator[Entry]:
    if row["breached_at"] is not None:
        yield Entry(row["breached_at"], "sla", f"{row['kind']} was due {row['due_at']:%Y-%m-%d %H:%M} and was missed")


_TELLERS = {
    "event": _event,
    "consent": _consent,
    "transition": _transition,
    "journal": _journal,
    "message": _message,
    "gate": _gate,
    "handoff": _handoff,
    "decision": _decision,
    "activity": _activity,
    "timer": _timer,
}
