"""The desk of sales: what a named human decides about a hand-off, each in one transaction, each with a key.

The same key gives the first result again; a different decision on a closed hand-off is a `Conflict`. Reasons come
from the closed lists of `agreement.yaml`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.decide import recycle as recycling
from nurture.decide import sla
from nurture.decide.gate import Override
from nurture.errors import Conflict, Refused
from nurture.model.company import BUILT_IN_FIELDS, Seller
from nurture.model.facts import WANTED
from nurture.model.words import ActorKind, Stage
from nurture.parts import Parts
from nurture.stages import hand_off, opening
from nurture.store import Connection
from nurture.store.audience import people
from nurture.store.privacy import suppressions
from nurture.store.programs import enrollments
from nurture.store.sales import handoffs, lifecycle, timers
from nurture.store.sales.handoffs import LETTERS, Handoff
from nurture.store.sales.lifecycle import Actor

ANSWERS: Final = ("unknown", "no", "partly", "yes")
GOOD: Final = frozenset({"partly", "yes"})


@dataclass(frozen=True, slots=True)
class Decided:
    """What a command did. `repeated`: its key was known, this is the first result."""

    decision: str
    handoff_id: int
    lead_id: int
    stage: str
    reason: str | None = None
    repeated: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def accept(parts: Parts, handoff_id: int, *, by: str, now: datetime, key: str | None = None,
           expected_version: int | None = None, note: str | None = None) -> Decided:
    """Take the lead on: mql -> sal. The hand-off becomes the seller's own."""
    seller = who(parts, by)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "accept", key, now, note=note)
        if desk.first is not None:
            return desk.first
        handoff = desk.undecided(expected_version)
        desk.move("accept")
        timers.meet(conn, handoff.id, ["decision"], now=now)
        changed = handoffs.change(conn, handoff, state="accepted", owner=seller.id, decided_at=now)
        timers.hand_over(conn, handoff.id, seller.id)
        for kind in ("first_touch", "qualification"):
            _timer(desk, kind, changed)
        return desk.keep()


def reject(parts: Parts, handoff_id: int, *, reason: str | None, by: str, now: datetime, note: str | None = None,
           key: str | None = None, expected_version: int | None = None) -> Decided:
    """Turn the lead away for a reason of the closed list: mql, sal or sql -> disqualified."""
    seller = who(parts, by)
    found = recycling.reject_reason_of(parts.library.agreement, reason)
    needs_note(found.note_required, found.id, note)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "reject", key, now, reason=found.id, note=note)
        if desk.first is not None:
            return desk.first
        handoff = desk.still_open(expected_version)
        desk.move("reject")
        opening.close(conn, handoff, state="rejected", reason=found.id, now=now)
        suppressed = found.suppress and suppressions.by_sales(
            conn, handoff.lead_id, reason=found.id, by=seller.id, now=now
        )
        return desk.keep(terminal=found.terminal, suppressed=suppressed)


def recycle(parts: Parts, handoff_id: int, *, reason: str | None, by: str, now: datetime, note: str | None = None,
            revisit_on: date | None = None, key: str | None = None, expected_version: int | None = None,
            fields: tuple[str, ...] = ()) -> Decided:
    """Not yet: mql, sal or sql -> recycled. The reason chooses cool-off, mail mode and the way back."""
    seller = who(parts, by)
    agreement = parts.library.agreement
    found = recycling.reason_of(agreement, reason)
    needs_note(found.note_required, found.id, note)
    back = recycling.way_back(found, now=now, calendar=agreement.calendar, revisit_on=revisit_on,
                              tracks=parts.library.tracks)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "recycle", key, now, reason=found.id, note=note,
                     revisit_on=revisit_on)
        if desk.first is not None:
            return desk.first
        handoff = desk.still_open(expected_version)
        columns = back.as_columns() | {"recycles": desk.lead.recycles + 1}
        desk.move("recycle", columns=columns, track=back.track, silent=back.mode == "silent" and not back.track)
        opening.close(conn, handoff, state="recycled", reason=found.id, now=now)
        if revisit_on is not None:
            opening.remind_on(parts, conn, handoff, seller, revisit_on, because=found.label, now=now)
        if fields:
            people.learn(conn, handoff.lead_id, {WANTED: list(fields)}, origin="sales",
                         source=f"hand-off {handoff.id}", now=now)
        zone = ZoneInfo(agreement.calendar.zone)
        until = back.cool_off_until.astimezone(zone).isoformat() if back.cool_off_until else None
        return desk.keep(cool_off_until=until, mode=back.mode, track=back.track, fields=list(fields))


