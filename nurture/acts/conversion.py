"""A lead becomes account, contact and perhaps opportunity: one transaction, by a named human, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from nurture.acts.desk import Decided, Desk, who
from nurture.errors import Refused
from nurture.model.company import Seller
from nurture.model.consent import ConsentEntry
from nurture.model.facts import Snapshot
from nurture.model.tokens import normal_address
from nurture.model.words import ConsentAction, ConsentStatus, Stage
from nurture.parts import Parts
from nurture.sales import assign, merge
from nurture.stages import opening
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.mail import outbox
from nurture.store.privacy import consent
from nurture.store.sales import accounts, handoffs, lifecycle
from nurture.store.sales.accounts import Account
from nurture.store.sales.handoffs import Handoff


@dataclass(frozen=True, slots=True)
class Deal:
    """An opportunity to open, or (`id`) one to join. `amount` in minor units of `currency`."""

    id: int | None = None
    name: str | None = None
    amount: int | None = None
    currency: str | None = None
    close_on: date | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What the seller chose. `account`/`contact`: an id, `new`, or None for the one that fits exactly."""

    account: int | Literal["new"] | None = None
    contact: int | Literal["new"] | None = None
    deal: Deal | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    confirm_duplicate: str | None = None
    affiliation: Literal["move", "second"] | None = None
    overwrite_source: bool = False


def candidates(parts: Parts, lead_id: int, *, now: datetime) -> dict[str, Any]:
    """What the lead may belong to, for the seller to choose from: accounts, contacts, open deals."""
    with parts.store.read() as conn:
        snapshot = snapshots.load(conn, [lead_id], now=now).get(lead_id)
        if snapshot is None:
            raise Refused(f"There is no lead {lead_id}.", code=lifecycle.NO_LEAD)
        found = _accounts(conn, snapshot)
        return {
            "accounts": [{"id": a.id, "name": a.name, "country": a.country, "how": how} for how, a in found],
            "contacts": _contacts(conn, snapshot, [a.id for _, a in found]),
            "deals": [d for _, a in found if (d := accounts.open_deal(conn, a.id)) is not None],
        }


def convert(
    parts: Parts, handoff_id: int, choice: Choice, *, by: str, now: datetime, key: str | None = None,
    note: str | None = None, expected_version: int | None = None,
) -> Decided:
    """Convert the lead of an accepted hand-off. `Decided.more` is the conversion report.

    Raises:
        Refused: `not_from_here` before the agreement's conversion point, `which_account`, `which_contact`,
            `duplicate_account`, `not_theirs`.
    """
    seller = who(parts, by)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "convert", key, now, note=note, unique="once")
        if desk.first is not None:
            return desk.first
        handoff = desk.still_open(expected_version)
        _may(parts, Stage(desk.lead.stage))
        snapshot = snapshots.load(conn, [handoff.lead_id], now=now)[handoff.lead_id]
        report: dict[str, Any] = {"type": "lead.converted", "lead": handoff.lead_id, "cycle": handoff.cycle}
        account = _account(conn, snapshot, choice, seller, now, report)
        contact_id = _contact(parts, conn, snapshot, account, choice, seller, now, report)
        deal_id = _deal(conn, snapshot, handoff, account, choice, seller, now, report)
        accounts.link(conn, handoff.lead_id, account.id, now=now)
        desk.move("convert")
        opening.close(conn, handoff, state="converted", reason=None, now=now)
        report |= {"account": account.id, "contact": contact_id, "deal": deal_id}
        _tell_colleagues(parts, conn, handoff, account, seller, now)
        _announce(parts, conn, handoff, report, now)
        return desk.keep(**report)


def _may(parts: Parts, stage: Stage) -> None:
    point = parts.library.agreement.conversion_point
    if stage is Stage.SQL or (stage is Stage.SAL and point == "sal"):
        return
    raise Refused(f"A lead in {stage.value} cannot be converted.", code="not_from_here",
                  fix=f"the agreement converts from {point}")


def _accounts(conn: Connection, snapshot: Snapshot) -> list[tuple[str, Account]]:
    lead = snapshot.lead
    found = accounts.find(
        conn, external_id=lead.get("crm_account"), domain=merge.corporate_domain(lead.email),
        name_key=merge.name_key(lead.get("company")), country=lead.country or lead.get("country"),
    )
    if lead.account_id is not None and all(a.id != lead.account_id for _, a in found):
        known = accounts.get(conn, lead.account_id)
        found = [("linked", known), *found] if known is not None else found
    return found


