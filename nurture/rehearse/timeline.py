"""A rehearsal as a time line: one line per thing that happened, in the lead's own time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nurture.insight.tellers import whys
from nurture.rehearse.world import World
from nurture.store.facts import stories
from nurture.store.running import rehearsals
from nurture.store.sales import handoffs


@dataclass(frozen=True, slots=True)
class Moment:
    """`who` is the step, or `event` for what the world did; `why` stands behind an arrow."""

    at: datetime
    who: str
    text: str
    why: str = ""


def of(world: World, lead_id: int, campaign: str, *, since: datetime) -> list[Moment]:
    """What the program did with this lead in this campaign: sends, refusals, steps, moves, hand-offs."""
    with world.store.read() as conn:
        logs = stories.read(conn, lead_id, until=world.clock.now())
        done = rehearsals.steps_passed(conn, lead_id, campaign)
        trips = handoffs.of_lead(conn, lead_id)
    sends = {row["step_id"] for row in logs["message"] if row["campaign"] == campaign}
    why = whys(logs["journal"])
    found = [m for row in logs["message"] if row["campaign"] == campaign for m in _message(row, why)]
    found += [Moment(at, step, said, _refusal(logs["gate"], said, at)) for step, at, said in done if step not in sends]
    found += [
        Moment(row["at"], row["kind"], row["text"])
        for row in logs["journal"]
        if row["kind"] in ("moved", "left") and row["at"] >= since
    ]
    found += [
        Moment(trip.opened_at, trip.step_id or "gate", f"HAND OFF to {trip.queue}", f"cell {trip.cell}, via {trip.via}")
        for trip in trips
    ]
    # What happened at one moment stands in the order in which it was passed.
    order = {step: place for place, (step, _, _) in enumerate(done)}
    return sorted(found, key=lambda m: (m.at, order.get(m.who, len(order))))


def _refusal(gates: Sequence[Mapping[str, Any]], said: str, at: datetime) -> str:
    """What the gate still wanted when a hand-off step gave up."""
    asked = [row for row in gates if row["at"] <= at]
    if not said.startswith("not handed off"):
        return ""
    if not asked:
        return "the gate was never asked; its own `only_when` did not hold"
    open_ = [r for r in asked[-1]["results"] if r.get("outcome") != "pass" and not r.get("skipped")]
    if not open_:
        return "the gate was open; its own `only_when` did not hold"
    return "the gate wants: " + "; ".join(f"{r['id']} {r['missing'] or r['text']}" for r in open_[:3])


def _message(row: Mapping[str, Any], why: Mapping[tuple[int, str], str]) -> Iterable[Moment]:
    step, variant = str(row["step_id"]), f" [{row['variant']}]" if row["variant"] else ""
    at = row["sent_at"] or row["ended_at"] or row["planned_at"]
    assert isinstance(at, datetime)
    if row["state"] == "sent":
        yield Moment(at, step, f"SEND {row['template']}{variant}", why.get((row["enrollment_id"], step), ""))
    else:
        yield Moment(
            at, step, f"{row['state']} {row['template']}{variant}", str(row["reason_text"] or row["reason"] or "")
        )


def lines(moments: Iterable[Moment], zone: ZoneInfo) -> list[str]:
    """`Mon 08 Jun 09:00  case-study       SEND consideration/case-study [question]   <- why`."""
    return [
        f"{m.at.astimezone(zone):%a %d %b %H:%M}  {m.who:<18} {m.text}" + (f"   <- {m.why}" if m.why else "")
        for m in moments
    ]
