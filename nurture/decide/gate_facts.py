"""What the gate finds out about a person: may we, who is it, what did they show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from nurture.decide.fit import as_number
from nurture.decide.match import Touch, counts, fits, latest, ordered
from nurture.decide.recycle import MISSING_DATA
from nurture.decide.scored import Scored, missing_points
from nurture.model.agreement import Agreement, RequiredEvents
from nurture.model.facts import WANTED, Lead, Snapshot
from nurture.model.words import Channel, ConsentStatus, Depth, EventKind, Purpose

FIELD_OF = {"countries": "country", "industries": "industry", "sizes": "size", "roles": "role"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The bare result of one predicate."""

    outcome: Literal["pass", "fail", "unknown"]
    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""


def contact(
    snapshot: Snapshot, agreement: Agreement, now: datetime, *, asked: bool, by_hand: bool = False
) -> dict[str, Finding]:
    """G01 ... G06: may this person be handed to anybody at all? `by_hand`: they, or a seller, ask for it themselves."""
    return {
        "G01": _privacy(snapshot, now),
        "G02": _sales_contact(snapshot, agreement, now),
        "G03": _suppressed(snapshot, asked),
        "G04": _customer(snapshot),
        "G05": _excluded(snapshot, agreement),
        "G06": _required_fields(snapshot, agreement, () if by_hand else wanted(snapshot.lead)),
    }


def _privacy(snapshot: Snapshot, now: datetime) -> Finding:
    for channel in Channel:
        state = snapshot.consents.get((Purpose.PRIVACY_NOTICE, channel))
        if state is not None and state.valid(now):
            return Finding("pass", f"accepted ({state.wording or 'version in the ledger'})",
                           {"consent_entry": state.entry_id, "wording": state.wording})
    return Finding("fail", "the privacy notice was not accepted", {}, "acceptance of the privacy notice")


def _sales_contact(snapshot: Snapshot, agreement: Agreement, now: datetime) -> Finding:
    entries, pending = {}, []
    for name in agreement.channels:
        state = snapshot.consents.get((Purpose.SALES_CONTACT, Channel(name)))
        if state is not None and state.valid(now):
            until = state.until.isoformat() if state.until else None
            entries[name] = {"consent_entry": state.entry_id, "until": until}
        elif state is not None and state.status is ConsentStatus.PENDING:
            pending.append(name)
    if entries:
        return Finding("pass", f"sales may use {' and '.join(entries)}", {"channels": entries})
    if pending:
        return Finding("fail", "agreed and not yet confirmed", {"pending": pending},
                       "the click in the confirmation mail")
    wanted = " or ".join(agreement.channels)
    return Finding("fail", "did not agree to be contacted by sales", {}, f"consent to sales contact by {wanted}")


def _suppressed(snapshot: Snapshot, asked: bool) -> Finding:
    """Somebody who left the mailing list and now asks for a call gets the call: that list was about marketing mail."""
    reasons = sorted(s for s in snapshot.suppressions if not (asked and s.endswith(":marketing")))
    if not reasons:
        return Finding("pass", "not suppressed", {"suppressions": sorted(snapshot.suppressions)})
    said = ", ".join(reasons)
    return Finding("fail", f"suppressed: {said}", {"suppressions": reasons}, "nothing: a suppression stays")


def _customer(snapshot: Snapshot) -> Finding:
    account = {"account": snapshot.lead.account_id}
    if snapshot.customer:
        return Finding("fail", "the company is a customer", account, "nothing: its owner is told")
    if snapshot.open_opportunity:
        return Finding("fail", "a deal with this company is open", account, "nothing: its owner is told")
    return Finding("pass", "no customer, no open deal", account)


def _excluded(snapshot: Snapshot, agreement: Agreement) -> Finding:
    email = (snapshot.lead.email or "").casefold()
    domain = email.rpartition("@")[2]
    company = str(snapshot.lead.get("company") or "").casefold()
    for rule, entries in agreement.excluded.items():
        for entry in (str(e).casefold().removeprefix("@") for e in entries):
            if entry and (entry in (email, domain, company) or (domain and domain.endswith("." + entry))):
                return Finding("fail", f"listed under {rule}: {entry}", {"rule": rule, "entry": entry},
                               f"a change of the list {rule}")
    return Finding("pass", "on no list of exclusions")


def wanted(lead: Lead) -> tuple[str, ...]:
    """What sales gave this lead back for and is still not known: values it named, or anything new where it named none.

    Without this a lead would be handed over again at once, as poor as it was.
    """
    since = lead.baseline_at
    if lead.recycle_reason != MISSING_DATA or since is None:
        return ()
    asked = lead.fields.get(WANTED)
    if asked is not None and asked.at is not None and asked.at >= since:
        return tuple(str(name) for name in asked.value if not _learnt(lead, str(name), since))
    news = any(v.at is not None and v.at > since for name, v in lead.fields.items() if name != WANTED)
    return () if news else ("more about them",)


