"""Results that come back from the CRM: won, lost, churned. By API, webhook or CSV; each counts once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from nurture.decide import recycle as recycling
from nurture.errors import NurtureError, Refused, UsageError
from nurture.model.words import ActorKind, Stage
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.audience import people
from nurture.store.sales import accounts, lifecycle
from nurture.store.sales.lifecycle import Actor

KINDS: Final = ("won", "lost", "churned")
CRM: Final = Actor(ActorKind.CRM)
_HEADERS: Final = ("result", "lead", "deal", "reason", "amount", "currency", "date", "key")


@dataclass(frozen=True, slots=True)
class Result:
    """One result. `lead`: number, address or external id; `deal`: the CRM's id. `amount` in minor units."""

    kind: str
    lead: str | None = None
    deal: str | None = None
    reason: str | None = None
    amount: int | None = None
    currency: str | None = None
    on: date | None = None
    key: str | None = None

    def identity(self, lead: Any) -> str:
        """The same whoever tells it and however they name the lead; without deal and date, once per cycle."""
        about = (self.deal,) if self.deal else (lead.id, self.on or f"cycle {lead.cycle}")
        told = self.key or "\x1f".join(map(str, (self.kind, *about)))
        return f"result/{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one result: applied, repeated or refused (then `text` says why)."""

    result: Result
    state: str
    text: str
    lead_id: int | None = None


May = Callable[[Connection, int], bool]
"""Whether whoever tells may tell of this lead."""


def record(
    parts: Parts, results: Iterable[Result], *, now: datetime, by: str | None = None, may: May | None = None
) -> list[Outcome]:
    """Take results in, each in a transaction of its own: one bad line does not stop the rest.

    `by` names the person whose token told it; a lead that `may` denies them is answered like one we do not know.
    """
    teller = Actor(ActorKind.CRM, by) if by else CRM
    outcomes = []
    for result in results:
        try:
            with parts.store.begin() as conn:
                outcomes.append(_one(parts, conn, result, now, teller, may))
        except NurtureError as wrong:
            fix = f" {wrong.fix[:1].upper()}{wrong.fix[1:]}" if wrong.fix else ""
            outcomes.append(Outcome(result, "refused", f"{wrong.message}{fix}"))
    return outcomes


def _one(
    parts: Parts, conn: Connection, result: Result, now: datetime, teller: Actor, may: May | None
) -> Outcome:
    if result.kind not in KINDS:
        raise Refused(f"`{result.kind}` is not a result.", code="unknown_result", fix=f"one of: {', '.join(KINDS)}")
    deal = accounts.deal_by_external(conn, result.deal) if result.deal else None
    lead_id = deal["lead_id"] if deal is not None else None
    if lead_id is None and result.lead:
        lead_id = people.find(conn, result.lead)
    if lead_id is None or (may is not None and not may(conn, lead_id)):
        raise Refused("Nobody by this name or deal.", code="unknown_lead")
    lead = lifecycle.lock(conn, lead_id)
    if _was_told(result, lead):
        return Outcome(result, "repeated", "was known", lead.id)
    if deal is None:
        deal = next((d for d in accounts.deals_of_lead(conn, lead_id) if d["state"] == "open"), None)
    match result.kind:
        case "won":
            return _won(parts, conn, result, lead, deal, now, teller)
        case "lost":
            return _lost(parts, conn, result, lead, deal, now, teller)
        case _:
            return _churned(parts, conn, result, lead, now, teller)


def _was_told(result: Result, lead: Any) -> bool:
    """Whether the lead stands where this result would bring it: another file, or another name, told it before."""
    if result.kind == "won":
        return bool(lead.stage == Stage.CUSTOMER)
    said = str(lead.recycle_reason or "").partition(":")[0]
    return bool(lead.stage == Stage.RECYCLED) and said == {"lost": "opp_lost", "churned": "churned"}[result.kind]


def _won(
    parts: Parts, conn: Connection, result: Result, lead: Any, deal: dict[str, Any] | None, now: datetime,
    teller: Actor,
) -> Outcome:
    applied = _apply(parts, conn, result, lead, "opportunity_won", now, teller)
    if applied.repeated:
        return Outcome(result, "repeated", "was known", lead.id)
    if deal is None and lead.account_id is not None:
        deal_id: int | None = accounts.add_deal(conn, {
            "external_id": result.deal, "account_id": lead.account_id, "lead_id": lead.id, "cycle": lead.cycle,
            "name": result.deal or "Deal", "state": "open", "opened_at": now,
        })
    else:
        deal_id = int(deal["id"]) if deal is not None else None
    if deal_id is not None:
        accounts.close_deal(conn, deal_id, state="won", reason=None, now=now, amount=result.amount,
                            currency=result.currency, closed_on=result.on)
    if lead.account_id is not None:
        accounts.make_customer(conn, lead.account_id, now=now)
    return Outcome(result, "applied", "is a customer", lead.id)


