"""`nurture calibrate` on our own hand-offs: labels by reason, leads as they were, no invented certainty."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from nurture.decide.lesson import label
from nurture.insight.calibration import from_handoffs, with_points
from nurture.model.agreement import RECYCLE_REASONS, REJECT_REASONS, Agreement
from nurture.model.report import Lesson
from nurture.store import Store
from nurture.store.tables import metadata
from tests.conftest import NOW

AGREEMENT = Agreement(1, NOW.date(), NOW.date(), recycle_reasons=RECYCLE_REASONS, reject_reasons=REJECT_REASONS)
SCORING = """# points are first guesses
models:
  - model: default
    engagement:
      rules:
        - { rule: webinar, event: webinar_attended, points: 5, dedupe: asset }   # who comes, stays
        - rule: pricing
          event: page_view
          url: /pricing*
          points: 10
"""


def lesson(end: str, reason: str | None = None) -> Lesson:
    return Lesson(1, NOW, end, reason, "A1", "default", 80_000, 80_000, {}, ())


@pytest.mark.parametrize(
    ("end", "reason", "good"),
    [
        ("won", None, True), ("sql", None, True), ("lost", None, False), ("recycled", "score_too_early", False),
        ("recycled", "unresponsive", False), ("recycled", "still_researching", False), ("recycled", "bad_timing", None),
        ("recycled", "sla_expired", None), ("rejected", "not_icp", False), ("rejected", "duplicate", None),
        ("open", None, None), ("accepted", None, None), ("expired", None, None),
    ],
)
def test_labels_follow_the_reasons_of_the_agreement(end: str, reason: str | None, good: bool | None) -> None:
    assert label(lesson(end, reason), AGREEMENT) is good


def fill(store: Store, now: datetime, n: int) -> None:
    """Hand-offs of which those after a webinar went well; and what was learnt afterwards says the opposite."""
    rows: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("lead", "event", "lead_value", "handoff", "transition")
    }
    for number in range(1, n + 1):
        came, senior = number % 2 == 0, number % 3 == 0
        good = (came and number % 10 != 0) or (senior and number % 4 == 1)
        at = now - timedelta(days=200 - number)
        rows["lead"].append({
            "id": number, "email_key": f"l{number}@example.org", "stage": "sql" if good else "recycled",
            "created_at": at, "updated_at": at, "first_touch": {}, "fields": {}, "topics_off": [],
        })
        seen = [("page_view", -3), *([("webinar_attended", -3)] if came else []), ("webinar_attended", 1)]
        for position, (kind, day) in enumerate(seen):
            rows["event"].append({
                "key": f"{number}-{position}", "lead_id": number, "cycle": 1, "kind": kind,
                "occurred_at": at + timedelta(days=day), "recorded_at": at, "machine": False, "void": False, "data": {},
            })
        for name, value, day in (("role", "head" if senior else "clerk", -5), ("verdict", str(good), 1)):
            rows["lead_value"].append({
                "lead_id": number, "field": name, "value": {"v": value}, "origin": "declared", "confidence": 1.0,
                "at": at + timedelta(days=day),
            })
        score = {"engagement": 60_000 if came else 30_000, "fit_low": 50_000, "model": "default"}
        rows["handoff"].append({
            "lead_id": number, "cycle": 1, "state": "accepted" if good else "recycled", "via": "score", "queue": "q",
            "cell": "A1" if came else "B2", "packet": {"score": score}, "opened_at": at, "closed_at": at,
            "reason": None if good else "score_too_early", "priority": 0, "fast": False, "note": "", "version": 0,
        })
        if good:
            rows["transition"].append({
                "key": f"t{number}", "lead_id": number, "cycle": 1, "rule": "T13", "from_stage": "sal",
                "to_stage": "sql", "trigger": "qualify", "actor_kind": "sales", "occurred_at": at, "recorded_at": at,
            })
    with store.begin() as conn:
        for name, made in rows.items():
            if made:
                conn.execute(insert(metadata.tables[name]), made)


def test_points_are_proposed_from_what_was_known_at_hand_off(store: Store, now: datetime) -> None:
    fill(store, now, 160)
    found = from_handoffs(store, AGREEMENT, SCORING, now=now)
    assert (found.handoffs, found.unlabelled, found.lacking) == (160, 0, "")
    assert found.learnt is not None
    used = {line.column for line in found.learnt.model.lines}
    assert "event:webinar_attended" in used
    assert "verdict" not in used, "what was learnt after the hand-off says the answer and must not be seen"
    assert [(c.rule, c.now) for c in found.changes] == [("webinar", 5)]
    assert found.changes[0].proposed > 5
    webinar = next(x for x in found.lifts if x.kind == "webinar_attended")
    assert webinar.with_it.n == 80
    assert webinar.lift > 1.2
    assert {cell.cell for cell in found.cells} == {"A1", "B2"}
    assert found.not_monotone == ()
    removed = [line for line in found.diff.splitlines()[2:] if line.startswith("-")]
    assert len(removed) == 1
    assert "who comes, stays" in removed[0]


def test_a_matrix_that_is_upside_down_is_said(store: Store, now: datetime) -> None:
    fill(store, now, 160)
    with store.begin() as conn:
        table = metadata.tables["handoff"]
        conn.execute(table.update().where(table.c.cell == "A1").values(cell="C3"))
    found = from_handoffs(store, AGREEMENT, SCORING, now=now)
    assert len(found.not_monotone) == 1
    assert found.not_monotone[0].startswith("B2")


@pytest.mark.parametrize("n", [0, 1, 30])
def test_too_little_is_said_and_nothing_is_proposed(store: Store, now: datetime, n: int) -> None:
    fill(store, now, n)
    found = from_handoffs(store, AGREEMENT, SCORING, now=now)
    assert found.lacking.startswith("not enough data")
    assert (found.changes, found.diff) == ((), "")
    assert all(not cell.enough or cell.share.n >= 10 for cell in found.cells)
    assert found.document()["enough"] is False


def test_points_change_in_place_and_comments_stay(now: datetime) -> None:
    from nurture.insight.calibration import Change

    after = with_points(SCORING, [Change("pricing", "default", "page_view", 10, 4, 2, 6, "4 of 9 won")])
    changed = [(a, b) for a, b in zip(SCORING.splitlines(), after.splitlines(), strict=True) if a != b]
    assert changed == [("          points: 10", "          points: 4  # calibrated: 10 -> 4 (2 to 6), 4 of 9 won")]
