"""Which track a lead belongs on. Pure, ordered, the first match decides.

Where on it to begin is no rule: a campaign's steps are the way, and what a person had is not sent again. How long a
track is kept before an equal one takes the lead is asked at the campaign's door (`decide.enter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from nurture.decide.recycle import recycle_reasons
from nurture.decide.scored import Holds, Scored
from nurture.model.agreement import Agreement
from nurture.model.campaign import Condition
from nurture.model.company import Tracks
from nurture.model.facts import Snapshot
from nurture.model.words import WITH_SALES, Channel, Purpose, Stage

DEFAULT_TRACK: Final = "education"


@dataclass(frozen=True, slots=True)
class Choice:
    """The track (None: none, operational mail only) and the rule that said so."""

    track: str | None
    rule: str


def choose(
    snapshot: Snapshot, tracks: Tracks, agreement: Agreement, *, now: datetime, result: Scored | None = None,
    holds: Holds | None = None,
) -> Choice:
    """The track this lead belongs on by its stage, reason, score and the rules of `tracks.yaml`."""
    lead = snapshot.lead
    blocked = _blocked(snapshot, now)
    if blocked:
        return Choice(None, blocked)
    if lead.stage in WITH_SALES or lead.stage is Stage.CUSTOMER:
        return Choice(None, "with sales")
    if lead.stage is Stage.RECYCLED:
        return _by_reason(snapshot, tracks, agreement)
    if lead.stage is Stage.DORMANT:
        return Choice(_existing(tracks, tracks.repermission), "dormant")
    if lead.stage is Stage.EARLY:
        return Choice(_existing(tracks, tracks.welcome), "early leads are welcomed")
    if result is not None and result.scores.action == "profile_first":
        profiling = _existing(tracks, tracks.profiling)
        if profiling is not None:
            return Choice(profiling, "more has to be known first")
    for rule in tracks.rules:
        if rule.track not in tracks.tracks:
            continue
        if rule.when is None or (isinstance(rule.when, Condition) and holds is not None
                                 and holds(rule.when, snapshot, now)):
            return Choice(rule.track, rule.id)
    if result is not None and result.cell.track in tracks.tracks:
        return Choice(result.cell.track, f"cell {result.scores.cell}")
    return Choice(_existing(tracks, DEFAULT_TRACK), "the default of the stage")


def _blocked(snapshot: Snapshot, now: datetime) -> str:
    lead = snapshot.lead
    if lead.stage in (Stage.ERASED, Stage.DISQUALIFIED, Stage.IDENTIFIED):
        return f"stage {lead.stage.value}"
    if snapshot.suppressions:
        return "suppressed"
    if not any(snapshot.consents_to(Purpose.PRIVACY_NOTICE, now, channel) for channel in Channel):
        return "the privacy notice was not accepted"
    if not snapshot.consents_to(Purpose.NURTURE_EMAIL, now) and not snapshot.consents_to(Purpose.NEWSLETTER, now):
        return "did not agree to mails"
    return ""


def _by_reason(snapshot: Snapshot, tracks: Tracks, agreement: Agreement) -> Choice:
    lead = snapshot.lead
    known = recycle_reasons(agreement)
    reason = known.get(lead.recycle_reason or "") or known.get((lead.recycle_reason or "").partition(":")[0])
    track = reason.track if reason is not None else None
    if track is not None and track in tracks.tracks:
        return Choice(track, f"recycled: {lead.recycle_reason}")
    return Choice(lead.track or lead.previous_track, f"recycled: {lead.recycle_reason}, goes on where it was")


def _existing(tracks: Tracks, name: str) -> str | None:
    return name if name in tracks.tracks else None


def in_holdout(lead_id: int, track: str, percent: int, *, salt: str = "holdout") -> bool:
    """Whether this lead gets no nurture mail of this track, to learn what nurture does. Stable by hash."""
    return percent > 0 and _share(lead_id, track, salt) < percent * 100


def in_exploration(lead_id: int, cycle: int, percent: float, *, salt: str = "exploration") -> bool:
    """Whether a lead below the threshold is offered to sales all the same, marked, to learn what the model misses."""
    return percent > 0 and _share(lead_id, str(cycle), salt) < percent * 100


def _share(lead_id: int, name: str, salt: str) -> int:
    digest = blake2b(f"{salt}\x1f{name}\x1f{lead_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 10_000