def return_for_data(parts: Parts, handoff_id: int, *, missing: tuple[str, ...], by: str, now: datetime,
                    note: str | None = None, key: str | None = None,
                    expected_version: int | None = None) -> Decided:
    """Something is missing: back to profiling, and not to sales again before these fields are known.

    Raises:
        Refused: `needs_fields` without any, `unknown_field` for what no lead can hold.
    """
    fields = tuple(dict.fromkeys(_field(parts, said) for said in missing))
    if not fields:
        raise Refused("Say which fields are missing.", code="needs_fields", fix="--field phone --field company")
    return recycle(parts, handoff_id, reason=recycling.MISSING_DATA, by=by, now=now, key=key, fields=fields,
                   expected_version=expected_version, note=note or f"missing: {', '.join(fields)}")


def _field(parts: Parts, said: str) -> str:
    """A field by its name or its label: sales writes what it sees."""
    known = {**BUILT_IN_FIELDS, **parts.library.company.lead_fields}
    asked = said.strip().casefold()
    found = next((n for n, f in known.items() if asked in (n, n.replace("_", " "), f.label.casefold())), None)
    if found is None:
        raise Refused(f"`{said}` is nothing a lead can tell us.", code="unknown_field",
                      fix=f"one of: {', '.join(sorted(known))}; anything else goes into the note")
    return found


def qualify(parts: Parts, handoff_id: int, *, bant: Mapping[str, str], by: str, now: datetime, key: str | None = None,
            notes: Mapping[str, str] | None = None, note: str | None = None,
            expected_version: int | None = None) -> Decided:
    """Write down what was learnt (budget, authority, need, timeline) and, where it is enough, move sal -> sql.

    Raises:
        Refused: `bant_missing` with what the agreement still wants; what was learnt is kept all the same.
    """
    seller = who(parts, by)
    _check_bant(bant)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "qualify", key, now, note=note, unique=dict(sorted(bant.items())))
        if desk.first is not None:
            return desk.first
        handoff = desk.still_open(expected_version)
        rows = [{"lead_id": handoff.lead_id, "cycle": handoff.cycle, "letter": letter, "answer": answer,
                 "note": (notes or {}).get(letter), "actor_id": seller.id, "declared": False, "at": now}
                for letter, answer in bant.items()]
        handoffs.answer_bant(conn, rows)
        lacking = _lacking(parts, conn, handoff)
        if not lacking:
            desk.move("qualify")
            timers.meet(conn, handoff.id, ["qualification", "first_touch"], now=now)
            handoff = handoffs.change(conn, handoff, owner=handoff.owner or seller.id)
            _timer(desk, "conversion", handoff)
            return desk.keep(bant=dict(bant))
    raise Refused(f"Not enough is known yet: {lacking}.", code="bant_missing",
                  fix="what you wrote is kept; add the rest when you know it")


def take(parts: Parts, lead_id: int, *, by: str, reason: str, now: datetime, queue: str | None = None,
         overrides: Mapping[str, str] | None = None) -> Decided:
    """A seller asks for a lead the score did not hand over (manual pull). Consent is asked all the same.

    `overrides`: soft predicate -> why this seller goes past it.

    Raises:
        Refused: `gate_says_no`, naming the smallest missing thing.
    """
    seller = who(parts, by)
    past = {number: Override(seller.id, why) for number, why in (overrides or {}).items()}
    with parts.store.begin() as conn:
        asked = hand_off.ask(parts, conn, lead_id, now=now, via="manual_pull", by=seller.id, reason=reason, queue=queue,
                             overrides=past)
    if asked.handoff_id is None:
        why_not = asked.result.why_not if asked.result is not None else ()
        missing = "; ".join(f"{p.id} {p.text}" for p in why_not) or "somebody has it already"
        raise Refused(f"This lead cannot be taken: {missing}.", code="gate_says_no",
                      fix=why_not[0].missing if why_not else "")
    return Decided("take", asked.handoff_id, lead_id, Stage.MQL.value, reason)


