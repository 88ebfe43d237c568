"""score: a woken lead -> its lines, its cell, and the moves that nobody has to decide.

Incremental by nature: only leads that something happened to are here. A move wakes its lead again, so moves come one
at a time until none is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from nurture.decide import consent, resolver, scored
from nurture.decide import lifecycle as rules
from nurture.decide.scored import Holds, Scored
from nurture.model.facts import Snapshot
from nurture.model.intents import Tally
from nurture.model.library import Library
from nurture.model.lifecycle import next_state
from nurture.model.words import BEYOND_MARKETING, MAIL_PURPOSES, Channel, Purpose, Stage
from nurture.parts import Parts
from nurture.sales.merge import corporate_domain
from nurture.stages import rescore, tracks
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.facts import wakeups
from nurture.store.programs import enrollments
from nurture.store.sales import accounts, handoffs, lifecycle, scores
from nurture.store.sales.lifecycle import Actor

BATCH: Final = 500
_TRACKLESS: Final = BEYOND_MARKETING | {Stage.IDENTIFIED}


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Score up to `limit` woken leads; with time left, a slice of everybody where the rules changed.

    Counts: scored, moved, tracked, rescored.
    """
    tally = Tally()
    holds = scored.holding(parts.library.company)
    while limit > 0:
        with parts.store.begin() as conn:
            woken = wakeups.claim(conn, "score", now=now, limit=min(limit, BATCH), owner=owner)
            if not woken:
                break
            _batch(parts.library, conn, [w.lead_id for w in woken], holds, now, tally)
            wakeups.hand_on(conn, woken, "score")
        tally.count("scored", len(woken))
        limit -= len(woken)
    if limit > 0 and (rescored := rescore.after_a_change(parts, now=now)):
        tally.count("rescored", rescored)
    return tally


def _batch(
    library: Library, conn: Connection, lead_ids: Sequence[int], holds: Holds, now: datetime, tally: Tally
) -> None:
    rows: list[dict[str, Any]] = []
    shadow_rows: list[dict[str, Any]] = []
    journal: list[dict[str, Any]] = []
    unscored: list[int] = []
    vectors = handoffs.last_vectors(conn, lead_ids)
    # While a campaign has a lead, the campaign's own rules move it; the resolver speaks where none does.
    inside = enrollments.open_of(conn, lead_ids)
    first_tracks: dict[int, resolver.Choice] = {}
    found = snapshots.load(conn, lead_ids, now=now)
    _link_accounts(conn, found.values(), now)
    for lead_id, snapshot in found.items():
        if snapshot.lead.stage is Stage.ERASED or not consent.may_score(snapshot.consents):
            # Who objected (Art. 21) has no profile, and nothing is decided by one. The gate reads the ledger itself.
            unscored.append(lead_id)
            continue
        result = scored.scores(snapshot, library.scoring, now=now, holds=holds)
        rows.append(row_of(snapshot, result, library, vectors.get(lead_id), now=now))
        shadow_rows += _shadow_rows(snapshot, library, holds, now)
        journal += _changed_model(snapshot, result, now)
        if _move(library, conn, snapshot, result, holds, now, inside=lead_id in inside):
            tally.count("moved")
        elif lead_id not in inside:
            choice = _track(library, snapshot, result, holds, now)
            if choice is not None and choice.track is not None:
                tally.count("tracked")
                if snapshot.lead.track is None:
                    first_tracks[lead_id] = choice
                else:
                    tracks.move(
                        library.tracks, conn, lead_id, choice.track, now=now, reason=choice.rule, rule=choice.rule
                    )
    scores.write(conn, rows)
    scores.clear(conn, unscored)
    # A first track ends nothing and wakes nobody: written for the whole batch, seen by the stages that follow.
    lifecycle.first_tracks(conn, {i: (c.track or "", c.rule) for i, c in first_tracks.items()}, now=now)
    scores.write_shadows(conn, shadow_rows)
    enrollments.journal(conn, journal)


def _link_accounts(conn: Connection, found: Iterable[Snapshot], now: datetime) -> None:
    """Leads with an address of an organisation we know belong to it: a deal there concerns them."""
    homeless = {s.lead.id: d for s in found if s.lead.account_id is None and (d := corporate_domain(s.lead.email))}
    known = accounts.by_domain(conn, homeless.values())
    for lead_id, domain in homeless.items():
        if domain in known:
            accounts.link(conn, lead_id, known[domain], now=now)