def _learnt(lead: Lead, name: str, since: datetime) -> bool:
    if name == "email":
        return lead.email is not None
    value = lead.fields.get(name)
    return value is not None and value.value not in (None, "") and value.at is not None and value.at > since


def _required_fields(snapshot: Snapshot, agreement: Agreement, asked: Sequence[str]) -> Finding:
    lead = snapshot.lead
    missing = [name for name in agreement.required_fields if lead.get(name) in (None, "")]
    bounced = any(s.startswith("hard_bounce") for s in snapshot.suppressions)
    if not ((lead.email and not bounced) or lead.get("phone")):
        missing.append("email or phone")
    if not missing and asked:
        return Finding("fail", f"sales gave it back to learn: {', '.join(asked)}", {"missing": list(asked)},
                       asked[0] if " " in asked[0] else f"the field {asked[0]}")
    if not missing:
        return Finding("pass", "everything sales needs is known")
    return Finding("fail", f"not known: {', '.join(missing)}", {"missing": missing}, f"the field {missing[0]}")


def picture(snapshot: Snapshot, agreement: Agreement, result: Scored, now: datetime) -> dict[str, Finding]:
    """G07 and G08: is it the right organisation, and is the score in a hand-off cell?"""
    return {"G07": _bounds(snapshot, agreement, result, day_of(agreement, now)), "G08": _cell(result)}


def day_of(agreement: Agreement, now: datetime) -> date:
    """The day on the agreement's calendar."""
    return now.astimezone(ZoneInfo(agreement.calendar.zone)).date()


def _bounds(snapshot: Snapshot, agreement: Agreement, result: Scored, today: date) -> Finding:
    lead, outside, unknown = snapshot.lead, {}, []
    for name, bounds in agreement.bounds.items():
        field_name = FIELD_OF.get(name, name)
        value = lead.get(field_name)
        if value is None and field_name == "country":
            value = lead.country
        if value in (None, ""):
            unknown.append(field_name)
        elif not _inside(value, bounds):
            outside[field_name] = value
    for field_name in result.fit.excluded:
        outside[field_name] = lead.get(field_name)
    evidence: dict[str, Any] = {"outside": outside, "unknown": unknown}
    if not outside:
        said = f"; not known: {', '.join(unknown)}" if unknown else ""
        return Finding("pass", f"inside the bounds{said}", evidence)
    exception = _exception(snapshot, agreement, today)
    if exception is not None:
        return Finding("pass", f"outside, with an exception by {exception.get('by')}",
                       evidence | {"exception": dict(exception)})
    named = ", ".join(f"{k} {v}" for k, v in outside.items())
    return Finding("fail", f"outside the bounds: {named}", evidence, "a named exception in the agreement")


def _inside(value: Any, bounds: Any) -> bool:
    number = as_number(value)
    if isinstance(bounds, list | tuple) and len(bounds) == 2 and all(as_number(b) is not None for b in bounds):
        low, high = (as_number(b) for b in bounds)
        return number is not None and low is not None and high is not None and low <= number <= high
    wanted = bounds if isinstance(bounds, list | tuple | set | frozenset) else (bounds,)
    return any(str(value).casefold() == str(w).casefold() for w in wanted)


def _exception(snapshot: Snapshot, agreement: Agreement, today: date) -> Mapping[str, Any] | None:
    domain = (snapshot.lead.email or "").casefold().rpartition("@")[2]
    for exception in agreement.exceptions:
        until = exception.get("until")
        if str(exception.get("domain", "")).casefold() == domain and (until is None or today <= as_date(until)):
            return exception
    return None


def as_date(value: date | str) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _cell(result: Scored) -> Finding:
    now = result.scores
    evidence = {
        "model": now.model, "cell": now.cell, "action": now.action, "engagement": now.engagement, "fit": now.fit_low,
        "coverage": now.coverage,
    }
    if now.action == "handoff":
        return Finding("pass", f"cell {now.cell} is handed over", evidence)
    if now.action == "profile_first":
        unknown = list(result.fit.unknown)
        return Finding("fail", f"cell {now.cell}: could be handed over once more is known",
                       evidence | {"unknown": unknown}, f"the field {unknown[0]}" if unknown else "more about them")
    if now.action == "poor_fit":
        why = ", ".join(result.fit.excluded) or "everything known about it"
        return Finding("fail", f"outside the picture of a customer: {why}", evidence, "another organisation or role")
    short = missing_points(result)
    missing = f"{short[1] / 1000:.1f} points of {short[0]}" if short else "more fit and more engagement"
    return Finding("fail", f"cell {now.cell} is not handed over ({now.action})", evidence, missing)


