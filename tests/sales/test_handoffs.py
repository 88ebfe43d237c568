"""From a score to a hand-off and back, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from nurture.acts import desk, worked
from nurture.acts.reopen import reopen
from nurture.errors import Conflict, Refused
from nurture.model.company import Track
from nurture.model.words import Purpose, Stage
from nurture.stages import hand_off
from nurture.store import Connection, Store
from nurture.store.programs import enrollments
from nurture.store.sales import accounts, handoffs, lifecycle, reports, timers
from nurture.store.tables import ConsentStateRow, GateEvaluationRow, LeadRow, OutboxRow
from tests.sales.world import AGREEMENT, SEED, TRACKS, WEBINAR, add_lead, grant, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def lead(store: Store, lead_id: int) -> Any:
    with store.read() as conn:
        return conn.execute(select(LeadRow.__table__).where(LeadRow.__table__.c.id == lead_id)).one()


def last_evaluation(conn: Connection, lead_id: int) -> Any:
    gate = GateEvaluationRow.__table__
    return conn.execute(select(gate).where(gate.c.lead_id == lead_id).order_by(gate.c.id.desc()).limit(1)).first()


def open_handoff(store: Store, lead_id: int) -> handoffs.Handoff | None:
    with store.read() as conn:
        return handoffs.open_of(conn, lead_id)


def handed_over(store: Store, **columns: object) -> tuple[int, int]:
    who = add_lead(store, now=NOW, **columns)
    happened(store, who, *[(k, d, {**m, "key": f"{who}{k}{d}"}) for k, d, m in (*SEED, WEBINAR)], now=NOW)
    tick(parts(store), now=NOW)
    found = open_handoff(store, who)
    assert found is not None
    return who, found.id


def test_the_lead_of_the_article_waits_for_a_webinar_and_then_goes_to_sales(store: Store) -> None:
    """V3, V4, S0-25."""
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, now=NOW)
    tick(parts(store), now=NOW)
    with store.read() as conn:
        seen = last_evaluation(conn, who)
    assert seen is not None and [p["id"] for p in seen.results if p["outcome"] != "pass"] == ["G09", "G10"]
    assert seen.results[8]["missing"] == "attend one webinar, ≥ 30 min"
    assert lead(store, who).stage == Stage.NURTURING

    happened(store, who, WEBINAR, now=NOW)
    tick(parts(store), now=NOW)
    found = open_handoff(store, who)
    assert found is not None and found.cell == "A2" and found.owner == "jana" and found.agreement_sha == "a" * 64
    assert found.packet["identity"]["fields"]["company"] == "Acme"
    row = lead(store, who)
    assert (row.stage, row.level) == (Stage.MQL, 4)
    assert found.due_at == NOW + timedelta(minutes=240)


def test_registered_only_or_too_short_is_no_attendance(store: Store) -> None:
    """V5, S0-27."""
    who = add_lead(store, now=NOW)
    short = ("webinar_attended", 0.75, {"content": "webinar-phones", "minutes": 12})
    happened(store, who, *SEED, short, ("webinar_registered", 1, {"content": "webinar-phones"}), now=NOW)
    tick(parts(store), now=NOW)
    assert open_handoff(store, who) is None


def test_an_early_lead_takes_two_moves_in_one_transaction(store: Store) -> None:
    who, _ = handed_over(store, stage=Stage.EARLY)
    with store.read() as conn:
        moves = [(m["rule"], m["to_stage"]) for m in lifecycle.history(conn, who)]
        assert moves == [("T02", "nurturing"), ("T04", "mql")]
        assert lifecycle.history(conn, who)[-1]["to_stage"] == Stage.MQL


def test_nothing_twice_when_the_stages_run_again(store: Store) -> None:
    who, first = handed_over(store)
    happened(store, who, ("page_view", 0, {"path": "/again"}), now=NOW)
    tick(parts(store), now=NOW)
    again = open_handoff(store, who)
    assert again is not None and again.id == first


def test_consent_withdrawn_between_evaluation_and_transition(store: Store) -> None:
    """V16: the gate is asked again inside the transaction."""
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    world = parts(store)
    with store.read() as conn:
        seen = hand_off.look(world, conn, who, now=NOW)
    assert seen.result is not None and seen.result.outcome == "pass"
    t = ConsentStateRow.__table__
    with store.begin() as conn:
        conn.execute(update(t).where(t.c.purpose == Purpose.SALES_CONTACT).values(status="withdrawn"))
        asked = hand_off.ask(world, conn, who, now=NOW, via="score")
    assert asked.handoff_id is None
    with store.read() as conn:
        stored = last_evaluation(conn, who)
    assert stored is not None and "G02-" in stored.vector


def test_consent_withdrawn_before_a_decision_takes_the_lead_back(store: Store) -> None:
    """T12."""
    who, handoff_id = handed_over(store)
    t = ConsentStateRow.__table__
    with store.begin() as conn:
        conn.execute(update(t).where(t.c.purpose == Purpose.SALES_CONTACT).values(status="withdrawn"))
    happened(store, who, ("page_view", 0, {"path": "/x"}), now=NOW)
    tick(parts(store), now=NOW)
    assert lead(store, who).stage == Stage.NURTURING
    with store.read() as conn:
        assert handoffs.get(conn, handoff_id).state == "revoked"


def test_vectors_are_stored_only_when_they_change(store: Store) -> None:
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, now=NOW)
    tick(parts(store), now=NOW)
    happened(store, who, ("page_view", 0.1, {"path": "/y"}), now=NOW)
    tick(parts(store), now=NOW)
    with store.read() as conn:
        t = GateEvaluationRow.__table__
        assert len(conn.execute(select(t.c.id).where(t.c.lead_id == who)).all()) == 1


def test_accept_qualify_and_what_is_refused(store: Store) -> None:
    """V20 and the decisions of §5."""
    _, handoff_id = handed_over(store)
    world = parts(store)
    with pytest.raises(Refused, match="not one of the sellers") as by_machine:
        desk.accept(world, handoff_id, by="system", now=NOW)
    assert by_machine.value.code == "needs_human"
    with pytest.raises(Refused) as bare:
        desk.reject(world, handoff_id, reason=None, by="jana", now=NOW)
    assert bare.value.code == "needs_reason"
    taken = desk.accept(world, handoff_id, by="jana", now=NOW)
    assert taken.stage == "sal" and desk.accept(world, handoff_id, by="jana", now=NOW).repeated
    with pytest.raises(Conflict):
        desk.accept(world, handoff_id, by="piotr", now=NOW)
    with pytest.raises(Refused) as thin:
        desk.qualify(world, handoff_id, bant={"budget": "yes"}, by="jana", now=NOW)
    assert thin.value.code == "bant_missing"
    done = desk.qualify(world, handoff_id, bant={"need": "yes"}, by="jana", now=NOW)
    assert done.stage == "sql"
    worked.log_call(world, handoff_id, by="jana", now=NOW, outcome="reached")
    with store.read() as conn:
        kinds = {t["kind"]: t for t in timers.of_handoff(conn, handoff_id)}
    assert kinds["decision"]["met_at"] and kinds["first_touch"]["met_at"] and kinds["conversion"]["met_at"] is None


def test_recycle_with_a_date(store: Store) -> None:
    """V21."""
    who, handoff_id = handed_over(store)
    world = parts(store)
    done = desk.recycle(world, handoff_id, reason="bad_timing", by="jana", now=NOW, revisit_on=date(2027, 3, 1))
    row = lead(store, who)
    assert done.stage == "recycled" and row.track == "long_cycle"
    until = row.cool_off_until
    assert until == datetime(2027, 1, 29, 23, 0, tzinfo=UTC), "midnight in Warsaw on 30 January"
    assert row.cool_off_mode == "low_touch"

    soon = NOW + timedelta(days=3)
    happened(store, who, ("webinar_attended", 0, {"content": "w2", "minutes": 60}),
             ("download", 0, {"content": "e3"}), now=soon)
    tick(world, now=soon)
    with store.read() as conn:
        seen = hand_off.look(world, conn, who, now=soon)
    assert seen.result is not None and [p.id for p in seen.result.why_not] == ["G12"]
    happened(store, who, ("hand_raise", 0, {}), now=soon)
    tick(world, now=soon)
    found = open_handoff(store, who)
    assert found is not None and found.fast and found.packet["changed_since"]
    assert found.owner == "jana", "who had the lead before"


def test_a_cool_off_ends_by_itself(store: Store) -> None:
    who, handoff_id = handed_over(store)
    world = parts(store)
    desk.recycle(world, handoff_id, reason="unresponsive", by="jana", now=NOW)
    tick(world, now=NOW)
    assert lead(store, who).stage == Stage.RECYCLED
    later = NOW + timedelta(days=31)
    tick(world, now=later)
    row = lead(store, who)
    assert row.stage == Stage.NURTURING and row.track == "reengage"
    assert row.engagement == 0, "only what happens after the refusal counts"


def test_undo_restores_the_hand_off_and_its_timers(store: Store) -> None:
    who, handoff_id = handed_over(store)
    world = parts(store)
    later = NOW + timedelta(minutes=30)
    desk.reject(world, handoff_id, reason="opted_out", by="jana", now=later)
    assert lead(store, who).stage == Stage.DISQUALIFIED
    with pytest.raises(Refused) as other:
        desk.undo(world, handoff_id, by="piotr", now=later)
    assert other.value.code == "not_yours"
    with pytest.raises(Refused) as late:
        desk.undo(world, handoff_id, by="jana", now=NOW + timedelta(days=2))
    assert late.value.code == "too_late"
    desk.undo(world, handoff_id, by="jana", now=NOW + timedelta(hours=20))
    found = open_handoff(store, who)
    assert found is not None and found.state == "open"
    assert lead(store, who).stage == Stage.MQL
    with store.read() as conn:
        timer = timers.of_handoff(conn, handoff_id)[0]
    assert timer["met_at"] is None and timer["due_at"] == NOW + timedelta(minutes=240)
    again = desk.reject(world, handoff_id, reason="opted_out", by="jana", now=NOW + timedelta(hours=21))
    assert not again.repeated


def test_undo_of_a_recycle_puts_the_lead_back_on_its_track(store: Store) -> None:
    who, handoff_id = handed_over(store)
    world = parts(store)
    before = lead(store, who)
    desk.recycle(world, handoff_id, reason="no_budget", by="jana", now=NOW)
    tick(world, now=NOW)
    assert lead(store, who).track == "business_case"
    desk.undo(world, handoff_id, by="jana", now=NOW + timedelta(hours=1))
    after = lead(store, who)
    names = (
        "stage",
        "track",
        "recycles",
        "baseline_at",
        "cool_off_until",
        "cool_off_mode",
        "recycle_reason",
        "carryover",
    )
    assert [getattr(after, n) for n in names] == [getattr(before, n) for n in names]


def inside(store: Store, who: int) -> dict[str, str]:
    with store.read() as conn:
        return {e.campaign: e.state for e in enrollments.all_of(conn, [who]).get(who, [])}


def enrolled(store: Store, who: int, campaign: str, track: str, at: datetime, state: str = "paused") -> None:
    row = {"lead_id": who, "campaign": campaign, "track": track, "run": 1, "cycle": 1, "version_entered": 1,
           "version_now": 1, "state": state, "step_id": "one", "anchor_at": at, "due_at": at, "entered_at": at,
           "entered_by": "test"}
    with store.begin() as conn:
        enrollments.start(conn, [row])


def test_a_recycle_ends_its_track_and_spares_the_webinar_and_undo_brings_the_campaign_back(store: Store) -> None:
    """What surrounds a webinar runs beside the track; a decision that is taken back ended nothing."""
    who, handoff_id = handed_over(store, track="education")
    events_track = Track("events", "Around a webinar", 5, kind="operational")
    world = parts(store, tracks=replace(TRACKS, tracks={**TRACKS.tracks, "events": events_track}))
    enrolled(store, who, "library", "education", NOW - timedelta(days=3))
    enrolled(store, who, "webinar", "events", NOW - timedelta(days=1))
    desk.recycle(world, handoff_id, reason="no_budget", by="jana", now=NOW)
    assert inside(store, who) == {"library": "left", "webinar": "active"}
    later = NOW + timedelta(hours=1)
    enrolled(store, who, "budget", "business_case", later, state="active")
    desk.undo(world, handoff_id, by="jana", now=later)
    assert inside(store, who) == {"library": "paused", "webinar": "paused", "budget": "left"}
    desk.recycle(world, handoff_id, reason="score_too_early", by="jana", now=later)
    assert inside(store, who)["library"] == "active", "the lead resumes its track where it stood"


def test_a_decision_on_a_closed_hand_off_is_a_conflict(store: Store) -> None:
    _, handoff_id = handed_over(store)
    world = parts(store)
    desk.recycle(world, handoff_id, reason="still_researching", by="jana", now=NOW)
    again = desk.recycle(world, handoff_id, reason="still_researching", by="jana", now=NOW)
    assert again.repeated
    with pytest.raises(Conflict):
        desk.accept(world, handoff_id, by="piotr", now=NOW)


def test_an_undecided_lead_is_escalated_and_comes_back(store: Store) -> None:
    """§2.3.4: remind, tell the manager, give to another, take back; a passive recycle."""
    who, handoff_id = handed_over(store)
    world = parts(store)
    books: dict[str, int] = {}
    for hour in range(60):
        for what, n in tick(world, now=NOW + timedelta(hours=hour), rounds=1).items():
            books[what] = books.get(what, 0) + n
        if "expired" in books:
            break
    tick(world, now=NOW + timedelta(hours=hour))
    assert {k: books.get(k) for k in ("reminded", "told_manager", "reassigned", "expired")} == {
        "reminded": 1, "told_manager": 1, "reassigned": 1, "expired": 1
    }
    with store.read() as conn:
        old = handoffs.get(conn, handoff_id)
        assert old.state == "expired" and old.owner == "piotr"
        timer = timers.of_handoff(conn, handoff_id)[0]
    assert timer["breached_at"] == NOW + timedelta(minutes=240)
    again = open_handoff(store, who)
    assert again is not None and again.owner != "piotr", "still qualified, so it goes to somebody else"


def test_a_seller_may_ask_for_a_lead_but_not_without_consent(store: Store) -> None:
    """T07, S1-11."""
    world = parts(store)
    who = add_lead(store, now=NOW)
    taken = desk.take(world, who, by="jana", reason="met at a fair", now=NOW)
    with store.read() as conn:
        found = handoffs.get(conn, taken.handoff_id)
    assert found.marked == "manual_pull" and found.owner == "jana"
    bare = add_lead(store, now=NOW, email="b@example.org", consents=[Purpose.PRIVACY_NOTICE])
    with pytest.raises(Refused) as no:
        desk.take(world, bare, by="jana", reason="met at a fair", now=NOW)
    assert no.value.code == "gate_says_no" and "G02" in no.value.message


def test_a_request_for_contact_skips_points_and_never_consent(store: Store) -> None:
    world = parts(store)
    who = add_lead(store, now=NOW, consents=[Purpose.PRIVACY_NOTICE])
    happened(store, who, ("hand_raise", 0, {}), now=NOW)
    tick(world, now=NOW)
    assert open_handoff(store, who) is None
    with store.begin() as conn:
        grant(conn, who, Purpose.SALES_CONTACT, now=NOW)
    happened(store, who, ("page_view", 0, {"path": "/thanks"}), now=NOW)
    tick(world, now=NOW)
    found = open_handoff(store, who)
    assert found is not None and found.fast and found.via == "hand_raise"
    assert found.due_at == NOW + timedelta(minutes=60)


def test_a_lead_turned_away_comes_back_by_a_named_person_only(store: Store) -> None:
    """T28."""
    who, handoff_id = handed_over(store)
    world = parts(store)
    desk.reject(world, handoff_id, reason="not_icp", by="jana", now=NOW)
    for by, note, code in (("nobody", "x", "needs_human"), ("ines", "", "needs_note")):
        with pytest.raises(Refused) as no:
            reopen(world, who, by=by, note=note, now=NOW)
        assert no.value.code == code
    assert reopen(world, who, by="ines", note="moved to the market we serve", now=NOW).after is Stage.NURTURING
    other, second = handed_over(store, email="z@example.org")
    desk.reject(world, second, reason="fake_data", by="jana", now=NOW)
    with pytest.raises(Refused) as final:
        reopen(world, other, by="jana", note="x", now=NOW)
    assert final.value.code == "terminal"


def test_an_event_dated_ahead_counts_when_its_time_has_come(store: Store) -> None:
    """Stored and flagged at once, scored on its day, even where the lead was looked at in between."""
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, now=NOW)
    kind, _, more = WEBINAR
    happened(store, who, (kind, -2, more), now=NOW)
    world = parts(store)
    tick(world, now=NOW)
    happened(store, who, ("page_view", 0, {"path": "/between"}), now=NOW + timedelta(days=1))
    tick(world, now=NOW + timedelta(days=1))
    assert open_handoff(store, who) is None
    tick(world, now=NOW + timedelta(days=2, minutes=1))
    assert open_handoff(store, who) is not None


@pytest.mark.parametrize("owner", ["jana", None])
def test_an_address_of_a_known_organisation_joins_it_and_its_open_deal_holds_the_gate(
    store: Store, owner: str | None
) -> None:
    """G04: the owner of the deal, where there is one, hears of the interest instead."""
    with store.begin() as conn:
        known = accounts.create(
            conn, name="Acme", name_key="acme", country="PL", owner=owner, domains=["acme.example"], now=NOW
        )
        accounts.add_deal(conn, {"account_id": known, "name": "x", "state": "open", "opened_at": NOW})
    who = add_lead(store, now=NOW, email="zoe@mail.acme.example")
    happened(store, who, *SEED, WEBINAR, now=NOW)
    tick(parts(store), now=NOW)
    happened(store, who, ("page_view", 0, {"path": "/again"}), now=NOW)
    tick(parts(store), now=NOW)
    assert open_handoff(store, who) is None and lead(store, who).account_id == known
    with store.read() as conn:
        told = conn.execute(select(OutboxRow.__table__.c.target, OutboxRow.__table__.c.subject)).all()
    hears = [("jana@example.com", "Interest at Acme")] if owner else []
    assert told == hears, "once a month, however often they come back"


def test_levels_of_the_companys_own_between_accepted_and_qualified(store: Store) -> None:
    """S1-19, S4-02: a company may see more steps than ours; a named seller says which is reached."""
    who, handoff_id = handed_over(store)
    agreement = replace(AGREEMENT, levels={"called": "Somebody called", "met": "We met"})
    world = parts(store, agreement=agreement)
    with pytest.raises(Refused) as early:
        worked.reach(world, handoff_id, level="called", by="jana", now=NOW)
    assert early.value.code == "not_from_here"
    desk.accept(world, handoff_id, by="jana", now=NOW)
    with pytest.raises(Refused) as unknown:
        worked.reach(world, handoff_id, level="dined", by="jana", now=NOW)
    assert unknown.value.code == "unknown_level" and "called, met" in unknown.value.fix
    worked.reach(world, handoff_id, level="called", by="jana", now=NOW + timedelta(hours=1))
    again = worked.reach(world, handoff_id, level="called", by="jana", now=NOW + timedelta(hours=2))
    worked.reach(world, handoff_id, level="met", by="jana", now=NOW + timedelta(hours=3))
    with store.read() as conn:
        assert handoffs.level_of(conn, handoff_id) == "met" and again.repeated
        assert [m.level for m in reports.levels(conn)] == ["called", "met"]
    assert lead(store, who).stage == Stage.SAL, "a level is a word about the work, not a stage"