def row_of(
    snapshot: Snapshot, result: Scored, library: Library, vector: tuple[int, str, str] | None, *, now: datetime
) -> dict[str, Any]:
    """The cached columns of one lead as they stand at `now`."""
    looks = [
        scored.next_change(snapshot, result.model, now=now),
        rules.next_look(snapshot, library.company, now=now),
        min((e.at for e in snapshot.events if e.at > now), default=None),
    ]
    return scores.row(
        snapshot.lead.id,
        result.scores,
        scored_with=library.scoring.sha,
        level=level(snapshot, result, vector, now=now),
        engaged_at=rules.engaged_at(snapshot, now),
        review_at=min((at for at in looks if at is not None), default=None),
    )


def level(snapshot: Snapshot, result: Scored, vector: tuple[int, str, str] | None, *, now: datetime) -> int:
    """Qualification level 0..6. G09 and G10 are read from the last gate vector: the gate itself comes later."""
    signs = vector[2] if vector is not None else ""
    passed = {
        "G01": any(snapshot.consents_to(Purpose.PRIVACY_NOTICE, now, channel) for channel in Channel),
        "marketing_consent": any(snapshot.consents_to(purpose, now) for purpose in MAIL_PURPOSES),
        "G09": "G09+" in signs,
        "G10": "G10+" in signs,
    }
    stage = snapshot.lead.stage
    return scored.level(
        passed,
        band=result.scores.fit_band,
        action_=result.scores.action,
        bant_set=stage in (Stage.SQL, Stage.CONVERTED, Stage.CUSTOMER),
        opportunity=snapshot.open_opportunity,
    )


def _shadow_rows(snapshot: Snapshot, library: Library, holds: Holds, now: datetime) -> list[dict[str, Any]]:
    rows = []
    for model in scored.shadows(snapshot, library.scoring, now=now, holds=holds):
        found = scored.scored(snapshot, model, now=now).scores
        rows.append(
            {
                "lead_id": snapshot.lead.id,
                "model": model.id,
                "engagement": found.engagement,
                "fit_low": found.fit_low,
                "cell": found.cell,
                "action": found.action,
                "at": now,
            }
        )
    return rows


def _changed_model(snapshot: Snapshot, result: Scored, now: datetime) -> list[dict[str, Any]]:
    before, after = snapshot.scores, result.scores
    if before is None or before.model == after.model or not before.model:
        return []
    was, now_is = before.engagement / 1000, after.engagement / 1000
    text = f"scored by {after.model} ({now_is:.1f}) instead of {before.model} ({was:.1f})"
    data = {
        "before": {"model": before.model, "engagement": before.engagement, "cell": before.cell},
        "after": {"model": after.model, "engagement": after.engagement, "cell": after.cell},
    }
    return [{"lead_id": snapshot.lead.id, "at": now, "kind": "model", "text": text, "data": data}]


def _move(
    library: Library, conn: Connection, snapshot: Snapshot, result: Scored, holds: Holds, now: datetime, *, inside: bool
) -> bool:
    """Carry out the one move that is due, with the track that the stage after it asks for."""
    due = rules.due_move(snapshot, result, library.company, now=now)
    if due is None:
        return False
    lead = snapshot.lead
    after = next_state(lead.stage, due.trigger, due.actor).to
    columns: dict[str, Any] = {}
    if due.trigger == "cool_off_over":
        columns = {"cool_off_mode": None}
    track = None
    stays = due.trigger == "cool_off_over" or (inside and after is Stage.NURTURING)
    if isinstance(after, Stage) and after not in _TRACKLESS and not stays:
        choice = _choice(library, snapshot, result, holds, now, stage=after)
        track = choice.track
    lifecycle.apply(
        conn,
        lead.id,
        due.trigger,
        actor=Actor(due.actor),
        key=f"{due.trigger}/{lead.id}/{lead.version}",
        now=now,
        reason=due.reason,
        columns=columns,
        track=track,
        beside=library.tracks.beside,
        config_sha=library.config_sha,
        agreement_version=library.agreement.version,
    )
    return True


def _choice(
    library: Library, snapshot: Snapshot, result: Scored, holds: Holds, now: datetime, *, stage: Stage
) -> resolver.Choice:
    moved = replace(snapshot, lead=replace(snapshot.lead, stage=stage))
    return resolver.choose(moved, library.tracks, library.agreement, now=now, result=result, holds=holds)


def _track(
    library: Library, snapshot: Snapshot, result: Scored, holds: Holds, now: datetime
) -> resolver.Choice | None:
    """The track for a lead without one, or a better one. What a campaign decided stands otherwise."""
    lead = snapshot.lead
    if lead.stage in _TRACKLESS or lead.stage is Stage.RECYCLED:
        return None
    choice = resolver.choose(snapshot, library.tracks, library.agreement, now=now, result=result, holds=holds)
    if choice.track is None or choice.track == lead.track:
        return None
    here, there = library.tracks.tracks.get(lead.track or ""), library.tracks.tracks[choice.track]
    if lead.track is not None and (here is None or there.priority >= here.priority):
        return None
    return choice