def _lost(
    parts: Parts, conn: Connection, result: Result, lead: Any, deal: dict[str, Any] | None, now: datetime,
    teller: Actor,
) -> Outcome:
    if not result.reason:
        raise Refused("A lost deal needs a reason.", code="needs_reason", fix="say why it was lost")
    reason = result.reason if result.reason.startswith("opp_lost") else f"opp_lost:{result.reason}"
    applied = _back(parts, conn, result, lead, "opportunity_lost", reason, now, teller)
    if applied.repeated:
        return Outcome(result, "repeated", "was known", lead.id)
    if deal is not None:
        accounts.close_deal(conn, deal["id"], state="lost", reason=result.reason, now=now, closed_on=result.on)
    return Outcome(result, "applied", f"comes back in cycle {lead.cycle + 1}", lead.id)


def _churned(
    parts: Parts, conn: Connection, result: Result, lead: Any, now: datetime, teller: Actor
) -> Outcome:
    applied = _back(parts, conn, result, lead, "churned", "churned", now, teller)
    if applied.repeated:
        return Outcome(result, "repeated", "was known", lead.id)
    if lead.account_id is not None:
        accounts.end_customer(conn, lead.account_id)
    return Outcome(result, "applied", f"comes back in cycle {lead.cycle + 1}", lead.id)


def _back(
    parts: Parts, conn: Connection, result: Result, lead: Any, trigger: str, reason: str, now: datetime,
    teller: Actor,
) -> lifecycle.Applied:
    """A new cycle opens; the rows of the old one stay as they are."""
    agreement = parts.library.agreement
    found = recycling.reason_of(agreement, reason, by="crm")
    back = recycling.way_back(found, now=now, calendar=agreement.calendar, tracks=parts.library.tracks)
    columns = back.as_columns() | recycling.new_cycle(lead.cycle) | {"recycle_reason": reason}
    return _apply(parts, conn, result, lead, trigger, now, teller, reason=reason, columns=columns, track=back.track,
                  silent=back.mode == "silent" and back.track is None)


def _apply(
    parts: Parts, conn: Connection, result: Result, lead: Any, trigger: str, now: datetime, teller: Actor, *,
    reason: str | None = None, columns: dict[str, Any] | None = None, track: str | None = None, silent: bool = False,
) -> lifecycle.Applied:
    return lifecycle.apply(
        conn, lead.id, trigger, actor=teller, key=result.identity(lead), now=now, reason=reason, columns=columns,
        track=track, silent=silent, beside=parts.library.tracks.beside, config_sha=parts.library.config_sha,
        agreement_version=parts.library.agreement.version,
    )


def read_csv(text: str) -> tuple[list[Result], list[str]]:
    """Results from a CSV file with the columns result, lead, deal, reason, amount, currency, date, key.

    Returns the results and what could not be read, line by line. `amount` is in whole units with two decimals at most.

    Raises:
        UsageError: no column `result`.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    headers = [h.strip().casefold() for h in reader.fieldnames or ()]
    if "result" not in headers:
        raise UsageError("the file has no column `result`", fix=f"columns: {', '.join(_HEADERS)}")
    results, wrong = [], []
    for number, raw in enumerate(reader, 2):
        row = {(k or "").strip().casefold(): (v or "").strip() for k, v in raw.items() if isinstance(v, str)}
        try:
            results.append(Result(
                kind=row["result"].casefold(), lead=row.get("lead") or row.get("email") or None,
                deal=row.get("deal") or None, reason=row.get("reason") or None, amount=_minor(row.get("amount")),
                currency=row.get("currency") or None, on=date.fromisoformat(row["date"]) if row.get("date") else None,
                key=row.get("key") or None,
            ))
        except ValueError as bad:
            wrong.append(f"line {number}: {bad}")
    return results, wrong


def _minor(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int((Decimal(text.replace(" ", "").replace(",", ".")) * 100).to_integral_value())
    except InvalidOperation:
        raise ValueError(f"`{text}` is not an amount") from None
