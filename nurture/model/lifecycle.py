"""The lifecycle of a lead as a table, and the one question asked of it: what may happen next?

`store.lifecycle.apply` is the only writer. Guards that need more than the table (reasons, BANT, consent) stand in
`refusal`; what entering a stage starts or ends stands in `store.lifecycle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nurture.errors import Refused
from nurture.model.words import ActorKind, Stage

PREVIOUS: Final = "previous"
"""Target of a correction: the stage before the decision that is taken back."""


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the table. `to` is a stage, or `previous` for a correction."""

    id: str
    sources: frozenset[Stage]
    to: Stage | str
    triggers: frozenset[str]
    actors: frozenset[ActorKind]
    guard: str = ""
    reason: bool = False
    """A reason is needed."""
    human: bool = False
    """Only a named person may do it."""


@dataclass(frozen=True, slots=True)
class StageFacts:
    kind: str
    temperature: str
    owner: str
    timers: tuple[str, ...] = ()
    says: str = ""


STAGES: Final[dict[Stage, StageFacts]] = {
    Stage.IDENTIFIED: StageFacts("inventory", "cold", "marketing", says="privacy notice not yet accepted: not a lead"),
    Stage.EARLY: StageFacts("inventory", "cold", "marketing", says="consented, little known: never offers"),
    Stage.NURTURING: StageFacts("inventory", "cold", "marketing", says="fits at least loosely and shows interest"),
    Stage.MQL: StageFacts("sla", "warm", "sales queue", ("decision",), "handed over, undecided"),
    Stage.SAL: StageFacts("sla", "warm", "seller", ("first_touch", "qualification"), "accepted by a human"),
    Stage.SQL: StageFacts("sla", "hot", "account executive", ("conversion",), "verified by a human"),
    Stage.CONVERTED: StageFacts("inventory", "hot", "crm", says="account and contact exist, this cycle is frozen"),
    Stage.CUSTOMER: StageFacts("inventory", "customer", "crm"),
    Stage.RECYCLED: StageFacts("detour", "cold", "marketing", ("cool_off",), "sales said not yet"),
    Stage.DORMANT: StageFacts("detour", "cold", "marketing", says="no answer for long: asked for permission once more"),
    Stage.DISQUALIFIED: StageFacts("detour", "none", "none"),
    Stage.ERASED: StageFacts("terminal", "none", "none"),
}

_S, _A = Stage, ActorKind
_ALIVE: Final = frozenset(_S) - {_S.ERASED}


def _move(
    number: str, sources: set[Stage] | frozenset[Stage], to: Stage | str, triggers: str, actors: set[ActorKind],
    guard: str = "", *, reason: bool = False, human: bool = False,
) -> Move:
    return Move(number, frozenset(sources), to, frozenset(triggers.split()), frozenset(actors), guard, reason, human)


TABLE: Final[tuple[Move, ...]] = (
    _move("T01", {_S.IDENTIFIED}, _S.EARLY, "privacy_accepted", {_A.PERSON}, "version of the notice recorded"),
    # The gate of an early lead goes through nurturing: there is no direct way from early to sales (S0-09).
    _move("T02", {_S.EARLY}, _S.NURTURING, "interest gate_pass manual_pull", {_A.SYSTEM, _A.SALES},
          "could fit (band A, B or C) and engagement above 0, or asked for contact"),
    _move("T04", {_S.NURTURING}, _S.MQL, "gate_pass", {_A.SYSTEM}),
    _move("T05", {_S.RECYCLED}, _S.MQL, "gate_pass", {_A.SYSTEM}, "hand-raise, or cool-off over"),
    _move("T06", {_S.DORMANT}, _S.MQL, "gate_pass", {_A.SYSTEM}),
    _move("T07", {_S.NURTURING, _S.DORMANT, _S.RECYCLED}, _S.MQL, "manual_pull", {_A.SALES},
          "gate without the rows of the score", reason=True, human=True),
    _move("T08", {_S.MQL}, _S.SAL, "accept", {_A.SALES}, human=True),
    _move("T09", {_S.MQL}, _S.RECYCLED, "recycle", {_A.SALES}, reason=True, human=True),
    _move("T10", {_S.MQL}, _S.DISQUALIFIED, "reject", {_A.SALES}, reason=True, human=True),
    _move("T11", {_S.MQL}, _S.RECYCLED, "sla_expired", {_A.SYSTEM}),
    _move("T12", {_S.MQL}, _S.NURTURING, "gate_revoked", {_A.SYSTEM}, "consent, suppression or customer turned false"),
    _move("T13", {_S.SAL}, _S.SQL, "qualify", {_A.SALES}, "BANT as the agreement wants it", human=True),
    _move("T14", {_S.SAL}, _S.RECYCLED, "recycle", {_A.SALES}, reason=True, human=True),
    _move("T15", {_S.SAL}, _S.DISQUALIFIED, "reject", {_A.SALES}, reason=True, human=True),
    _move("T16", {_S.SAL}, _S.RECYCLED, "sla_expired", {_A.SYSTEM}, "qualification period over and nothing done"),
    _move("T17", {_S.SAL, _S.SQL}, _S.CONVERTED, "convert", {_A.SALES}, "the agreement's conversion point", human=True),
    _move("T18", {_S.SQL}, _S.RECYCLED, "recycle", {_A.SALES}, reason=True, human=True),
    _move("T19", {_S.SQL}, _S.DISQUALIFIED, "reject", {_A.SALES}, reason=True, human=True),
    _move("T20", {_S.CONVERTED}, _S.CUSTOMER, "opportunity_won", {_A.CRM}),
    _move("T21", {_S.CONVERTED}, _S.RECYCLED, "opportunity_lost", {_A.CRM}, "opens a new cycle", reason=True),
    _move("T22", {_S.CUSTOMER}, _S.RECYCLED, "churned", {_A.CRM}, "opens a new cycle"),
    _move("T23", {_S.RECYCLED}, _S.NURTURING, "cool_off_over", {_A.SYSTEM}),
    _move("T24", {_S.EARLY, _S.NURTURING, _S.RECYCLED}, _S.DORMANT, "inactivity", {_A.SYSTEM}),
    _move("T25", {_S.DORMANT}, _S.NURTURING, "engaged_event", {_A.SYSTEM}),
    _move("T26", {_S.DORMANT}, _S.DISQUALIFIED, "sunset", {_A.SYSTEM}, "asked for permission and nothing came"),
    _move("T27", {_S.IDENTIFIED, _S.EARLY, _S.NURTURING, _S.RECYCLED, _S.DORMANT}, _S.DISQUALIFIED, "disqualify",
          {_A.MARKETING, _A.SYSTEM}, reason=True),
    _move("T28", {_S.DISQUALIFIED}, _S.NURTURING, "reopen", {_A.MARKETING, _A.SALES},
          "reason not terminal, consent valid, note", human=True),
    _move("T29", _ALIVE, _S.ERASED, "erasure_request", {_A.PERSON}),
    # Nurturing too: a recycle without cool-off is back there within minutes.
    _move("T30", {_S.RECYCLED, _S.NURTURING, _S.DISQUALIFIED}, PREVIOUS, "undo", {_A.SALES},
          "by the same seller, until the end of the next working day", human=True),
)

