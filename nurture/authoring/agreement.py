"""`agreement.yaml` -> `Agreement`: what marketing and sales signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Final

from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.company import named
from nurture.authoring.desk import Desk
from nurture.authoring.scoring import CELLS, read_matcher
from nurture.authoring.shapes import ANY, DAY, SLUG, TEXT, YES_NO, array, choice, ref, table, whole
from nurture.authoring.tree import Node
from nurture.model.agreement import (
    RECYCLE_REASONS,
    REJECT_REASONS,
    STAGNATION_DAYS,
    Agreement,
    Calendar,
    RecycleReason,
    RejectReason,
    RequiredEvents,
    Signature,
    Sla,
)
from nurture.model.words import Stage

ROLES: Final = ("marketing", "sdr", "account_executive", "manager")
BANT: Final = ("budget", "authority", "need", "timeline")
STAYS: Final = tuple(stage for stage in Stage if stage is not Stage.ERASED)
DEFINED: Final = (*Stage, "lead", "opportunity", "prospect")

FILE: Final[Words] = {"agreement": Word("What marketing and sales signed.", ref("agreement"), True)}
AGREEMENT: Final[Words] = {
    "version": Word("Goes up with every signed change.", whole(1, 100_000), True, (1,)),
    "effective_from": Word("First day it holds.", DAY, True, ("2026-11-01",)),
    "next_review": Word("When both look at it again.", DAY, True, ("2027-02-01",)),
    "review_every": Word("How often.", choice(("monthly", "quarterly"))),
    "grace_days": Word("A missed review is forgiven so long.", whole(0, 365)),
    "enforce": Word("After that: warn, or block hand-offs.", choice(("warn", "block"))),
    "signatories": Word("Who has to sign.", array(choice(ROLES), 1)),
    "signed": Word("Who signed, and when.", array(ref("signature"))),
    "definitions": Word("What each stage means, in words both use.", table(TEXT)),
    "icp": Word("Which companies we sell to.", ref("icp")),
    "conversion_point": Word("From which stage a lead may be converted.", choice(("sal", "sql"))),
    "bant_required": Word("What must be known of budget, authority, need and timeline.", ref("bant")),
    "offers_from": Word("The first stage that may get offers.", choice(("nurturing", "mql"))),
    "channels": Word("How sales will get in touch.", array(choice(("email", "phone")), 1)),
    "gate": Word("What a lead must bring to be handed over.", ref("gate")),
    "sla": Word("How long sales has.", ref("sla")),
    "calendar": Word("When sales works.", ref("calendar")),
    "capacity": Word("How many leads sales can take.", ref("capacity")),
    "cool_off_default": Word("How long a reason of your own rests that does not say so itself.", ref("duration")),
    "exploration": Word("So many percent below the threshold are shown to sales, marked, to see what is missed.",
                        ref("share")),
    "benchmarks": Word("Numbers to compare with.", ANY),
    "levels": Word("Your own levels between accepted and qualified, in order: id -> what the seller sees.",
                   table(TEXT)),
    "stagnation": Word("Stage -> how long a lead may stay in it before it counts as forgotten.",
                       table(ref("duration"))),
    "recycle_reasons": Word("Sales' not yet: id -> what follows. Changes and extends the built-in table.",
                            table(ref("recycle_reason"))),
    "reject_reasons": Word("Sales' no: id -> what follows.", table(ref("reject_reason"))),
}
SIGNATURE: Final[Words] = {
    "role": Word("Which side.", choice(ROLES), True), "name": Word("Who.", TEXT, True),
    "on_date": Word("When.", DAY, True),
}
ICP: Final[Words] = {
    "bounds": Word("Known values outside these fail the gate.", ref("bounds")),
    "exceptions": Word("Named ones.", array(ref("exception"))),
}
BOUNDS: Final[Words] = {
    "employees": Word("From, to.", array(whole(0, 10_000_000), 2)),
    "countries": Word("Two letters each.", array(TEXT, 1)),
    "industries": Word("As the lead field says them.", array(TEXT, 1)),
}
EXCEPTION: Final[Words] = {
    "domain": Word("The company's domain.", TEXT, True), "by": Word("Who granted it.", TEXT, True),
    "until": Word("Last day.", DAY, True), "why": Word("Why.", TEXT, True),
}
BANT_REQUIRED: Final[Words] = {
    "min": Word("At least so many of the four.", whole(0, 4)), "must": Word("These in any case.", array(choice(BANT))),
}
GATE: Final[Words] = {
    "required_fields": Word("Known before a hand-off.", array(SLUG)),
    "required_events": Word("Segment -> what must have happened; `default` for everybody else.",
                            table(ref("required"))),
    "intent": Word("Any of these shows intent.", array({"type": "object"})),
    "excluded": Word("Whom sales never gets: domains of our people, partners, competitors, tests.", table(array(TEXT))),
    "fresh_after_recycle": Word("Required events must be newer than the return.", YES_NO),
    "max_recycles": Word("Then only a raised hand or a manual pull.", whole(0, 100)),
    "max_passive": Word("So many missed deadlines, then both managers are told.", whole(0, 100)),
}
REQUIRED: Final[Words] = {
    "any_of": Word("One of these.", array({"type": "object"})),
    "all_of": Word("All of these.", array({"type": "object"})),
    "ordered": Word("These, in this order.", array({"type": "object"})),
    "counts_as_intent": Word("Having these also shows intent.", YES_NO),
}
SLA: Final[Words] = {
    "decision_minutes": Word("Business minutes until a decision: fast, default, or a cell.", table(whole(1, 100_000))),
    "first_touch_minutes": Word("Business minutes until the first contact.", whole(1, 100_000)),
    "qualification_days": Word("Days until qualified or given back.", whole(1, 365)),
    "conversion_days": Word("Business days from qualified to converted.", whole(1, 365)),
    "expire": Word("Give back what nobody decided. Left out: from three sellers upwards.", YES_NO),
}
CALENDAR: Final[Words] = {
    "zone": Word("The calendar's time zone.", TEXT, True, ("Europe/Warsaw",)),
    "open": Word("First minute.", ref("clock")),
    "close": Word("Last minute.", ref("clock")), "days": Word("Working days.", ref("weekdays")),
    "country": Word("Its public holidays are closed.", TEXT), "holidays": Word("Closed besides.", array(DAY)),
}
CAPACITY: Final[Words] = {
    "max_new_handoffs_per_day": Word("For all of sales.", whole(1, 100_000)),
    "per_owner_open": Word("Open at one seller.", whole(1, 100_000)),
}
RECYCLE: Final[Words] = {
    "label": Word("What the seller sees.", TEXT), "kind": Word("Who causes it.", choice(("active", "passive", "crm"))),
    "cool_off": Word("No hand-off for so long.", ref("duration")),
    "before_revisit": Word("With a date to come back: the cool-off ends so long before it.", ref("duration")),
    "mode": Word("Mail meanwhile: none, one educational a month, or as usual.",
                 choice(("silent", "low_touch", "normal"))),
    "track": Word("Where the lead goes; left out: back to where it was.", SLUG),
    "carryover": Word("How much of the old engagement still counts.", {"type": "number", "minimum": 0, "maximum": 1}),
    "note_required": Word("The seller has to write a line.", YES_NO),
    "training": Word("What calibration learns from it.", choice(
        ("neutral", "negative", "fit_negative", "engagement_negative", "lost", "excluded"))),
    "other_owner_next": Word("Next time somebody else gets the lead.", YES_NO),
}
REJECT: Final[Words] = {
    "label": Word("What the seller sees.", TEXT), "terminal": Word("Never again.", YES_NO),
    "note_required": Word("The seller has to write a line.", YES_NO),
    "suppress": Word("And nobody ever mails this address.", YES_NO),
}


def read_agreement(root: Node, desk: Desk) -> Agreement:
    """The agreement; missing parts have the defaults of the noun."""
    block = Block(Block(root, desk, FILE).at("agreement") or Node("map", root.at), desk, AGREEMENT)
    for key in AGREEMENT:
        desk.spots[(key,)] = block.place(key)
    icp = _inner(block, "icp", ICP)
    bant = _inner(block, "bant_required", BANT_REQUIRED)
    gate = _inner(block, "gate", GATE)
    capacity = _inner(block, "capacity", CAPACITY)
    for key in GATE:
        desk.spots["gate", key] = gate.place(key)
    return Agreement(
        version=block.get("version", v.whole(1, 100_000), 1),
        effective_from=block.get("effective_from", v.day, date(2000, 1, 1)),
        next_review=block.get("next_review", v.day, date(2199, 1, 1)),
        review_every=block.get("review_every", v.choice("monthly", "quarterly"), "quarterly"),
        grace_days=block.get("grace_days", v.whole(0, 365), 30),
        enforce=block.get("enforce", v.choice("warn", "block"), "warn"),
        signatories=block.get("signatories", v.many(v.choice(*ROLES)), ("marketing", "sdr", "account_executive")),
        signed=tuple(s for n in block.items("signed") if (s := _signature(n, desk)) is not None),
        definitions=_definitions(block),
        bounds=_bounds(icp),
        exceptions=tuple(_exception(n, desk) for n in icp.items("exceptions")),
        excluded=_excluded(gate),
        conversion_point=block.get("conversion_point", v.choice("sal", "sql"), "sql"),
        bant_min=bant.get("min", v.whole(0, 4), 2),
        bant_must=bant.get("must", v.many(v.choice(*BANT)), ("need",)),
        offers_from=block.get("offers_from", v.choice("nurturing", "mql"), "nurturing"),
        required_fields=gate.get("required_fields", v.many(v.slug), ("first_name", "last_name", "company", "role")),
        required_events={name: _required(name, n, desk) for name, n in named(gate, "required_events")},
        intent=tuple(read_matcher(n, desk, "type") for n in gate.items("intent")),
        fresh_after_recycle=gate.get("fresh_after_recycle", v.yes_no, False),
        max_recycles=gate.get("max_recycles", v.whole(0, 100), 3),
        max_passive=gate.get("max_passive", v.whole(0, 100), 2),
        recycle_reasons=_recycle_reasons(block),
        reject_reasons=_reject_reasons(block),
        sla=block.get("sla", _sla, Sla()),
        calendar=block.get("calendar", _calendar, Calendar()),
        max_new_handoffs_per_day=capacity.get("max_new_handoffs_per_day", v.whole(1, 100_000), 40),
        per_owner_open=capacity.get("per_owner_open", v.whole(1, 100_000), 25),
        benchmarks=block.get("benchmarks", v.anything, {}),
        levels={name: said for name, key, value in block.pairs("levels")
                if v.slug(key, desk) is not None and (said := v.line(value, desk)) is not None},
        stagnation_days=_stagnation(block),
        exploration_percent=float(block.get("exploration", v.share, 0)),
        channels=block.get("channels", v.many(v.choice("email", "phone")), ("email", "phone")),
    )


def _inner(block: Block, key: str, words: Words) -> Block:
    found = block.at(key)
    return Block(found, block.desk, words) if found else Block(Node("map", block.node.at), block.desk, {})


def _signature(node: Node, desk: Desk) -> Signature | None:
    block = Block(node, desk, SIGNATURE)
    role, name, on = block.get("role", v.choice(*ROLES)), block.get("name", v.line), block.get("on_date", v.day)
    return None if role is None or name is None or on is None else Signature(role, name, on)


def _definitions(block: Block) -> dict[str, str]:
    return {
        name: said for name, key, value in block.pairs("definitions")
        if v.choice(*DEFINED)(key, block.desk) and (said := v.text(value, block.desk)) is not None
    }


def _stagnation(block: Block) -> dict[str, int]:
    made = dict(STAGNATION_DAYS)
    for name, key, value in block.pairs("stagnation"):
        if v.choice(*STAYS)(key, block.desk) and (days := v.days(value, block.desk)) is not None:
            made[name] = days
    return made


def _bounds(icp: Block) -> dict[str, Any]:
    block = _inner(icp, "bounds", BOUNDS)
    size = block.get("employees", v.many(v.whole(0, 10_000_000)))
    if size is not None and (len(size) != 2 or size[0] > size[1]):
        v.not_like(block.at("employees") or block.node, block.desk, "[50, 5000]")
        size = None
    made = {"employees": size, "countries": block.get("countries", v.many(v.country)),
            "industries": block.get("industries", v.many(v.line))}
    return {key: value for key, value in made.items() if value is not None}


def _exception(node: Node, desk: Desk) -> dict[str, Any]:
    block = Block(node, desk, EXCEPTION)
    made = {"domain": block.get("domain", v.line), "by": block.get("by", v.line), "until": block.get("until", v.day),
            "why": block.get("why", v.line)}
    return {key: value for key, value in made.items() if value is not None}


def _excluded(gate: Block) -> dict[str, tuple[str, ...]]:
    kinds = v.choice("employees", "partners", "competitors", "tests")
    return {
        name: found for name, key, value in gate.pairs("excluded")
        if kinds(key, gate.desk) and (found := v.many(v.line)(value, gate.desk)) is not None
    }


def _required(segment: str, node: Node, desk: Desk) -> RequiredEvents:
    block = Block(node, desk, REQUIRED)
    kinds = [key for key in ("any_of", "all_of", "ordered") if block.has(key)]
    if not kinds and not block.guessed:
        v.not_like(node, desk, "any_of: [{ type: webinar_attended, min_minutes: 30 }]")
    found = {key: tuple(read_matcher(n, desk, "type") for n in block.items(key)) for key in kinds}
    return RequiredEvents(found.get("any_of", ()), found.get("all_of", ()), found.get("ordered", ()),
                          block.get("counts_as_intent", v.yes_no, True))


def _recycle_reasons(block: Block) -> dict[str, RecycleReason]:
    made = dict(RECYCLE_REASONS)
    rest = block.get("cool_off_default", v.days, 0)
    for name, _, node in block.pairs("recycle_reasons"):
        inner = Block(node, block.desk, RECYCLE)
        block.desk.spots["recycle_reasons", name] = block.node.pairs["recycle_reasons"][1].pairs[name][0].place
        block.desk.spots["recycle_reasons", name, "track"] = inner.place("track")
        changes: dict[str, Any] = {
            "label": inner.get("label", v.line), "kind": inner.get("kind", v.choice("active", "passive", "crm")),
            "cool_off_days": inner.get("cool_off", v.days),
            "cool_off_before_revisit_days": inner.get("before_revisit", v.days),
            "mode": inner.get("mode", v.choice("silent", "low_touch", "normal")),
            "track": inner.get("track", v.slug), "carryover": inner.get("carryover", v.number(0, 1)),
            "note_required": inner.get("note_required", v.yes_no),
            "training": inner.get("training", v.choice(*RECYCLE["training"].schema["enum"])),
            "other_owner_next": inner.get("other_owner_next", v.yes_no),
        }
        made[name] = replace(made.get(name, RecycleReason(name, name, cool_off_days=rest)),
                             **{key: value for key, value in changes.items() if value is not None})
    return made


def _reject_reasons(block: Block) -> dict[str, RejectReason]:
    made = dict(REJECT_REASONS)
    for name, _, node in block.pairs("reject_reasons"):
        inner = Block(node, block.desk, REJECT)
        changes: dict[str, Any] = {"label": inner.get("label", v.line)}
        changes |= {key: inner.get(key, v.yes_no) for key in ("terminal", "note_required", "suppress")}
        made[name] = replace(made.get(name, RejectReason(name, name)),
                             **{key: value for key, value in changes.items() if value is not None})
    return made


def _sla(node: Node, desk: Desk) -> Sla:
    block = Block(node, desk, SLA)
    given = {
        name: found for name, key, value in block.pairs("decision_minutes")
        if v.choice("fast", "default", *CELLS)(key, desk) and (found := v.whole(1, 100_000)(value, desk)) is not None
    }
    usual = Sla()
    return Sla(
        {**usual.decision_minutes, **given},
        block.get("first_touch_minutes", v.whole(1, 100_000), usual.first_touch_minutes),
        block.get("qualification_days", v.whole(1, 365), usual.qualification_days),
        block.get("conversion_days", v.whole(1, 365), usual.conversion_days), block.get("expire", v.yes_no),
    )


def _calendar(node: Node, desk: Desk) -> Calendar:
    block = Block(node, desk, CALENDAR)
    opens, closes = block.get("open", v.clock, 9 * 60), block.get("close", v.clock, 17 * 60)
    if opens >= closes:
        desk.find("window-never-opens", block.place("close"), "sales never works: `open` is not before `close`",
                  "for example `open: 09:00, close: 17:00`")
    return Calendar(block.get("zone", v.zone, "UTC"), opens, closes, block.get("days", v.weekdays, frozenset(range(5))),
                    block.get("country", v.country), frozenset(block.get("holidays", v.many(v.day), ())))
