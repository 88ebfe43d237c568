"""The consent rules by their numbers. Rules that only show on a database or a page are named here and stand in
`tests/web/test_ledger.py`, `test_forms.py`, `test_tracking.py` and `test_rights.py`."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide.choices import agree, everything, stop, unsubscribed
from nurture.decide.consent import OBJECTION, fold, may_score, merge, missing_proof, permits
from nurture.model.consent import Basis, ConsentEntry, add_months
from nurture.model.facts import ConsentState, Lead, Snapshot, Value
from nurture.model.intents import Permit, Refusal
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentAction, ConsentStatus, Purpose, Stage

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
NURTURE, LETTER, OFFERS = Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER, Purpose.COMMERCIAL_OFFERS
EMAIL, PHONE = Channel.EMAIL, Channel.PHONE
GRANTED = ConsentStatus.GRANTED


def entry(
    action: ConsentAction, day: float = 0, *, by: str = "person", purpose: Purpose = NURTURE, **more: Any
) -> ConsentEntry:
    proof = more.pop("proof", {"source": "form guide"})
    if "basis" not in more and action in (ConsentAction.GRANT, ConsentAction.IMPORT, ConsentAction.CONFIRM):
        more |= {"basis": Basis.CONSENT, "wording": "w.1.en", "wording_sha": "f" * 64}
    return ConsentEntry(1, purpose, action, T0 + timedelta(days=day), by, proof=proof, **more)


def status(
    *entries: ConsentEntry, day: float = 100, purpose: Purpose = NURTURE, channel: Channel = EMAIL
) -> ConsentStatus:
    return fold(entries, now=T0 + timedelta(days=day)).get((purpose, channel), ConsentState()).status


def snapshot(country: str | None, *entries: ConsentEntry, day: float = 100) -> Snapshot:
    return Snapshot(Lead(1, Stage.NURTURING, country=country), consents=fold(entries, now=T0 + timedelta(days=day)))


def may_mail(country: str | None, *entries: ConsentEntry, day: float = 100, purpose: Purpose = NURTURE) -> bool:
    return isinstance(permits(snapshot(country, *entries, day=day), purpose, now=T0 + timedelta(days=day)), Permit)


def basis(kind: Basis, day: float = 0, **more: Any) -> ConsentEntry:
    proof = {"source": "shop", "sale_ref": "A-1", "similar_product": "yes", "objection_offered": "yes"}
    return entry(ConsentAction.IMPORT, day, by="import 1", basis=kind, proof=more.pop("proof", proof), **more)


def test_c1_a_send_needs_an_unexpired_basis_at_the_moment_of_sending_and_says_why_not() -> None:
    granted = entry(ConsentAction.GRANT, expires_at=T0 + timedelta(days=10))
    assert may_mail("PL", granted, day=9.9)
    assert not may_mail("PL", granted, day=10)
    now = T0 + timedelta(days=100)
    for entries, words in [
        ((), "never agreed to nurture email by email"),
        ((entry(ConsentAction.REQUEST),), "has not confirmed nurture email by email yet"),
        (
            (entry(ConsentAction.GRANT), entry(ConsentAction.WITHDRAW, 5)),
            "withdrew nurture email by email on 2026-03-06",
        ),
        ((granted,), "the ground for nurture email by email has expired"),
    ]:
        answer = permits(snapshot("PL", *entries), NURTURE, now=now)
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.text) == ("no_consent", words)


@given(st.sampled_from([None, "", "??", "ZZ", "XX", "no country"]), st.sampled_from(list(Basis)))
def test_c2_an_unknown_jurisdiction_is_the_strictest(country: str | None, ground: Basis) -> None:
    given = basis(ground, wording="w.1.en", wording_sha="f" * 64)
    assert may_mail(country, given) is (ground is Basis.CONSENT)


@pytest.mark.parametrize("country", ["PL", "CZ", "DE", "pl", " de "])
@pytest.mark.parametrize(
    "ground", [Basis.LEGIT_INTEREST, Basis.CANSPAM_OPTOUT, Basis.CONTRACT, Basis.CASL_IMPLIED_INQUIRY]
)
def test_c3_legitimate_interest_never_suffices_for_mail_in_pl_cz_de_companies_included(
    country: str, ground: Basis
) -> None:
    assert not may_mail(country, basis(ground))


COMPANIES: tuple[dict[str, Any], ...] = (
    {"fields": {"company": Value("Example Ltd", "declared"), "is_company": Value(True, "declared")}},
    {"email": "office@example.com", "fields": {"role": Value("purchasing department", "declared")}},
    {"account_id": 7, "tags": frozenset({"company", "b2b"})},
)


@pytest.mark.parametrize("country", ["PL", "CZ", "DE", "IT", None, "XX"])
@pytest.mark.parametrize("ground", [Basis.LEGIT_INTEREST, Basis.CANSPAM_OPTOUT])
@pytest.mark.parametrize("company", COMPANIES)
def test_c3_a_company_is_asked_like_anybody(country: str | None, ground: Basis, company: dict[str, Any]) -> None:
    """Nothing that says "this is a company" opens a way around the ground: neither fields, nor account, nor address."""
    states = fold([basis(ground)], now=T0 + timedelta(days=1))
    lead = Lead(1, Stage.NURTURING, country=country, **company)
    answer = permits(Snapshot(lead, consents=states), NURTURE, now=T0 + timedelta(days=1))
    assert isinstance(answer, Refusal) and "no ground" in answer.text
    given = fold([entry(ConsentAction.GRANT)], now=T0 + timedelta(days=1))
    assert isinstance(permits(Snapshot(lead, consents=given), NURTURE, now=T0 + timedelta(days=1)), Permit)


def test_c4_consent_is_per_purpose_and_channel_and_never_spreads() -> None:
    for granted_purpose, granted_channel in itertools.product(Purpose, (EMAIL, PHONE)):
        states = fold([entry(ConsentAction.GRANT, purpose=granted_purpose, channel=granted_channel)], now=T0)
        assert set(states) == {(granted_purpose, granted_channel)}


@pytest.mark.parametrize(
    "lacking",
    [
        {"proof": {}},
        {"proof": {"source": ""}},
        {"wording": None},
        {"wording_sha": None},
        {"proof": {"source": "x", "box": "preticked"}},
    ],
)
@pytest.mark.parametrize("action", [ConsentAction.GRANT, ConsentAction.IMPORT, ConsentAction.CONFIRM])
def test_c5_a_grant_without_proof_grants_nothing(action: ConsentAction, lacking: dict[str, Any]) -> None:
    more: dict[str, Any] = {"basis": Basis.CONSENT, "wording": "w.1.en", "wording_sha": "f" * 64, **lacking}
    bare = entry(action, 1, **more)
    assert missing_proof(bare)
    assert status(entry(ConsentAction.REQUEST), bare) is not GRANTED


def test_c6_a_request_is_pending_until_it_is_confirmed_and_ends_by_itself() -> None:
    request = entry(ConsentAction.REQUEST, expires_at=T0 + timedelta(days=7))
    assert status(request, day=6.9) is ConsentStatus.PENDING
    assert status(request, day=7) is ConsentStatus.EXPIRED
    assert status(request, entry(ConsentAction.CONFIRM, 6)) is GRANTED
    assert status(request, entry(ConsentAction.CONFIRM, 8)) is ConsentStatus.EXPIRED
    assert status(entry(ConsentAction.CONFIRM, 1)) is ConsentStatus.NONE


def test_c7_withdrawing_is_one_entry_and_a_new_grant_brings_it_back() -> None:
    granted, gone = entry(ConsentAction.GRANT), entry(ConsentAction.WITHDRAW, 1)
    assert status(granted, gone) is ConsentStatus.WITHDRAWN
    assert status(granted, gone, entry(ConsentAction.GRANT, 2)) is GRANTED
    assert status(granted, gone, entry(ConsentAction.REQUEST, 2)) is ConsentStatus.PENDING


def test_c8_no_import_lifts_a_withdrawal_in_whatever_order_it_arrives() -> None:
    for refusal in (ConsentAction.WITHDRAW, ConsentAction.OBJECT):
        told = [
            entry(ConsentAction.GRANT),
            entry(refusal, 1),
            entry(ConsentAction.IMPORT, 2, by="import 1"),
            entry(ConsentAction.GRANT, 3, by="marketing ines"),
            entry(ConsentAction.REQUEST, 4, by="import 2"),
            entry(ConsentAction.EXPIRE, 5, by="system"),
        ]
        wanted = ConsentStatus.WITHDRAWN if refusal is ConsentAction.WITHDRAW else ConsentStatus.OBJECTED
        assert {status(*order) for order in itertools.permutations(told)} == {wanted}
        lifted = [*told, entry(ConsentAction.GRANT, 6)]
        assert {status(*order) for order in itertools.permutations(lifted)} == {GRANTED}


actions = st.sampled_from([a for a in ConsentAction if a is not ConsentAction.ERASE])
ledgers = st.lists(
    st.builds(
        entry,
        actions,
        st.integers(0, 5),
        by=st.sampled_from(["person", "import 1", "marketing ines", "system"]),
        purpose=st.sampled_from([NURTURE, LETTER]),
    ),
    max_size=7,
)


@given(ledgers, st.randoms(use_true_random=False))
def test_the_fold_is_the_same_in_any_order_of_arrival(told: list[ConsentEntry], chance: Any) -> None:
    mixed = list(told)
    chance.shuffle(mixed)
    now = T0 + timedelta(days=50)
    one, two = fold(told, now=now), fold(mixed, now=now)
    assert {k: (s.status, s.since, s.until) for k, s in one.items()} == {
        k: (s.status, s.since, s.until) for k, s in two.items()
    }


@given(ledgers)
def test_after_a_refusal_only_the_person_permits_again(told: list[ConsentEntry]) -> None:
    refused = [*(e for e in told if not e.by_person), entry(ConsentAction.WITHDRAW, 0)]
    assert not any(
        s.status is GRANTED for (p, _), s in fold(refused, now=T0 + timedelta(days=9)).items() if p is NURTURE
    )


@given(ledgers)
def test_a_withdrawal_at_the_very_moment_of_a_grant_wins(told: list[ConsentEntry]) -> None:
    last = max((e.at for e in told), default=T0)
    day = (last - T0).days
    assert status(*told, entry(ConsentAction.GRANT, day), entry(ConsentAction.WITHDRAW, day)) in (
        ConsentStatus.WITHDRAWN,
        ConsentStatus.OBJECTED,
    )


def test_c9_an_objection_covers_everything_and_stops_scoring() -> None:
    objection = everything(1, {}, now=T0, proof={"source": "page"})
    assert {e.purpose for e in objection} == OBJECTION
    assert {e.channel for e in objection if e.purpose is Purpose.SALES_CONTACT} == {EMAIL, PHONE}
    assert not may_score(snapshot("PL", *objection).consents)
    assert may_score(snapshot("PL", entry(ConsentAction.WITHDRAW)).consents)
    assert not may_score(snapshot("PL", entry(ConsentAction.WITHDRAW, purpose=Purpose.PROFILING)).consents)
    states = fold(objection, now=T0)
    assert everything(1, states, now=T0, proof={"source": "page"}) == []


@pytest.mark.parametrize(
    ("country", "suffices"), [("DE", True), ("CZ", True), ("UK", True), ("PL", False), (None, False)]
)
def test_c10_soft_opt_in_holds_where_the_law_knows_it(country: str | None, suffices: bool) -> None:
    assert may_mail(country, basis(Basis.SOFT_OPT_IN)) is suffices


@pytest.mark.parametrize("without", ["sale_ref", "similar_product", "objection_offered", "source"])
def test_c10_soft_opt_in_needs_every_condition(without: str) -> None:
    proof = {"source": "shop", "sale_ref": "A-1", "similar_product": "yes", "objection_offered": "yes"}
    del proof[without]
    assert not may_mail("DE", basis(Basis.SOFT_OPT_IN, proof=proof))


def test_c10_a_bought_list_is_never_a_soft_opt_in() -> None:
    proof = {"source": "list", "sale_ref": "1", "similar_product": "y", "objection_offered": "y", "bought_list": "yes"}
    assert not may_mail("DE", basis(Basis.SOFT_OPT_IN, proof=proof))


@pytest.mark.parametrize(
    ("at", "months", "ends"),
    [
        ("2026-08-31", 6, "2027-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2028-02-29", 24, "2030-02-28"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-01-15", 6, "2026-07-15"),
        ("2026-03-29", 6, "2026-09-29"),
    ],
)
def test_c11_terms_are_calendar_months_that_end_with_the_month(at: str, months: int, ends: str) -> None:
    start = datetime.fromisoformat(f"{at}T09:00:00+00:00")
    assert add_months(start, months) == datetime.fromisoformat(f"{ends}T09:00:00+00:00")


def test_c11_implied_consent_in_canada_ends_by_itself() -> None:
    for ground, months in ((Basis.CASL_IMPLIED_PURCHASE, 24), (Basis.CASL_IMPLIED_INQUIRY, 6)):
        given = basis(ground)
        ends = add_months(T0, months)
        days = (ends - T0).total_seconds() / 86400
        assert may_mail("CA", given, day=days - 0.001)
        assert not may_mail("CA", given, day=days)
        assert not may_mail("PL", given, day=1)


def test_c13_tracking_rests_on_consent_alone_outside_the_us() -> None:
    for purpose in (Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING):
        for ground in Basis:
            given = basis(ground, purpose=purpose, wording="w.1.en", wording_sha="f" * 64)
            assert may_mail("PL", given, purpose=purpose) is (ground is Basis.CONSENT)


def test_c20_a_merge_takes_the_more_restrictive_of_what_both_said() -> None:
    states = {s: {(NURTURE, EMAIL): ConsentState(s, since=T0)} for s in ConsentStatus}
    order = [
        ConsentStatus.GRANTED,
        ConsentStatus.PENDING,
        ConsentStatus.NONE,
        ConsentStatus.EXPIRED,
        ConsentStatus.WITHDRAWN,
        ConsentStatus.OBJECTED,
    ]
    for one, other in itertools.product(order, order):
        merged = merge(states[one], states[other])[NURTURE, EMAIL].status
        assert merged is order[max(order.index(one), order.index(other))]
    apart = merge({(NURTURE, EMAIL): ConsentState(GRANTED)}, {(LETTER, EMAIL): ConsentState(ConsentStatus.WITHDRAWN)})
    assert {k[0]: s.status for k, s in apart.items()} == {NURTURE: GRANTED, LETTER: ConsentStatus.WITHDRAWN}


def test_c22_every_no_has_words_for_a_marketer() -> None:
    for state in ConsentStatus:
        if state is GRANTED:
            continue
        answer = permits(
            Snapshot(Lead(1, Stage.EARLY), consents={(NURTURE, EMAIL): ConsentState(state)}), NURTURE, now=T0
        )
        assert isinstance(answer, Refusal) and answer.code == "no_consent" and len(answer.text) > 15
    law = permits(snapshot("PL", basis(Basis.LEGIT_INTEREST)), NURTURE, now=T0 + timedelta(days=1))
    assert isinstance(law, Refusal) and law.text == "legit interest is no ground for nurture email by email in Poland"


def test_operational_mail_needs_no_marketing_consent() -> None:
    assert isinstance(permits(snapshot("PL", *everything(1, {}, now=T0, proof={"source": "x"})), None, now=T0), Permit)


def test_erasure_leaves_no_state_and_a_later_grant_starts_anew() -> None:
    told = [entry(ConsentAction.GRANT), entry(ConsentAction.WITHDRAW, 1, purpose=LETTER), entry(ConsentAction.ERASE, 2)]
    assert {s.status for s in fold(told, now=T0 + timedelta(days=3)).values()} == {ConsentStatus.NONE}
    assert status(*told, entry(ConsentAction.GRANT, 3)) is GRANTED


def test_what_lies_in_the_future_does_not_count_yet() -> None:
    assert status(entry(ConsentAction.GRANT, 5), day=4) is ConsentStatus.NONE


def test_an_unsubscribe_link_ends_its_own_list_and_one_without_a_list_ends_all() -> None:
    assert unsubscribed(NURTURE) == {NURTURE}
    assert unsubscribed(None) == MAIL_PURPOSES
    assert unsubscribed(Purpose.SALES_CONTACT) == MAIL_PURPOSES


def test_stopping_twice_is_one_entry() -> None:
    first = stop(1, [NURTURE], {}, now=T0, proof={"source": "one-click"})
    assert len(first) == 1
    assert stop(1, [NURTURE], fold(first, now=T0), now=T0, proof={"source": "one-click"}) == []


def test_a_tick_with_double_opt_in_is_a_request_and_without_it_a_grant() -> None:
    asked = agree(1, NURTURE, now=T0, wording="w.1.en", proof={"source": "form"}, confirm=True)
    given = agree(1, NURTURE, now=T0, wording="w.1.en", proof={"source": "form"})
    assert (asked.action, given.action) == (ConsentAction.REQUEST, ConsentAction.GRANT)
    assert given.proof["box"] == "ticked"