def _account(
    conn: Connection, snapshot: Snapshot, choice: Choice, seller: Seller, now: datetime, report: dict[str, Any]
) -> Account:
    found = _accounts(conn, snapshot)
    if isinstance(choice.account, int):
        chosen = accounts.get(conn, choice.account)
        if chosen is None:
            raise Refused(f"There is no account {choice.account}.", code="which_account")
        report["account_how"] = next((how for how, a in found if a.id == chosen.id), "chosen")
        return chosen
    exact = [a for how, a in found if how in ("crm id", "domain", "linked")]
    if choice.account is None and found:
        if len(found) > 1 and len(exact) != 1:
            names = ", ".join(f"{a.id} {a.name}" for _, a in found)
            raise Refused("Several accounts may be meant.", code="which_account", fix=f"--account one of: {names}")
        report["account_how"] = found[0][0]
        return exact[0] if exact else found[0][1]
    if exact and not choice.confirm_duplicate:
        raise Refused(f"{exact[0].name} has this domain already.", code="duplicate_account",
                      fix=f"--account {exact[0].id}, or say why a second one is right: --confirm-duplicate REASON")
    return _new_account(conn, snapshot, choice, seller, now, report)


def _new_account(
    conn: Connection, snapshot: Snapshot, choice: Choice, seller: Seller, now: datetime, report: dict[str, Any]
) -> Account:
    lead = snapshot.lead
    domain = merge.corporate_domain(lead.email)
    name = str(choice.overrides.get("company") or lead.get("company") or domain or f"Account of lead {lead.id}")
    country = lead.country or lead.get("country")
    account_id = accounts.create(
        conn, name=name, name_key=merge.name_key(name), country=country, owner=seller.id,
        domains=[domain] if domain else [], now=now,
    )
    report |= {"account_how": "new", "duplicate_because": choice.confirm_duplicate}
    made = accounts.get(conn, account_id)
    assert made is not None  # it was written in this transaction
    return made


def _contacts(conn: Connection, snapshot: Snapshot, account_ids: list[int]) -> list[dict[str, Any]]:
    lead = snapshot.lead
    same = accounts.contacts_by_email(conn, normal_address(lead.email)) if lead.email else []
    names = (str(lead.get("first_name") or "").casefold(), str(lead.get("last_name") or "").casefold())
    alike = []
    for account_id in account_ids:
        for contact in accounts.contacts_of(conn, account_id):
            theirs = tuple(str(contact["fields"].get(n) or "").casefold() for n in ("first_name", "last_name"))
            if all(names) and theirs == names and all(contact["id"] != s["id"] for s in same):
                alike.append(contact)
    return [{"id": c["id"], "account": c["account_id"], "how": how, "fields": c["fields"]}
            for how, rows in (("same address", same), ("same name", alike)) for c in rows]


def _contact(
    parts: Parts, conn: Connection, snapshot: Snapshot, account: Account, choice: Choice, seller: Seller, now: datetime,
    report: dict[str, Any],
) -> int:
    lead = snapshot.lead
    existing = _existing_contact(conn, snapshot, account, choice)
    values = {n: v for n, v in lead.fields.items() if n != "lead_source" or choice.overwrite_source}
    if existing is None:
        fields, _ = merge.fill({}, lead.fields, overrides=choice.overrides)
        report["conflicts"] = []
        return accounts.add_contact(conn, {
            "lead_id": lead.id, "account_id": account.id, "fields": fields, "role": fields.get("role"),
            "email_key": normal_address(lead.email) if lead.email else None, "created_at": now, "created_by": seller.id,
        })
    fields, conflicts = merge.fill(existing["fields"], values, overrides=choice.overrides)
    report["conflicts"] = [c.as_dict() for c in conflicts]
    # Consents first: from the link on, the ledger carries every new no from one record to the other.
    report["consent"] = _merge_consent(parts, conn, snapshot, existing["lead_id"], seller, now)
    if existing["lead_id"] != lead.id:
        accounts.same_person(conn, lead.id, existing["lead_id"], by=seller.id, now=now)
        report["same_person_as"] = existing["lead_id"]
    changes: dict[str, Any] = {"fields": fields, "role": fields.get("role")}
    if existing["account_id"] != account.id:
        if choice.affiliation == "second":
            return accounts.add_contact(conn, {
                "lead_id": lead.id, "account_id": account.id, "fields": fields, "role": fields.get("role"),
                "email_key": existing["email_key"], "created_at": now, "created_by": seller.id,
            })
        changes["account_id"] = account.id
    accounts.change_contact(conn, existing["id"], **changes)
    return int(existing["id"])


def _existing_contact(conn: Connection, snapshot: Snapshot, account: Account, choice: Choice) -> dict[str, Any] | None:
    lead = snapshot.lead
    if isinstance(choice.contact, int):
        found = accounts.contact(conn, choice.contact)
        if found is None:
            raise Refused(f"There is no contact {choice.contact}.", code="which_contact")
    else:
        own = accounts.contact_of(conn, lead.id, account.id)
        same = accounts.contacts_by_email(conn, normal_address(lead.email)) if lead.email else []
        here = [c for c in same if c["account_id"] == account.id]
        found = own or next(iter(here or same), None)
        if found is None or (choice.contact == "new" and own is None and not here):
            return None
    if found["account_id"] != account.id and choice.affiliation is None:
        raise Refused("This contact belongs to another account.", code="which_contact",
                      fix="--affiliation move, or --affiliation second to keep both")
    return found