def undo(parts: Parts, handoff_id: int, *, by: str, now: datetime, key: str | None = None,
         note: str | None = None) -> Decided:
    """Take one's own reject or recycle back, until the end of the next working day: hand-off and timers run on.

    Raises:
        Refused: `nothing_to_undo`, `not_yours`, or `too_late`.
    """
    seller = who(parts, by)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "undo", key, now, note=note)
        if desk.first is not None:
            return desk.first
        handoff = desk.handoff
        last = last_word(parts, handoff, handoffs.decisions_of(conn, handoff.id), by=seller.id, now=now)
        newer = handoffs.open_of(conn, handoff.lead_id)
        if newer is not None:
            raise Refused(f"This lead was handed over again since: hand-off {newer.id}.", code="too_late",
                          fix=f"decide on hand-off {newer.id}")
        before = last["data"]["before"]
        desk.move("undo", columns={**before["columns"], **_times(before)}, previous=Stage(before["stage"]))
        if before["track"] != desk.lead.track:
            enrollments.change_track(conn, desk.lead.id, before["track"], now=now, reason="undo", status="paused")
        enrollments.take_back(conn, desk.lead.id, since=last["at"], now=now)
        timers.restore(conn, handoff.id, ended_at=last["at"])
        handoffs.change(conn, handoff, state=before["state"], closed_at=None, reason=None)
        if last["decision"] == "reject" and last["data"].get("suppressed"):
            suppressions.lift_sales(conn, handoff.lead_id, by=seller.id, now=now)
        return desk.keep(correction_of=last["id"])


def last_word(
    parts: Parts, handoff: Handoff, decisions: Sequence[Mapping[str, Any]], *, by: str, now: datetime
) -> Mapping[str, Any]:
    """The decision that `by` may take back now.

    Raises:
        Refused: `nothing_to_undo`, `not_yours`, or `too_late`.
    """
    last = decisions[-1] if decisions else None
    if last is None or last["decision"] not in ("reject", "recycle") or handoff.closed_at is None:
        raise Refused("There is no rejection or recycle to take back.", code="nothing_to_undo")
    if last["actor_id"] != by:
        raise Refused(f"This was decided by {last['actor_id']}.", code="not_yours", fix="ask them to take it back")
    if now > sla.end_of_next_working_day(last["at"], parts.library.agreement):
        raise Refused("It is too late to take this back.", code="too_late", fix="ask marketing to reopen the lead")
    return last


def who(parts: Parts, by: str | None) -> Seller:
    """The named human of `sales.yaml`.

    Raises:
        Refused: `needs_human` where nobody, or nobody we know, decides.
    """
    sellers = parts.library.sales.sellers
    found = sellers.get(by or "") or next(
        (s for s in sellers.values() if by and s.email.casefold() == by.casefold()), None
    )
    if found is None or found.role == "marketing":
        said = f"`{by}` is not one of the sellers" if by else "Somebody has to decide in their own name"
        if found is not None:
            said = f"`{found.id}` is of marketing, which does not decide on leads"
        names = ", ".join(sorted(s.id for s in sellers.values() if s.role != "marketing"))
        fix = f"--as one of: {names}" if names else "give somebody in sales.yaml another role, as `role: sdr`"
        raise Refused(f"{said}.", code="needs_human", fix=fix)
    return found


