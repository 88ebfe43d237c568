"""The gate before a hand-off: fifteen predicates, all evaluated, each with evidence and the smallest missing thing.

Pure. What the store knows beyond the snapshot (colleagues, capacity, overrides) comes in as `Circumstances`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from nurture.decide import gate_facts
from nurture.decide.gate_facts import Finding
from nurture.decide.match import hand_raise
from nurture.decide.scored import Scored
from nurture.model.agreement import Agreement
from nurture.model.facts import Snapshot

Outcome = Literal["pass", "fail", "unknown"]
Class = Literal["hard", "soft", "defer", "warn"]

CLASSES: Final[Mapping[str, Class]] = {
    "G01": "hard", "G02": "hard", "G03": "hard", "G04": "hard", "G05": "hard", "G06": "hard", "G07": "soft",
    "G08": "soft", "G09": "soft", "G10": "soft", "G11": "hard", "G12": "soft", "G13": "soft", "G14": "hard",
    "G15": "defer",
}
TITLES: Final[Mapping[str, str]] = {
    "G01": "privacy notice accepted", "G02": "may be contacted by sales", "G03": "not suppressed",
    "G04": "not a customer, no open deal", "G05": "not staff, partner, competitor or test",
    "G06": "the facts sales needs are known", "G07": "inside the agreed bounds", "G08": "score in a hand-off cell",
    "G09": "required events happened", "G10": "intent shown", "G11": "no hand-off already open",
    "G12": "cool-off over", "G13": "recycles below the limit", "G14": "an agreement is in force",
    "G15": "sales has room",
}
SKIPPED_BY_HAND: Final = frozenset({"G08", "G09", "G10", "G12", "G13"})
"""What a hand-raise or a manual pull skips. Never consent."""
REVOKES: Final = frozenset({"G01", "G02", "G03", "G04"})
"""Turned false before a decision, these take a lead back from the queue (T12)."""


@dataclass(frozen=True, slots=True)
class Override:
    """A named human's yes to a soft predicate."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the gate needs besides the lead. `via`: score, hand_raise, manual_pull, campaign, exploration."""

    via: str = "score"
    recycles_in_period: int | None = None
    passive_in_period: int = 0
    colleague_handoff: int | None = None
    queue: str = ""
    capacity: bool = True
    capacity_text: str = ""
    overrides: Mapping[str, Override] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Predicate:
    id: str
    outcome: Outcome
    kind: Class
    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""
    """The smallest change that would turn it, empty where it passes."""
    skipped: bool = False
    override: Override | None = None

    @property
    def stands(self) -> bool:
        """Whether the hand-off may go past it."""
        return self.outcome == "pass" or self.skipped or self.override is not None or self.kind == "warn"

    def as_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id, "title": TITLES[self.id], "outcome": self.outcome, "class": self.kind, "text": self.text,
            "evidence": dict(self.evidence), "missing": self.missing, "skipped": self.skipped,
        }
        if self.override is not None:
            row["override"] = {"by": self.override.by, "reason": self.override.reason}
        return row


@dataclass(frozen=True, slots=True)
class GateResult:
    """`outcome`: pass, waiting (only room is missing) or fail. `via` as it was decided, `fast` for a hand-raise."""

    outcome: Literal["pass", "waiting", "fail"]
    predicates: tuple[Predicate, ...]
    via: str
    fast: bool = False

    @property
    def vector(self) -> str:
        signs = {"pass": "+", "fail": "-", "unknown": "?"}
        return " ".join(p.id + ("~" if p.skipped or p.override else signs[p.outcome]) for p in self.predicates)

    @property
    def why_not(self) -> tuple[Predicate, ...]:
        """The predicates that stand in the way, hard ones first."""
        order = {"hard": 0, "soft": 1, "defer": 2, "warn": 3}
        return tuple(sorted((p for p in self.predicates if not p.stands), key=lambda p: (order[p.kind], p.id)))

    @property
    def overridden(self) -> bool:
        return any(p.override is not None for p in self.predicates)

    def predicate(self, number: str) -> Predicate:
        return next(p for p in self.predicates if p.id == number)

    def as_list(self) -> list[dict[str, Any]]:
        return [p.as_dict() for p in self.predicates]


