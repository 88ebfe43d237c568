"""Which moves a lead is due for by what is known of it: those that nobody decides.

The table itself is `model.lifecycle`; this is what scores, consent and time allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nurture.decide.match import counts
from nurture.decide.scored import Scored
from nurture.model.company import Company
from nurture.model.facts import Snapshot
from nurture.model.words import ENGAGED, ActorKind, Channel, Purpose, Stage

LAST_WORD_DAYS: Final = 14
"""After the last mail of a re-permission series, how long an answer may take."""
_SLEEPS: Final = frozenset({Stage.EARLY, Stage.NURTURING, Stage.RECYCLED})


@dataclass(frozen=True, slots=True)
class Due:
    """A move that is due now, by nobody's decision."""

    trigger: str
    actor: ActorKind
    reason: str


def due_move(snapshot: Snapshot, result: Scored, company: Company, *, now: datetime) -> Due | None:
    """The one move that is due for this lead, or None. Ask again after it was made: moves come one at a time."""
    lead = snapshot.lead
    match lead.stage:
        case Stage.IDENTIFIED:
            if any(snapshot.consents_to(Purpose.PRIVACY_NOTICE, now, channel) for channel in Channel):
                return Due("privacy_accepted", ActorKind.PERSON, "accepted the privacy notice")
        case Stage.EARLY:
            if result.fit.band_high in ("A", "B", "C") and result.lifetime.score > 0:
                return Due("interest", ActorKind.SYSTEM, "could fit and shows interest")
        case Stage.RECYCLED:
            if lead.cool_off_until is None or now >= lead.cool_off_until:
                return Due("cool_off_over", ActorKind.SYSTEM, "the cool-off is over")
            return None
        case Stage.DORMANT:
            return _from_sleep(snapshot, company, now)
        case _:
            pass
    if lead.stage in _SLEEPS:
        at = _sleeps_at(snapshot, company)
        if at is not None and now >= at:
            days = company.dormant_after_days
            return Due("inactivity", ActorKind.SYSTEM, f"nothing done for {days} days")
    return None


def _from_sleep(snapshot: Snapshot, company: Company, now: datetime) -> Due | None:
    since = snapshot.lead.stage_since
    woke = engaged_at(snapshot, now)
    if woke is not None and (since is None or woke > since):
        return Due("engaged_event", ActorKind.SYSTEM, "did something again")
    asked = [s.at for s in snapshot.sent if since is not None and s.at >= since and s.state == "sent"]
    if len(asked) >= company.sunset_after_mails and now >= max(asked) + timedelta(days=LAST_WORD_DAYS):
        return Due("sunset", ActorKind.SYSTEM, f"did not answer {len(asked)} mails asking for permission")
    return None


def engaged_at(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the lead itself last did something. Never an open: machines open."""
    return max((e.at for e in snapshot.events if e.kind in ENGAGED and e.at <= now and counts(e)), default=None)


def _sleeps_at(snapshot: Snapshot, company: Company) -> datetime | None:
    lead = snapshot.lead
    last = max((e.at for e in snapshot.events if e.kind in ENGAGED and counts(e)), default=None)
    seen = [at for at in (last, lead.created_at, lead.cool_off_until, lead.stage_since) if at is not None]
    return max(seen) + timedelta(days=company.dormant_after_days) if seen else None


def next_look(snapshot: Snapshot, company: Company, *, now: datetime) -> datetime | None:
    """When time alone may move this lead: end of a cool-off, of patience, of the last word."""
    lead = snapshot.lead
    moments: list[datetime | None] = []
    if lead.stage is Stage.RECYCLED:
        moments.append(lead.cool_off_until)
    if lead.stage in _SLEEPS:
        moments.append(_sleeps_at(snapshot, company))
    if lead.stage is Stage.DORMANT:
        asked = [s.at for s in snapshot.sent if lead.stage_since is not None and s.at >= lead.stage_since]
        moments.append(max(asked) + timedelta(days=LAST_WORD_DAYS) if asked else None)
    moments.append(lead.cool_off_until)
    moments.extend(state.until for state in snapshot.consents.values())
    return min((m for m in moments if m is not None and m > now), default=None)
