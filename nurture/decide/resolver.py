"""Which track a lead belongs on, and where on it to begin. Pure, ordered, the first match decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from nurture.decide.match import counts
from nurture.decide.recycle import recycle_reasons
from nurture.decide.scored import Holds, Scored
from nurture.model.agreement import Agreement
from nurture.model.campaign import Condition
from nurture.model.company import Tracks
from nurture.model.facts import Snapshot
from nurture.model.words import DEPTH_ORDER, ENGAGED, WITH_SALES, Channel, Depth, Purpose, Stage

DEFAULT_TRACK: Final = "education"


@dataclass(frozen=True, slots=True)
class Choice:
    """The track (None: none, operational mail only) and the rule that said so.

    `firm` choices are made whatever the lead is on now; others wait for `min_stay` or a higher class.
    """

    track: str | None
    rule: str
    firm: bool = False


def choose(
    snapshot: Snapshot, tracks: Tracks, agreement: Agreement, *, now: datetime, result: Scored | None = None,
    holds: Holds | None = None,
) -> Choice:
    """The track this lead belongs on by its stage, reason, score and the rules of `tracks.yaml`."""
    lead = snapshot.lead
    blocked = _blocked(snapshot, now)
    if blocked:
        return Choice(None, blocked, firm=True)
    if lead.stage in WITH_SALES or lead.stage is Stage.CUSTOMER:
        return Choice(None, "with sales", firm=True)
    if lead.stage is Stage.RECYCLED:
        return _by_reason(snapshot, tracks, agreement)
    if lead.stage is Stage.DORMANT:
        return Choice(_existing(tracks, tracks.repermission), "dormant", firm=True)
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
        return Choice(track, f"recycled: {lead.recycle_reason}", firm=True)
    return Choice(lead.track or lead.previous_track, f"recycled: {lead.recycle_reason}, goes on where it was")


def _existing(tracks: Tracks, name: str) -> str | None:
    return name if name in tracks.tracks else None


def may_change(snapshot: Snapshot, choice: Choice, tracks: Tracks, *, now: datetime) -> bool:
    """Whether the lead may leave its track for the chosen one now: no ping-pong between equals."""
    lead = snapshot.lead
    if choice.track == lead.track:
        return False
    here = tracks.tracks.get(lead.track or "")
    if lead.track is None or here is None or choice.firm or choice.track is None:
        return True
    there = tracks.tracks[choice.track]
    if there.priority < here.priority:
        return True
    stayed = lead.track_since is None or now >= lead.track_since + timedelta(days=here.min_stay_days)
    return stayed and there.priority == here.priority


def depth_reached(snapshot: Snapshot) -> int:
    """1 ... 3: the deepest content this person engaged with (0: none yet)."""
    engaged = (e for e in snapshot.events if e.kind in ENGAGED and counts(e))
    return max((DEPTH_ORDER[e.depth] for e in engaged if e.depth is not None), default=0)


def entry_content(
    contents: Iterable[tuple[str, Depth]], snapshot: Snapshot
) -> str | None:
    """Where to begin on a track: the first content not had yet and not more than one step below what was reached.

    `contents` in the track's order. None: the person has had everything that is left for them.
    """
    had = {sent.content for sent in snapshot.sent}
    least = depth_reached(snapshot) - 1
    return next((name for name, depth in contents if name not in had and DEPTH_ORDER[depth] >= least), None)


def in_holdout(lead_id: int, track: str, percent: int, *, salt: str = "holdout") -> bool:
    """Whether this lead gets no nurture mail of this track, to learn what nurture does. Stable by hash."""
    return percent > 0 and _share(lead_id, track, salt) < percent * 100


def in_exploration(lead_id: int, cycle: int, percent: float, *, salt: str = "exploration") -> bool:
    """Whether a lead below the threshold is offered to sales all the same, marked, to learn what the model misses."""
    return percent > 0 and _share(lead_id, str(cycle), salt) < percent * 100


def _share(lead_id: int, name: str, salt: str) -> int:
    digest = blake2b(f"{salt}\x1f{name}\x1f{lead_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 10_000