def evaluate(
    snapshot: Snapshot, agreement: Agreement, result: Scored, *, now: datetime, around: Circumstances | None = None
) -> GateResult:
    """Evaluate all fifteen predicates for one lead at `now`. Nothing short-circuits."""
    given = around or Circumstances()
    raised = hand_raise(snapshot.events, snapshot.lead.baseline_at, now)
    via = "hand_raise" if raised is not None and given.via in ("score", "campaign") else given.via
    by_hand = via in ("hand_raise", "manual_pull")
    findings = gate_facts.contact(snapshot, agreement, now, asked=raised is not None, by_hand=by_hand)
    findings |= gate_facts.picture(snapshot, agreement, result, now)
    findings |= gate_facts.interest(snapshot, agreement, result, now)
    findings |= _history(snapshot, agreement, given, now)
    findings["G14"] = in_force(agreement, on_day=gate_facts.day_of(agreement, now))
    findings["G15"] = _room(given)
    skips = SKIPPED_BY_HAND if by_hand else frozenset({"G08", "G09", "G10"}) if via == "exploration" else frozenset()
    predicates = tuple(_predicate(number, findings[number], agreement, skips, given) for number in CLASSES)
    standing = [p for p in predicates if not p.stands]
    outcome: Literal["pass", "waiting", "fail"] = "pass"
    if standing:
        outcome = "waiting" if all(p.kind == "defer" for p in standing) else "fail"
    return GateResult(outcome, predicates, via, via == "hand_raise")


def _predicate(
    number: str, found: Finding, agreement: Agreement, skips: frozenset[str], given: Circumstances
) -> Predicate:
    kind = CLASSES[number]
    if number == "G14" and found.outcome != "pass" and found.evidence.get("overdue") and agreement.enforce == "warn":
        kind = "warn"
    override = given.overrides.get(number) if kind == "soft" else None
    failing = found.outcome != "pass"
    return Predicate(
        number, found.outcome, kind, found.text, found.evidence, found.missing,
        skipped=failing and number in skips, override=override if failing else None,
    )


def _history(snapshot: Snapshot, agreement: Agreement, given: Circumstances, now: datetime) -> dict[str, Finding]:
    lead = snapshot.lead
    recycles = lead.recycles if given.recycles_in_period is None else given.recycles_in_period
    until = lead.cool_off_until if lead.cool_off_until is not None and now < lead.cool_off_until else None
    if snapshot.open_handoff is not None:
        open_ = Finding("fail", f"hand-off {snapshot.open_handoff} is open", {"handoff": snapshot.open_handoff},
                        "the decision of sales on it")
    elif given.colleague_handoff is not None:
        open_ = Finding("fail", f"a colleague went to the same seller today (hand-off {given.colleague_handoff})",
                        {"handoff": given.colleague_handoff, "merge": True}, "a day's distance to the colleague")
    else:
        open_ = Finding("pass", "no hand-off is open")
    days = (until - now).days + 1 if until is not None else 0
    cooling = f"cool-off until {gate_facts.day_of(agreement, until)}" if until is not None else ""
    return {
        "G11": open_,
        "G12": Finding(
            "fail" if cooling else "pass", cooling or "no cool-off",
            {"until": lead.cool_off_until.isoformat() if lead.cool_off_until else None, "reason": lead.recycle_reason},
            f"{days} more days of cool-off" if cooling else "",
        ),
        "G13": _often(recycles, given.passive_in_period, agreement),
    }


def _often(recycles: int, passive: int, agreement: Agreement) -> Finding:
    evidence = {"recycles": recycles, "undecided": passive}
    text = f"{recycles} of at most {agreement.max_recycles} recycles, {passive} of {agreement.max_passive} undecided"
    if recycles < agreement.max_recycles and passive < agreement.max_passive:
        return Finding("pass", text, evidence)
    return Finding("fail", text, evidence, "a request for contact, or a seller who asks for this lead")


def in_force(agreement: Agreement, *, on_day: date) -> Finding:
    """G14: everybody who must sign has signed, it has begun, and its review is not overdue beyond grace."""
    signed = {s.role for s in agreement.signed}
    evidence: dict[str, Any] = {
        "version": agreement.version, "effective_from": agreement.effective_from.isoformat(),
        "next_review": agreement.next_review.isoformat(),
    }
    unsigned = [role for role in agreement.signatories if role not in signed]
    if unsigned and not agreement.version:
        return Finding("fail", "there is no agreement of marketing and sales", evidence | {"unsigned": unsigned},
                       "an agreement, written and signed")
    if unsigned:
        return Finding("fail", f"agreement {agreement.version} is not signed by {', '.join(unsigned)}",
                       evidence | {"unsigned": unsigned}, f"the signature of {unsigned[0]}")
    if on_day < agreement.effective_from:
        return Finding("fail", f"agreement {agreement.version} begins on {agreement.effective_from}", evidence,
                       f"an agreement in force ({(agreement.effective_from - on_day).days} days from now)")
    if (on_day - agreement.next_review).days > agreement.grace_days:
        return Finding("fail", f"the review of agreement {agreement.version} was due on {agreement.next_review}",
                       evidence | {"overdue": True}, "a reviewed and signed agreement")
    late = on_day > agreement.next_review
    text = f"agreement {agreement.version} is in force" + (", its review is overdue" if late else "")
    return Finding("pass", text, evidence | {"review_overdue": late})


def _room(given: Circumstances) -> Finding:
    if given.capacity:
        return Finding("pass", "sales has room", {"queue": given.queue})
    return Finding("fail", given.capacity_text or "sales has no room", {"queue": given.queue},
                   "a free place in the queue")