class Desk:
    """One decision on one hand-off, with its rows locked and its first result, should this be a repeat."""

    def __init__(
        self, parts: Parts, conn: Connection, handoff_id: int, seller: Seller, decision: str, key: str | None,
        now: datetime, *, reason: str | None = None, note: str | None = None, revisit_on: date | None = None,
        unique: object = None,
    ) -> None:
        self.parts, self.conn, self.seller, self.decision, self.now = parts, conn, seller, decision, now
        self.reason, self.note, self.revisit_on = reason, note, revisit_on
        self.lead = lifecycle.lock(conn, handoffs.get(conn, handoff_id).lead_id)
        self.handoff = handoffs.get(conn, handoff_id, hold=True)
        # Without a key of the caller's: the same decision on the same state of the hand-off is the same command.
        self.key = key or key_of(decision, handoff_id, seller.id, reason, self._round(), unique)
        self.first = self._repeat()
        self.stage = Stage(self.lead.stage)

    def _round(self) -> int:
        """How often a decision on this hand-off was taken back: after an undo the same decision is a new one."""
        return sum(1 for d in handoffs.decisions_of(self.conn, self.handoff.id) if d["decision"] == "undo")

    def _repeat(self) -> Decided | None:
        row = handoffs.decision_by_key(self.conn, self.key)
        if row is None:
            return None
        if row["handoff_id"] != self.handoff.id or row["decision"] != self.decision:
            raise Conflict("This key was used for another decision.", fix="use a key of its own per command")
        more = {k: v for k, v in row["data"].items() if k not in ("before", "stage")}
        return Decided(row["decision"], row["handoff_id"], row["lead_id"], row["data"].get("stage", self.lead.stage),
                       row["reason"], repeated=True, more=more)

    def still_open(self, expected_version: int | None) -> Handoff:
        handoff = self.handoff
        if handoff.closed_at is not None:
            raise Conflict(
                f"This hand-off is closed: {handoff.state}{', ' + handoff.reason if handoff.reason else ''}.",
                fix="see `nurture sales show` for who decided what",
            )
        if expected_version is not None and handoff.version != expected_version:
            raise Conflict("Somebody changed this hand-off since you looked at it.", fix="look at it again")
        return handoff

    def undecided(self, expected_version: int | None) -> Handoff:
        handoff = self.still_open(expected_version)
        if handoff.state == "accepted":
            raise Conflict(f"This hand-off was accepted by {handoff.owner}.", fix="ask them to pass it on")
        return handoff

    def move(self, trigger: str, *, columns: Mapping[str, Any] | None = None, track: str | None = None,
             silent: bool = False, previous: Stage | None = None) -> None:
        applied = lifecycle.apply(
            self.conn, self.lead.id, trigger, actor=Actor(ActorKind.SALES, self.seller.id), key=f"desk/{self.key}",
            now=self.now, reason=self.reason, note=self.note, columns=columns, track=track, silent=silent,
            previous=previous, beside=self.parts.library.tracks.beside, config_sha=self.parts.library.config_sha,
            agreement_version=self.parts.library.agreement.version,
        )
        self.stage = applied.after

    def keep(self, *, correction_of: int | None = None, **more: Any) -> Decided:
        """Write the decision down, with what an undo would have to restore."""
        kept = {name: getattr(self.lead, name) for name in _RESTORED}
        times = {name: kept.pop(name).isoformat() if kept[name] is not None else None for name in _TIMES}
        data = {**more, "stage": self.stage.value,
                "before": {"stage": self.lead.stage, "state": self.handoff.state, "track": self.lead.track,
                           "columns": kept, "times": times}}
        handoffs.keep_decision(self.conn, {
            "key": self.key, "handoff_id": self.handoff.id, "lead_id": self.lead.id, "decision": self.decision,
            "reason": self.reason, "note": self.note, "actor_id": self.seller.id, "at": self.now,
            "revisit_on": self.revisit_on.isoformat() if self.revisit_on else None, "correction_of": correction_of,
            "data": data,
        })
        return Decided(self.decision, self.handoff.id, self.lead.id, self.stage.value, self.reason, more=more)


_TIMES: Final = ("baseline_at", "cool_off_until")
_RESTORED: Final = (*_TIMES, "carryover", "cool_off_mode", "recycle_reason", "recycles")


def _times(before: Mapping[str, Any]) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(at) if at else None for name, at in before["times"].items()}


def _timer(desk: Desk, kind: sla.Timed, handoff: Handoff) -> None:
    agreement = desk.parts.library.agreement
    started = sla.start(kind, opening.on_days_of(desk.parts, handoff.owner or desk.seller.id), now=desk.now)
    timers.start(
        desk.conn,
        kind,
        lead_id=handoff.lead_id,
        handoff_id=handoff.id,
        owner=handoff.owner or desk.seller.id,
        started_at=desk.now,
        due_at=started.due_at,
        minutes=started.minutes,
        agreement_version=agreement.version,
    )


def _check_bant(bant: Mapping[str, str]) -> None:
    for letter, answer in bant.items():
        if letter not in LETTERS:
            raise Refused(f"`{letter}` is not one of {', '.join(LETTERS)}.", code="unknown_letter")
        if answer not in ANSWERS:
            raise Refused(f"`{answer}` is not an answer.", code="unknown_answer", fix=f"one of: {', '.join(ANSWERS)}")


def _lacking(parts: Parts, conn: Connection, handoff: Handoff) -> str:
    """What the agreement still wants to know, in words; empty where it is enough."""
    agreement = parts.library.agreement
    held = handoffs.bant(conn, handoff.lead_id, handoff.cycle)
    good = {letter for letter, row in held.items() if row["answer"] in GOOD}
    must = [letter for letter in agreement.bant_must if letter not in good]
    if must:
        return f"{', '.join(must)} has to be a yes or partly"
    short = agreement.bant_min - len(good)
    left = [letter for letter in LETTERS if letter not in good]
    return f"{short} more of {', '.join(left)}" if short > 0 else ""


def needs_note(required: bool, reason: str, note: str | None) -> None:
    if required and not (note or "").strip():
        raise Refused(f"`{reason}` needs a note.", code="needs_note", fix="say in a sentence what it was")


def key_of(*told: object) -> str:
    return hashlib.blake2b("\x1f".join(map(str, told)).encode(), digest_size=16).hexdigest()