def interest(snapshot: Snapshot, agreement: Agreement, result: Scored, now: datetime) -> dict[str, Finding]:
    """G09 and G10: did what the agreement asks for happen, and is there intent to buy?"""
    wanted = required_for(agreement, snapshot, result)
    events: Sequence[Touch] = snapshot.events
    since = snapshot.lead.baseline_at
    if agreement.fresh_after_recycle and since is not None:
        events = [e for e in events if e.at > since]
    required = _required_events(events, wanted, now)
    return {"G09": required, "G10": _intent(events, agreement, wanted, required, now)}


def required_for(agreement: Agreement, snapshot: Snapshot, result: Scored) -> RequiredEvents | None:
    """What this lead's segment must have done: the model's segment, else the field `segment`, else `default`."""
    segment = result.model.segment or snapshot.lead.get("segment")
    return agreement.required_events.get(str(segment)) or agreement.required_events.get("default")


def _required_events(events: Sequence[Touch], wanted: RequiredEvents | None, now: datetime) -> Finding:
    if wanted is None or not (wanted.any_of or wanted.all_of or wanted.ordered):
        return Finding("pass", "no event is required")
    evidence: list[int] = []
    missing: list[str] = []
    if wanted.any_of:
        found = next((e for m in wanted.any_of if (e := latest(events, m, now)) is not None), None)
        if found is None:
            missing.append(" or ".join(say(m) for m in wanted.any_of))
        else:
            evidence.append(found.id)
    for matcher in wanted.all_of:
        event = latest(events, matcher, now)
        if event is None:
            missing.append(say(matcher))
        else:
            evidence.append(event.id)
    if wanted.ordered:
        run = ordered(events, wanted.ordered, now, _span(wanted.ordered))
        evidence.extend(e.id for e in run)
        if not run:
            missing.append(", then ".join(say(m) for m in wanted.ordered))
    if missing:
        return Finding("fail", f"still to come: {'; '.join(missing)}", {"events": evidence, "missing": missing},
                       missing[0])
    return Finding("pass", "what the agreement asks for has happened", {"events": evidence})


def _span(matchers: Sequence[Mapping[str, Any]]) -> float | None:
    return max((float(m["within_days"]) for m in matchers if "within_days" in m), default=None)


def _intent(
    events: Sequence[Touch], agreement: Agreement, wanted: RequiredEvents | None, required: Finding, now: datetime
) -> Finding:
    # Machines open mails: an open is no intent, whatever the file's matchers would take.
    matchers = agreement.intent or ({"depth": Depth.DECISION},)
    signals = [
        e.id for e in events
        if e.at <= now and e.kind != EventKind.OPEN and counts(e)
        and (e.kind == EventKind.HAND_RAISE or any(fits(e, m, now) for m in matchers))
    ]
    if signals:
        return Finding("pass", "has looked at how to buy", {"events": signals[-5:]})
    counting = wanted is not None and wanted.counts_as_intent
    if counting and required.outcome == "pass" and required.evidence.get("events"):
        return Finding("pass", "the required events count as intent", {"events": required.evidence["events"]})
    missing = say(agreement.intent[0]) if agreement.intent else "a look at prices, a case study or a demo"
    if counting and required.missing:
        missing = required.missing
    return Finding("fail", "nothing yet shows intent to buy", {}, missing)


_VERBS = {
    "webinar_attended": "attend one webinar", "webinar_registered": "register for a webinar",
    "event_attended": "attend an event", "download": "download something", "form": "send a form",
    "email_click": "click in a mail", "email_reply": "answer a mail", "page_view": "visit a page",
    "hand_raise": "ask for contact",
}


def say(matcher: Mapping[str, Any]) -> str:
    """A matcher in words: `attend one webinar, ≥ 30 min`."""
    kind = str(matcher.get("type", matcher.get("event", "something")))
    parts = [str(matcher.get("label") or _VERBS.get(kind, kind.replace("_", " ").replace("-", " ")))]
    if "min_minutes" in matcher:
        parts.append(f"≥ {matcher['min_minutes']} min")
    for name in ("topic", "depth", "content", "url"):
        if name in matcher:
            parts.append(f"{name} {_listing(matcher[name])}")
    return ", ".join(parts)


def _listing(value: Any) -> str:
    many: Iterable[Any] = value if isinstance(value, list | tuple) else (value,)
    return " or ".join(str(v) for v in many)