def _merge_consent(
    parts: Parts, conn: Connection, snapshot: Snapshot, other_lead: int, seller: Seller, now: datetime
) -> list[dict[str, Any]]:
    """The most restrictive wins for both records, written to the ledger of the one that was looser."""
    if other_lead == snapshot.lead.id:
        return []
    theirs = consent.states(conn, [other_lead]).get(other_lead, {})
    told = []
    for stricter in merge.most_restrictive(snapshot.consents, theirs):
        whose = other_lead if stricter.looser == "contact" else snapshot.lead.id
        objected = stricter.status is ConsentStatus.OBJECTED
        entry = ConsentEntry(
            whose, stricter.purpose, ConsentAction.OBJECT if objected else ConsentAction.WITHDRAW, now,
            f"sales {seller.id}", channel=stricter.channel, proof={"source": f"merged with lead {snapshot.lead.id}"},
            key=f"merge/{snapshot.lead.id}/{other_lead}/{stricter.purpose}/{stricter.channel}",
        )
        consent.append(conn, [entry], now=now, keys=parts.keys)
        told.append({"purpose": stricter.purpose.value, "channel": stricter.channel.value, "now": stricter.status.value,
                     "changed": stricter.looser})
    return told


def _deal(
    conn: Connection, snapshot: Snapshot, handoff: Handoff, account: Account, choice: Choice, seller: Seller,
    now: datetime, report: dict[str, Any],
) -> int | None:
    wanted = choice.deal
    if wanted is None:
        return None
    if wanted.id is not None:
        found = accounts.deal(conn, wanted.id)
        if found is None or found["account_id"] != account.id:
            raise Refused(f"Deal {wanted.id} does not belong to {account.name}.", code="not_theirs")
        return wanted.id
    timeline = handoffs.bant(conn, handoff.lead_id, handoff.cycle).get("timeline", {}).get("note")
    topics = [t["topic"] for t in handoff.packet.get("topics", [])]
    name = wanted.name or f"{account.name} – {topics[0] if topics else 'new business'}"
    return accounts.add_deal(conn, {
        "account_id": account.id, "lead_id": handoff.lead_id, "cycle": handoff.cycle, "name": name, "state": "open",
        "amount": wanted.amount, "currency": wanted.currency, "opened_at": now, "owner": seller.id,
        "close_on": wanted.close_on or merge.close_date(timeline, now),
    })


def _tell_colleagues(
    parts: Parts, conn: Connection, handoff: Handoff, account: Account, seller: Seller, now: datetime
) -> None:
    for row in handoffs.open_at_account(conn, account.id, but=handoff.lead_id):
        if row.owner is not None and row.owner != seller.id:
            text = f"A colleague of your lead {row.lead_id} at {account.name} was converted by {seller.name}."
            opening.tell_seller(parts, conn, row.owner, f"News from {account.name}", text, now=now,
                                key=f"converted/{handoff.id}/{row.id}", lead_id=row.lead_id, handoff_id=row.id)


def _announce(parts: Parts, conn: Connection, handoff: Handoff, report: Mapping[str, Any], now: datetime) -> None:
    """Other systems hear of it the way they heard of the hand-off."""
    queue = assign.queue_named(parts.library.sales, handoff.queue)
    rows = [
        outbox.row(kind, str(where), key=f"converted/{handoff.id}/{kind}/{where}", now=now, payload=report,
                   lead_id=handoff.lead_id, handoff_id=handoff.id)
        for way in queue.deliver for kind, where in way.items() if kind in ("webhook", "crm")
    ]
    outbox.put(conn, rows)


def account_view(parts: Parts, account_id: int, *, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    """The hybrid view of one organisation: people, roles covered, engagement, deals, who talks to whom."""
    with parts.store.read() as conn:
        account = accounts.get(conn, account_id)
        if account is None:
            raise Refused(f"There is no account {account_id}.", code="which_account")
        people = [opening.person_row(row) for row in accounts.committee(conn, account_id)]
        contacts = accounts.contacts_of(conn, account_id)
        deal = accounts.open_deal(conn, account_id)
    return {
        "id": account.id, "name": account.name, "country": account.country, "owner": account.owner,
        "customer_since": account.customer_since, "people": people, "open_deal": deal,
        "engagement": opening.account_points(people), "contacts": [c["id"] for c in contacts],
        "roles": merge.roles_covered(people, roles),
    }