_BY_PLACE: Final = {(source, trigger): move for move in TABLE for source in move.sources for trigger in move.triggers}
TRIGGERS: Final = frozenset(trigger for move in TABLE for trigger in move.triggers)


_DONE_TO: Final = {
    "accept": "be accepted", "reject": "be rejected", "recycle": "be given back", "qualify": "be qualified",
    "convert": "be converted", "undo": "have its decision taken back", "reopen": "be reopened",
    "manual_pull": "be taken", "opportunity_won": "be won", "opportunity_lost": "be lost",
    "churned": "leave as a customer",
}
"""Triggers as people say them."""


def next_state(stage: Stage, trigger: str, actor: ActorKind, *, named: bool = True) -> Move:
    """The one move of this trigger from this stage.

    Raises `Refused`: `unknown_trigger`, `not_from_here`, `not_yours` (another kind of actor may), `needs_human`.
    """
    if trigger not in TRIGGERS:
        raise Refused(f"There is no move called {trigger}.", code="unknown_trigger", fix="see `nurture show lifecycle`")
    move = _BY_PLACE.get((stage, trigger))
    if move is None:
        sources = sorted({s.value for (s, t) in _BY_PLACE if t == trigger})
        raise Refused(
            f"A lead in {stage.value} cannot {_DONE_TO.get(trigger, trigger.replace('_', ' '))}.",
            code="not_from_here", fix=f"this is possible from: {', '.join(sources)}",
        )
    if actor not in move.actors:
        allowed = " or ".join(sorted(a.value for a in move.actors))
        code = "needs_human" if move.human else "not_yours"
        raise Refused(f"{trigger.replace('_', ' ')} is not for {actor.value}.", code=code, fix=f"only for {allowed}")
    if move.human and not named:
        raise Refused(f"{trigger.replace('_', ' ')} needs a named person.", code="needs_human", fix="say who decides")
    return move


def temperature(stage: Stage) -> str:
    return STAGES[stage].temperature


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    rows = ["stateDiagram-v2", f"    [*] --> {Stage.IDENTIFIED.value}"]
    for move in TABLE:
        if move.to == PREVIOUS:
            continue
        words = " / ".join(sorted(move.triggers)).replace("_", " ")
        for source in sorted(move.sources) if move.to != Stage.ERASED else ():
            rows.append(f"    {source.value} --> {move.to} : {move.id} {words}")
    rows.append(f"    {Stage.ERASED.value} --> [*]")
    rows.append(f"    note right of {Stage.ERASED.value} : from every stage, by the person")
    return "\n".join(rows) + "\n"


def listing() -> list[dict[str, str]]:
    """The table as rows for people."""
    return [
        {
            "move": move.id, "from": "every stage" if move.to == Stage.ERASED else ", ".join(sorted(move.sources)),
            "to": str(move.to), "when": ", ".join(sorted(move.triggers)).replace("_", " "),
            "who": ", ".join(sorted(move.actors)) + (" (a named human)" if move.human else ""),
            "needs": ", ".join(part for part in ("a reason" if move.reason else "", move.guard) if part),
        }
        for move in TABLE
    ]
