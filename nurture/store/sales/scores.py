"""The cached scores of leads, written in bulk, and where a lead stands among all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.facts import Scores
from nurture.store.tables import LeadRow, NoteRow
from nurture.store.tables.columns import core
from nurture.store.tables.scores import ShadowScoreRow

_lead = core(LeadRow)
_shadow = core(ShadowScoreRow)
_note = core(NoteRow)

CACHED = ("model", "engagement", "fit_low", "fit_high", "coverage", "fit_band", "engagement_band", "cell", "action")


def row(
    lead_id: int, scores: Scores, *, scored_with: str, level: int, engaged_at: datetime | None,
    review_at: datetime | None,
) -> dict[str, Any]:
    """What `write` takes for one lead."""
    values: dict[str, Any] = {f"v_{name}": getattr(scores, name) for name in CACHED}
    return values | {
        "b_id": lead_id, "v_scored_at": scores.at, "v_scored_with": scored_with, "v_level": level,
        "v_engaged_at": engaged_at, "v_review_at": review_at,
    }


def write(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write the cached columns of many leads in one statement."""
    if not rows:
        return
    names = (*CACHED, "scored_at", "scored_with", "level", "engaged_at", "review_at")
    values: dict[str, Any] = {name: bindparam(f"v_{name}", type_=_lead.c[name].type) for name in names}
    # A sooner look that somebody else asked for (an event dated ahead, the end of a rest) stays asked for.
    ahead = _lead.c.review_at > values["scored_at"]
    sooner = values["review_at"].is_(None) | (_lead.c.review_at < values["review_at"])
    values["review_at"] = case((ahead & sooner, _lead.c.review_at), else_=values["review_at"])
    conn.execute(update(_lead).where(_lead.c.id == bindparam("b_id")).values(**values), list(rows))


def clear(conn: Connection, lead_ids: Sequence[int]) -> None:
    """Forget what was made of these leads: who objected to marketing has no score, tried-out ones included."""
    blank: dict[str, Any] = dict.fromkeys((*CACHED, "scored_with", "queue_priority")) | {
        "engagement": 0, "fit_low": 0, "fit_high": 0, "coverage": 0.0, "level": 0,
    }
    if lead_ids:
        scored = _lead.c.id.in_(lead_ids) & _lead.c.model.is_not(None)
        conn.execute(update(_lead).where(scored).values(**blank))
        conn.execute(delete(_shadow).where(_shadow.c.lead_id.in_(lead_ids)))


def write_shadows(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what shadow models say, one row per lead and model.

    Rows hold lead_id, model, engagement, fit_low, cell, action and at.
    """
    if not rows:
        return
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    made = insert(_shadow)
    replaced = {name: made.excluded[name] for name in ("engagement", "fit_low", "cell", "action", "at")}
    conn.execute(made.on_conflict_do_update(index_elements=["lead_id", "model"], set_=replaced), list(rows))


def disagreements(conn: Connection) -> list[dict[str, Any]]:
    """Leads a shadow model would treat otherwise than the live one: model, lead, cells and actions of both."""
    query = (
        select(
            _shadow.c.model, _lead.c.id.label("lead"), _lead.c.cell.label("live_cell"), _lead.c.action.label("live"),
            _shadow.c.cell.label("shadow_cell"), _shadow.c.action.label("shadow"),
        )
        .join(_shadow, _shadow.c.lead_id == _lead.c.id)
        .where(_lead.c.action != _shadow.c.action)
        .order_by(_shadow.c.model, _lead.c.id)
    )
    return [dict(r._mapping) for r in conn.execute(query)]


TIERS: Final = "engagement_tiers"


def tiers(conn: Connection) -> tuple[int, ...]:
    """Engagement in milli-points above which a lead belongs to the better half, quarter and tenth of all.

    As counted last (`count_tiers`); before that, a guess.
    """
    held = conn.execute(select(_note.c.value).where(_note.c.key == TIERS)).scalar()
    return tuple(held["tiers"]) if held else (25_000, 50_000, 75_000)


def count_tiers(conn: Connection, *, now: datetime) -> bool:
    """Count where leads stand among all who did anything, once a day. Returns whether it was time."""
    at = conn.execute(select(_note.c.at).where(_note.c.key == TIERS)).scalar()
    if at is not None and now - at < timedelta(days=1):
        return False
    engaged = _lead.c.engagement > 0
    everybody = conn.execute(select(func.count()).select_from(_lead).where(engaged)).scalar_one()
    ordered = select(_lead.c.engagement).where(engaged).order_by(_lead.c.engagement)
    found = [conn.execute(ordered.offset(everybody * share // 100).limit(1)).scalar() or 0 for share in (50, 75, 90)]
    value = {"tiers": found if everybody else [25_000, 50_000, 75_000], "leads": everybody}
    if at is None:
        conn.execute(_note.insert().values(key=TIERS, value=value, at=now))
    else:
        conn.execute(update(_note).where(_note.c.key == TIERS).values(value=value, at=now))
    return True
