"""Lead to account, contact and opportunity; and what comes back of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from nurture.acts import contacts, conversion, desk, results, worked
from nurture.acts.conversion import Choice, Deal
from nurture.acts.privacy import object_to_marketing
from nurture.errors import Conflict, Refused
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.words import Channel, ConsentAction, ConsentStatus, Purpose, Stage
from nurture.store import Store, open_store
from nurture.store.audience import snapshots
from nurture.store.privacy import consent, ledger
from nurture.store.sales import accounts, handoffs, lifecycle, timers
from nurture.store.schema import ensure
from nurture.store.tables import LeadRow, MessageRow
from tests.sales.world import AGREEMENT, GOOD, KEYS, SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def row(store: Store, lead_id: int) -> Any:
    with store.read() as conn:
        return conn.execute(select(LeadRow.__table__).where(LeadRow.__table__.c.id == lead_id)).one()


def qualified(
    store: Store, *, email: str = "anna@acme.example", fields: dict[str, Any] | None = None
) -> tuple[int, int]:
    """A lead in `sql` with its hand-off."""
    who = add_lead(store, now=NOW, email=email, fields={**GOOD, **(fields or {})})
    happened(store, who, *[(k, d, {**m, "key": f"{email}{k}{d}"}) for k, d, m in (*SEED, WEBINAR)], now=NOW)
    world = parts(store)
    tick(world, now=NOW)
    with store.read() as conn:
        found = handoffs.open_of(conn, who)
    assert found is not None
    by = found.owner or "jana"
    desk.accept(world, found.id, by=by, now=NOW)
    desk.qualify(
        world, found.id, bant={"need": "yes", "timeline": "partly"}, notes={"timeline": "2027-02-15"}, by=by, now=NOW
    )
    return who, found.id


def test_a_new_account_contact_and_deal(store: Store) -> None:
    _, number = qualified(store)
    world = parts(store)
    done = conversion.convert(world, number, Choice(deal=Deal(amount=5_000_00, currency="EUR")), by="jana", now=NOW)
    assert done.stage == "converted" and done.more["account_how"] == "new"
    with store.read() as conn:
        account = accounts.get(conn, done.more["account"])
        deal = accounts.deal(conn, done.more["deal"])
        contact = accounts.contact(conn, done.more["contact"])
        assert account is not None and account.name == "Acme" and account.owner == "jana"
        assert deal is not None and deal["close_on"] == date(2027, 2, 15) and deal["name"].startswith("Acme – ")
        assert contact is not None and contact["role"] == "head of IT"
        assert handoffs.get(conn, number).state == "converted"
    again = conversion.convert(world, number, Choice(), by="jana", now=NOW)
    assert again.repeated and again.more["account"] == done.more["account"]
    with pytest.raises(Conflict):
        desk.recycle(world, number, reason="no_budget", by="jana", now=NOW)


def test_only_from_the_conversion_point_and_by_a_human(store: Store) -> None:
    """V20, S4-16."""
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    world = parts(store)
    tick(world, now=NOW)
    with store.read() as conn:
        found = handoffs.open_of(conn, who)
    assert found is not None
    with pytest.raises(Refused) as early:
        conversion.convert(world, found.id, Choice(), by="jana", now=NOW)
    assert early.value.code == "not_from_here"
    desk.accept(world, found.id, by="jana", now=NOW)
    with pytest.raises(Refused):
        conversion.convert(world, found.id, Choice(), by="jana", now=NOW)
    with pytest.raises(Refused) as nobody:
        conversion.convert(world, found.id, Choice(), by="robot", now=NOW)
    assert nobody.value.code == "needs_human"
    sooner = parts(store, agreement=replace(AGREEMENT, conversion_point="sal"))
    assert conversion.convert(sooner, found.id, Choice(), by="jana", now=NOW).stage == "converted"


def test_a_domain_we_know_is_suggested_and_a_second_account_needs_a_reason(store: Store) -> None:
    _, first = qualified(store)
    world = parts(store)
    made = conversion.convert(world, first, Choice(), by="jana", now=NOW)
    who, second = qualified(
        store, email="bo@mail.acme.example", fields={"first_name": "Bo", "company": "ACME Sp. z o.o."}
    )
    seen = conversion.candidates(world, who, now=NOW)
    assert [(a["id"], a["how"]) for a in seen["accounts"]] == [(made.more["account"], "domain")]
    with pytest.raises(Refused) as double:
        conversion.convert(world, second, Choice(account="new"), by="piotr", now=NOW)
    assert double.value.code == "duplicate_account"
    with pytest.raises(Refused, match="no account 999") as nowhere:
        conversion.convert(world, second, Choice(account=999), by="piotr", now=NOW)
    assert nowhere.value.code == "which_account"
    done = conversion.convert(world, second, Choice(account=made.more["account"]), by="piotr", now=NOW)
    assert done.more["account_how"] == "domain"
    assert done.more["account"] == made.more["account"] and done.more["contact"] != made.more["contact"]
    view = conversion.account_view(world, done.more["account"], roles=("CIO", "head of IT"))
    assert len(view["people"]) == 2 and view["roles"] == {"CIO": False, "head of IT": True}


def test_free_mail_is_no_employer(store: Store) -> None:
    for n, name in enumerate(("one", "two")):
        _, number = qualified(store, email=f"{name}@gmail.com", fields={"company": f"Company {name}"})
        done = conversion.convert(parts(store), number, Choice(), by="jana", now=NOW + timedelta(minutes=n))
        assert done.more["account_how"] == "new"


def test_v22_the_most_restrictive_consent_wins_and_filled_fields_stay(store: Store) -> None:
    """Salesforce leaves the contact opted in here."""
    first, number = qualified(store, fields={"phone": "+48 1"})
    world = parts(store)
    made = conversion.convert(world, number, Choice(), by="jana", now=NOW)
    second, other = qualified(store, email="a.nowak@acme.example", fields={"phone": "+48 2", "city": "Gdynia"})
    later = NOW + timedelta(minutes=5)
    with store.begin() as conn:
        proof = {"source": "form", "box": "ticked"}
        consent.append(conn, [
            ConsentEntry(first, Purpose.COMMERCIAL_OFFERS, ConsentAction.GRANT, NOW, "person", proof=proof),
            ConsentEntry(second, Purpose.COMMERCIAL_OFFERS, ConsentAction.WITHDRAW, NOW, "person"),
        ], now=NOW, keys=KEYS)
    done = conversion.convert(world, other, Choice(contact=made.more["contact"]), by="jana", now=later)
    assert [c["changed"] for c in done.more["consent"] if c["purpose"] == "commercial_offers"] == ["contact"]
    with store.read() as conn:
        states = consent.states(conn, [first])[first]
        contact = accounts.contact(conn, made.more["contact"])
    assert {s.status for (p, _), s in states.items() if p is Purpose.COMMERCIAL_OFFERS} == {ConsentStatus.WITHDRAWN}
    assert contact is not None and contact["fields"]["phone"] == "+48 1" and contact["fields"]["city"] == "Gdynia"
    assert [(c["field"], c["kept"], c["offered"]) for c in done.more["conflicts"] if c["field"] == "phone"] == [
        ("phone", "+48 1", "+48 2")
    ]


def statuses(store: Store, purpose: Purpose, *leads: int) -> list[str]:
    with store.read() as conn:
        held = consent.states(conn, leads)
    return [next(s.status.value for (p, _), s in held[lead].items() if p is purpose) for lead in leads]


def test_c20_a_no_said_on_one_record_reaches_the_other_also_after_they_were_joined(store: Store) -> None:
    first, number = qualified(store)
    world = parts(store)
    made = conversion.convert(world, number, Choice(), by="jana", now=NOW)
    second, other = qualified(store, email="a.nowak@acme.example")
    third = add_lead(store, now=NOW, email="private@example.com")
    conversion.convert(world, other, Choice(contact=made.more["contact"]), by="jana", now=NOW)
    with store.begin() as conn:
        accounts.same_person(conn, second, third, by="jana", now=NOW)
    people = (first, second, third)
    mail = Purpose.NURTURE_EMAIL

    def said(lead: int, action: ConsentAction, minutes: int) -> None:
        entry = ConsentEntry(
            lead, mail, action, NOW + timedelta(minutes=minutes), "person", proof={"source": "form", "box": "ticked"},
            basis=Basis.CONSENT, wording="w.1.en", wording_sha="0" * 64,
        )
        with store.begin() as conn:
            consent.append(conn, [entry, entry], now=entry.at, keys=KEYS)
            assert consent.append(conn, [entry], now=entry.at, keys=KEYS).repeated == 1

    for n, lead in enumerate(people):
        said(lead, ConsentAction.GRANT, n)
    assert statuses(store, mail, *people) == ["granted"] * 3, "a yes holds for the record it was said on"
    said(third, ConsentAction.WITHDRAW, 5)
    assert statuses(store, mail, *people) == ["withdrawn"] * 3, "by way of the record between them"
    said(first, ConsentAction.GRANT, 6)
    assert statuses(store, mail, *people) == ["granted", "withdrawn", "withdrawn"]
    with store.read() as conn:
        still = consent.still_open(conn, second)
        assert (mail, Channel.EMAIL) not in still, "so that a second click on the old link is no repeat"
    object_to_marketing(world, second, by="ines", source="letter", now=NOW + timedelta(minutes=7))
    assert statuses(store, mail, *people) == ["objected"] * 3
    with store.read() as conn:
        assert {row.objected for row in conn.execute(select(LeadRow.__table__))} == {True}
        found = ledger.verify(conn, KEYS).findings
        # This world writes consents past the ledger (`grant`), which is what verify then says of them.
        assert {f.code for f in found} <= {"state_forged"}


def sent(store: Store, lead_id: int, content: str) -> None:
    with store.begin() as conn:
        conn.execute(insert(MessageRow).values(
            lead_id=lead_id, template=content, template_digest="0", content=content, kind="educational", state="sent",
            planned_at=NOW, due_at=NOW, sent_at=NOW,
        ))


def test_two_leads_that_are_one_person_are_never_sent_the_same_thing(store: Store) -> None:
    """§7.4: merged people have the union of what either had; trap 10."""
    first, number = qualified(store)
    world = parts(store)
    made = conversion.convert(world, number, Choice(), by="jana", now=NOW)
    second, other = qualified(store, email="a.nowak@acme.example")
    sent(store, first, "criteria")
    sent(store, second, "numbers")
    done = conversion.convert(world, other, Choice(contact=made.more["contact"]), by="jana", now=NOW)
    assert done.more["same_person_as"] == first
    with store.read() as conn:
        found = snapshots.load(conn, [first, second], now=NOW)
    assert {lead: {s.content for s in found[lead].sent} for lead in found} == {
        first: {"criteria", "numbers"}, second: {"criteria", "numbers"}
    }
    with store.read() as conn:
        assert {s.content for s in snapshots.load(conn, [second], now=NOW)[second].sent} == {"criteria", "numbers"}


def test_a_contact_of_another_account_is_moved_or_doubled_by_choice(store: Store) -> None:
    who, number = qualified(store)
    world = parts(store)
    with store.begin() as conn:
        old = accounts.create(conn, name="Former", name_key="former", country=None, owner=None, domains=[], now=NOW)
        accounts.add_contact(conn, {"lead_id": who, "account_id": old, "email_key": "anna@acme.example", "fields": {},
                                    "created_at": NOW, "created_by": "jana"})
    with pytest.raises(Refused) as which:
        conversion.convert(world, number, Choice(account="new"), by="jana", now=NOW)
    assert which.value.code == "which_contact"
    done = conversion.convert(world, number, Choice(account="new", affiliation="second"), by="jana", now=NOW)
    with store.read() as conn:
        assert len(accounts.contacts_of(conn, old)) == 1 and len(accounts.contacts_of(conn, done.more["account"])) == 1


def test_a_deal_must_belong_to_the_account(store: Store) -> None:
    _, number = qualified(store)
    with store.begin() as conn:
        other = accounts.create(conn, name="Other", name_key="other", country=None, owner=None, domains=[], now=NOW)
        deal = accounts.add_deal(conn, {"account_id": other, "name": "x", "state": "open", "opened_at": NOW})
    with pytest.raises(Refused) as foreign:
        conversion.convert(parts(store), number, Choice(deal=Deal(id=deal)), by="jana", now=NOW)
    assert foreign.value.code == "not_theirs"
    with store.read() as conn:
        assert handoffs.get(conn, number).state == "accepted", "nothing of it was written"


def test_won_lost_and_churned_come_back_once(store: Store) -> None:
    """T20, T21, T22; S4-15."""
    who, number = qualified(store)
    world = parts(store)
    conversion.convert(world, number, Choice(deal=Deal()), by="jana", now=NOW)
    read, wrong = results.read_csv(
        "result,lead,reason,amount,currency,date\n"
        "won,anna@acme.example,,\"12 500,50\",EUR,2026-12-01\n"
        "won,anna@acme.example,,\"12 500,50\",EUR,2026-12-01\n"
        "lost,nobody@example.org,price,,,\n"
        "won,anna@acme.example,,much,EUR,2026-12-01\n"
    )
    assert len(read) == 3 and wrong == ["line 5: `much` is not an amount"]
    states = [o.state for o in results.record(world, read, now=NOW)]
    assert states == ["applied", "repeated", "refused"]
    assert row(store, who).stage == Stage.CUSTOMER
    with store.read() as conn:
        deal = accounts.deals_of_lead(conn, who)[0]
        assert (deal["state"], deal["amount"]) == ("won", 12_500_50)
    later = NOW + timedelta(days=300)
    gone = results.record(world, [results.Result("churned", lead="anna@acme.example")], now=later)
    assert gone[0].state == "applied"
    back = row(store, who)
    assert (back.stage, back.cycle, back.track, back.recycles) == (Stage.RECYCLED, 2, "win_back", 0)
    with store.read() as conn:
        cycles = [m["cycle"] for m in lifecycle.history(conn, who)]
        assert cycles[-1] == 2 and set(cycles[:-1]) == {1}
        assert handoffs.get(conn, number).cycle == 1


def test_a_result_told_twice_by_other_names_counts_once_and_again_in_the_next_cycle(store: Store) -> None:
    """A CRM that sends neither deal nor date, a file beside it, and a customer who leaves twice."""
    who, number = qualified(store)
    world = parts(store)
    conversion.convert(world, number, Choice(deal=Deal()), by="jana", now=NOW)

    def told(kind: str, lead: str, day: int, on: date | None = None) -> str:
        return results.record(world, [results.Result(kind, lead=lead, on=on)], now=NOW + timedelta(days=day))[0].state

    dated = told("won", "anna@acme.example", 1), told("won", str(who), 2, date(2026, 11, 25))
    assert dated == ("applied", "repeated")
    assert [told("churned", str(who), 30), told("churned", "anna@acme.example", 31)] == ["applied", "repeated"]
    pulled = desk.take(world, who, by="jana", reason="they called", now=NOW + timedelta(days=40)).handoff_id
    desk.accept(world, pulled, by="jana", now=NOW + timedelta(days=40))
    desk.qualify(world, pulled, bant={"need": "yes", "budget": "yes"}, by="jana", now=NOW + timedelta(days=40))
    conversion.convert(world, pulled, Choice(deal=Deal()), by="jana", now=NOW + timedelta(days=40))
    assert [told("won", str(who), 41), told("churned", str(who), 90)] == ["applied", "applied"]
    assert (row(store, who).stage, row(store, who).cycle) == (Stage.RECYCLED, 3)
    odd = results.record(world, [results.Result("won", lead=str(who))], now=NOW + timedelta(days=91))[0]
    assert odd.text == "A lead in recycled cannot be won. This is possible from: converted"


def test_a_lost_deal_needs_a_reason_and_starts_over(store: Store) -> None:
    who, number = qualified(store)
    world = parts(store)
    conversion.convert(world, number, Choice(deal=Deal()), by="jana", now=NOW)
    assert results.record(world, [results.Result("lost", lead=str(who))], now=NOW)[0].state == "refused"
    nothing = results.record(world, [results.Result("postponed", lead=str(who))], now=NOW)[0]
    assert (nothing.state, nothing.text) == ("refused", "`postponed` is not a result. One of: won, lost, churned")
    assert results.record(world, [results.Result("lost", lead=str(who), reason="price")], now=NOW)[0].state == "applied"
    back = row(store, who)
    assert (back.stage, back.cycle, back.recycle_reason) == (Stage.RECYCLED, 2, "opp_lost:price")
    assert back.baseline_at == NOW and back.cool_off_until == NOW + timedelta(days=120)


def test_the_database_itself_keeps_what_happened(store: Store) -> None:
    """§6.9: a converted cycle is frozen, whoever writes; personal data stays correctable."""
    who, number = qualified(store)
    conversion.convert(parts(store), number, Choice(), by="jana", now=NOW)
    for statement in (
        "UPDATE handoff SET state = 'open'",
        "UPDATE handoff SET owner = 'piotr'",
        "UPDATE transition SET to_stage = 'sal'",
        "UPDATE sales_decision SET decision = 'reject'",
    ):
        with pytest.raises(DBAPIError, match="not changed any more"), store.begin() as conn:
            conn.execute(text(statement))
    with store.begin() as conn:
        conn.execute(text("UPDATE handoff SET packet = '{}', note = ''"))
        conn.execute(text("UPDATE transition SET reason = NULL, note = NULL"))
        conn.execute(text("UPDATE lead SET email = 'b@acme.example' WHERE id = :who"), {"who": who})


def test_a_migrated_database_holds_the_same_triggers(tmp_path: Path) -> None:
    """A batch change that rebuilds one of these tables on SQLite would lose its trigger without a word."""
    opened = open_store(f"sqlite:///{tmp_path}/migrated.db")
    ensure(opened)
    with opened.read() as conn:
        names = set(conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars())
    assert {"frozen_handoff", "frozen_transition", "frozen_sales_decision"} <= names


def test_a_contact_needs_no_lead_to_be_converted_and_nothing_is_sent_to_it(store: Store) -> None:
    """S4-10, S4-19: a referral partner, or a colleague a seller met."""
    _, number = qualified(store)
    world = parts(store)
    account = conversion.convert(world, number, Choice(), by="jana", now=NOW).more["account"]
    fields = {"first_name": "Rita", "role": "partner"}
    made, new = contacts.add(world, account, email="Rita@partner.example", fields=fields, by="jana", now=NOW)
    again = contacts.add(world, account, email="rita@partner.example", fields={}, by="piotr", now=NOW)
    assert new and again == (made, False)
    with store.read() as conn:
        held = {c["id"]: c for c in accounts.contacts_of(conn, account)}
    assert len(held) == 2 and held[made]["role"] == "partner" and held[made]["created_by"] == "jana"
    person = row(store, held[made]["lead_id"])
    assert person.stage == Stage.IDENTIFIED and person.account_id == account
    tick(world, now=NOW)
    assert row(store, held[made]["lead_id"]).track is None
    for wrong, code in ((lambda: contacts.add(world, 999, email="a@b.example", fields={}, by="jana", now=NOW),
                         "which_account"),
                        (lambda: contacts.add(world, account, email="a@b.example", fields={}, by="ines", now=NOW),
                         "needs_human")):
        with pytest.raises(Refused) as refused:
            wrong()
        assert refused.value.code == code


def test_outbound_from_a_seller_to_a_converted_lead(store: Store) -> None:
    """S4-18: a seller pulls a lead the score has not handed over, works it, and hands the deal to an executive."""
    who = add_lead(store, now=NOW, email="cold@acme.example")
    world = parts(store)
    with pytest.raises(Refused) as silent:
        desk.take(world, who, by="jana", reason="", now=NOW)
    assert silent.value.code == "needs_reason"
    taken = desk.take(world, who, by="jana", reason="met at a fair", now=NOW)
    desk.accept(world, taken.handoff_id, by="jana", now=NOW)
    bant = dict.fromkeys(("budget", "authority", "need", "timeline"), "yes")
    desk.qualify(world, taken.handoff_id, bant=bant, by="jana", now=NOW)
    with pytest.raises(Refused) as stays:
        worked.hand_on(world, taken.handoff_id, to="ines", by="jana", now=NOW)
    assert stays.value.code == "needs_human"
    worked.hand_on(world, taken.handoff_id, to="marek", by="jana", now=NOW)
    with store.read() as conn:
        assert handoffs.get(conn, taken.handoff_id).owner == "marek"
        assert handoffs.get(conn, taken.handoff_id).previous_owner == "jana"
        assert {t["owner"] for t in timers.of_handoff(conn, taken.handoff_id) if t["met_at"] is None} == {"marek"}
    done = conversion.convert(world, taken.handoff_id, Choice(deal=Deal()), by="marek", now=NOW)
    with store.read() as conn:
        assert accounts.deal(conn, done.more["deal"])["owner"] == "marek"
        assert handoffs.get(conn, taken.handoff_id).via == "manual_pull"
        assert set(handoffs.bant(conn, who, 1)) == set(bant), "all four are kept (S0-12)"
