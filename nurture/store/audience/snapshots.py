"""Everything a rule may ask about a batch of leads, in a fixed number of queries whatever the batch's size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from nurture.model.facts import ConsentState, Event, Lead, Scores, Sent, Snapshot, Value
from nurture.model.words import USES_CONTENT, Channel, ConsentStatus, Purpose, Stage
from nurture.store.facts import events
from nurture.store.tables import (
    ConsentStateRow,
    HandoffRow,
    LeadListRow,
    LeadRow,
    LeadTagRow,
    MessageRow,
    OpportunityRow,
    SamePersonRow,
    SuppressionRow,
)
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_tag = core(LeadTagRow)
_list = core(LeadListRow)
_consent = core(ConsentStateRow)
_message = core(MessageRow)
_suppression = core(SuppressionRow)
_handoff = core(HandoffRow)
_opportunity = core(OpportunityRow)
_same = core(SamePersonRow)


def load(conn: Connection, lead_ids: Iterable[int], *, now: datetime, with_events: bool = True) -> dict[int, Snapshot]:
    """Snapshots of these leads at `now`, by lead id. Leads that do not exist are absent."""
    ids = sorted(set(lead_ids))
    if not ids:
        return {}
    rows = conn.execute(select(_lead).where(_lead.c.id.in_(ids))).all()
    happened = events.of_leads(conn, ids, until=now) if with_events else {}
    extra = _Extra(conn, rows)
    return {row.id: _snapshot(row, happened.get(row.id, []), extra) for row in rows}


class _Extra:
    """What stands in other tables, fetched once per batch."""

    def __init__(self, conn: Connection, rows: Iterable[Row[Any]]) -> None:
        rows = list(rows)
        ids = [row.id for row in rows]
        self.tags = _groups(conn.execute(select(_tag.c.lead_id, _tag.c.tag).where(_tag.c.lead_id.in_(ids))))
        self.lists = _groups(conn.execute(select(_list.c.lead_id, _list.c.list_name).where(_list.c.lead_id.in_(ids))))
        self.consents = consents(conn, ids)
        self.sent = ledger(conn, ids)
        self.suppressed = suppressions(conn, [row.email_hash for row in rows if row.email_hash])
        open_ones = select(_handoff.c.lead_id, _handoff.c.id).where(
            _handoff.c.lead_id.in_(ids), _handoff.c.closed_at.is_(None)
        )
        self.handoffs: dict[int, int] = {lead: handoff for lead, handoff in conn.execute(open_ones)}
        accounts = {row.account_id for row in rows if row.account_id is not None}
        deals = select(_opportunity.c.account_id).where(
            _opportunity.c.account_id.in_(accounts), _opportunity.c.state == "open"
        )
        self.busy_accounts = {account for (account,) in conn.execute(deals)} if accounts else set()


def _groups(rows: Iterable[Row[Any]]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    for lead_id, word in rows:
        found.setdefault(lead_id, set()).add(word)
    return {lead_id: frozenset(words) for lead_id, words in found.items()}


def consents(conn: Connection, lead_ids: Iterable[int]) -> dict[int, dict[tuple[Purpose, Channel], ConsentState]]:
    """The cached fold of the consent ledger, by lead, then (purpose, channel)."""
    found: dict[int, dict[tuple[Purpose, Channel], ConsentState]] = {}
    for row in conn.execute(select(_consent).where(_consent.c.lead_id.in_(list(lead_ids)))):
        state = ConsentState(ConsentStatus(row.status), row.basis, row.since, row.until, row.entry_id, row.wording)
        found.setdefault(row.lead_id, {})[Purpose(row.purpose), Channel(row.channel)] = state
    return found


def ledger(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[Sent]]:
    """Which contents each lead has had, is getting, or will get: the ledger behind never-twice.

    Leads that are one person have the union of what either had.
    """
    wanted = list(lead_ids)
    others = _also(conn, wanted)
    found: dict[int, list[Sent]] = {}
    m = _message.c
    query = (
        select(
            m.lead_id, m.sent_at, m.planned_at, m.id, m.content, m.edition, m.campaign, m.track, m.step_id, m.run,
            m.kind, m.state, m.clicks_visible,
        )
        .where(
            m.lead_id.in_([*wanted, *{o for many in others.values() for o in many}]),
            m.state.in_(sorted(USES_CONTENT)),
        )
        .order_by(m.lead_id, m.id)
    )
    for lead_id, sent_at, planned_at, number, content, edition, *of in conn.execute(query):
        found.setdefault(lead_id, []).append(Sent(number, content, edition, sent_at or planned_at, *of))
    both = {
        lead_id: sorted(
            (sent for one in (lead_id, *many) for sent in found.get(one, ())), key=lambda sent: sent.message_id
        )
        for lead_id, many in others.items()
    }
    return found | both


def _also(conn: Connection, lead_ids: list[int]) -> dict[int, list[int]]:
    """Lead -> the other leads that are the same person."""
    found: dict[int, list[int]] = {}
    for lead_id, other in conn.execute(
        select(_same.c.lead_id, _same.c.other_id).where(_same.c.lead_id.in_(lead_ids)).order_by(_same.c.other_id)
    ):
        found.setdefault(lead_id, []).append(other)
    return found


def suppressions(conn: Connection, hashes: Iterable[str]) -> dict[str, frozenset[str]]:
    """Address hash -> `reason:scope` words in force."""
    query = select(_suppression.c.address_hash, _suppression.c.reason, _suppression.c.scope).where(
        _suppression.c.address_hash.in_(list(hashes)), _suppression.c.lifted_at.is_(None)
    )
    found: dict[str, set[str]] = {}
    for address, reason, scope in conn.execute(query):
        found.setdefault(address, set()).add(f"{reason}:{scope}")
    return {address: frozenset(words) for address, words in found.items()}


def _snapshot(row: Row[Any], happened: list[Event], extra: _Extra) -> Snapshot:
    return Snapshot(
        lead=_noun(row, extra),
        events=happened,
        consents=extra.consents.get(row.id, {}),
        sent=extra.sent.get(row.id, []),
        scores=_scores(row),
        suppressions=extra.suppressed.get(row.email_hash, frozenset()) if row.email_hash else frozenset(),
        open_handoff=extra.handoffs.get(row.id),
        customer=row.stage == Stage.CUSTOMER,
        open_opportunity=row.account_id in extra.busy_accounts,
    )


def _noun(row: Row[Any], extra: _Extra) -> Lead:
    return Lead(
        id=row.id,
        stage=Stage(row.stage),
        email=row.email,
        external_id=row.external_id,
        fields=values(row.fields),
        tags=extra.tags.get(row.id, frozenset()),
        lists=extra.lists.get(row.id, frozenset()),
        track=row.track,
        track_since=row.track_since,
        language=row.language,
        country=row.country,
        timezone=row.timezone,
        cycle=row.cycle,
        version=row.version,
        account_id=row.account_id,
        source=row.source,
        created_at=row.created_at,
        stage_since=row.stage_since,
        engaged_at=row.engaged_at,
        baseline_at=row.baseline_at,
        carryover=row.carryover,
        cool_off_until=row.cool_off_until,
        cool_off_mode=row.cool_off_mode,
        recycle_reason=row.recycle_reason,
        recycles=row.recycles,
        rest_until=row.rest_until,
        mail_paused_until=row.mail_paused_until,
        mails_per_month=row.mails_per_month,
        topics_off=frozenset(row.topics_off or ()),
        objected=row.objected,
        contact_blocked=row.contact_blocked,
        passive_recycles=row.passive_recycles,
        previous_track=row.previous_track,
    )


def values(fields: Mapping[str, Any]) -> dict[str, Value]:
    """`lead.fields` as stored -> nouns."""
    return {
        name: Value(
            v["v"], v.get("o", "declared"), v.get("c", 1.0), datetime.fromisoformat(v["at"]) if v.get("at") else None
        )
        for name, v in fields.items()
    }


def _scores(row: Row[Any]) -> Scores | None:
    if row.scored_at is None:
        return None
    return Scores(
        model=row.model or "",
        at=row.scored_at,
        engagement=row.engagement,
        fit_low=row.fit_low,
        fit_high=row.fit_high,
        coverage=row.coverage,
        fit_band=row.fit_band or "D",
        engagement_band=row.engagement_band or 4,
        cell=row.cell or "",
        action=row.action or "nurture",
    )
