"""The sending guard: may this message go to this lead now?

Asked when a send is planned and again on fresh rows right before it goes out. Everything that says no for good comes
before everything that only says not yet, each in a fixed order, so that a refused mail never waits first. What the
guard cannot see it does not allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from nurture.decide.caps import next_free
from nurture.decide.consent import permits
from nurture.decide.edition import edition as edition_of
from nurture.decide.window import slot, zone_of
from nurture.model.campaign import Campaign, Cap, Window
from nurture.model.company import Company
from nurture.model.facts import Lead, Sent, Snapshot
from nurture.model.intents import Answer, Permit, Postpone, Refusal
from nurture.model.library import Library
from nurture.model.template import Template
from nurture.model.words import (
    BEYOND_MARKETING,
    NO_OFFERS,
    WITH_SALES,
    ContentKind,
    MessageState,
    Purpose,
    RefusalCode,
    Stage,
)

LONGEST_CAP_WAIT: Final = timedelta(days=7)
"""A mail that caps hold back for longer has lost its moment."""

BLIND_FOR: Final = timedelta(minutes=15)
LOW_TOUCH: Final = Cap(1, "month")

COUNTED: Final = frozenset({MessageState.SENT, MessageState.UNKNOWN, MessageState.STARTED})
"""Messages that a cap counts: those that reached the person, or may have."""

_SPANS: Final = {"day": "24 hours", "week": "7 days", "month": "30 days"}
"""Periods of `caps`, in words."""

_HOLDS_CONTENT: Final = COUNTED | {MessageState.CLAIMED, MessageState.PLANNED, MessageState.DEFERRED}
_ASKED_FOR: Final = frozenset({ContentKind.OPERATIONAL, ContentKind.SALES_ASSIST})
_PERMIT: Final = Permit()


class Ask(NamedTuple):
    """The message the guard is asked about. `message_id` is 0 while it is only planned."""

    content: str
    edition: int
    kind: ContentKind
    purpose: Purpose | None
    topic: str | None
    track: str | None
    campaign: str | None
    planned_at: datetime
    message_id: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the files say about sending for one campaign: caps, hours, and where leads may be."""

    company: Company
    campaign: Campaign | None = None
    caps: tuple[Cap, ...] = ()
    track_cap: Cap | None = None
    campaign_cap: Cap | None = None
    window: Window | None = None
    quiet: Window | None = None
    for_dormant: frozenset[str] = frozenset()
    """Tracks that may still write to a dormant lead (re-permission)."""
    test_domains: frozenset[str] = frozenset()
    no_offers: frozenset[Stage] = NO_OFFERS
    """Stages whose leads get no offer, whatever they agreed to."""


def limits_of(library: Library, campaign: Campaign | None, track: str | None) -> Limits:
    """The limits for messages of `campaign` (None: an operational mail of no campaign) on `track`."""
    on = library.tracks.tracks.get(track or "")
    sending = campaign.sending if campaign else None
    return Limits(
        company=library.company, campaign=campaign, caps=library.company.at_most,
        track_cap=on.at_most if on else None, campaign_cap=sending.at_most if sending else None,
        window=sending.window if sending else None, quiet=library.company.quiet,
        for_dormant=frozenset({library.tracks.repermission}),
        test_domains=frozenset(d.lower() for d in library.agreement.excluded.get("tests", ())),
        no_offers=NO_OFFERS if library.agreement.offers_from == "nurturing" else NO_OFFERS | {Stage.NURTURING},
    )


def permit_planned(
    snapshot: Snapshot, template: Template, campaign: Campaign, library: Library, *, at: datetime, now: datetime
) -> Answer:
    """The guard's answer for a send that is being planned for `at`."""
    ask = Ask(
        content=template.content, edition=edition_of(template, snapshot, now=now), kind=template.kind,
        purpose=library.company.purposes.get(template.kind), topic=campaign.sending.topic, track=campaign.track,
        campaign=campaign.id, planned_at=max(at, now),
    )
    return permit(snapshot, ask, limits_of(library, campaign, campaign.track), now=max(at, now))


def permit(snapshot: Snapshot, ask: Ask, limits: Limits, *, now: datetime) -> Answer:
    """Permit, Refusal (for good) or Postpone (until). Never raises: what cannot be judged waits as `guard_blind`."""
    try:
        no = _refused(snapshot, ask, limits, now)
        return no if no is not None else _moment(snapshot, ask, limits, now)
    except Exception as blind:
        # Whatever it is, a mail that nobody could judge does not go, and the others of its batch do.
        return Postpone(RefusalCode.GUARD_BLIND, f"the guard cannot judge this: {blind}", now + BLIND_FOR)


def _refused(snapshot: Snapshot, ask: Ask, limits: Limits, now: datetime) -> Refusal | None:
    """The first no for good."""
    lead = snapshot.lead
    if lead.stage is Stage.ERASED:
        return Refusal(RefusalCode.ERASED, "the person asked to be erased")
    if not lead.email:
        return Refusal(RefusalCode.NO_ADDRESS, "no mail address is known")
    no = _consent(snapshot, ask, now) or _suppressed(snapshot, ask) or _stage(lead, ask, limits)
    if no is not None:
        return no
    if ask.kind is not ContentKind.OPERATIONAL and snapshot.sent and any(_same(sent, ask) for sent in snapshot.sent):
        return Refusal(RefusalCode.ALREADY_SENT, f"`{ask.content}` was sent to this person before")
    if limits.test_domains and lead.email.rpartition("@")[2].lower() in limits.test_domains:
        return Refusal(RefusalCode.STAFF_OR_TEST, "a test address")
    return None


def _consent(snapshot: Snapshot, ask: Ask, now: datetime) -> Refusal | None:
    if ask.kind is ContentKind.OPERATIONAL:
        return None
    if snapshot.lead.objected:
        return Refusal(RefusalCode.NO_CONSENT, "the person objected to marketing")
    if ask.purpose is None:
        return Refusal(RefusalCode.NO_CONSENT, f"company.yaml names no consent for {ask.kind} mails")
    if isinstance(no := permits(snapshot, ask.purpose, now=now), Refusal):
        return no
    if ask.topic is not None and ask.topic in snapshot.lead.topics_off:
        return Refusal(RefusalCode.NO_CONSENT, f"the person left the topic `{ask.topic}`")
    return None


def _suppressed(snapshot: Snapshot, ask: Ask) -> Refusal | None:
    """An answer to somebody's own request is stopped only by what stops every mail (`reason:all`, a dead address)."""
    if not snapshot.suppressions:
        return None
    for word in sorted(snapshot.suppressions):
        reason, _, scope = word.partition(":")
        if ask.kind is not ContentKind.OPERATIONAL or scope == "all" or reason == "hard_bounce":
            return Refusal(RefusalCode.SUPPRESSED, f"the address is suppressed: {reason.replace('_', ' ')}")
    return None


def _stage(lead: Lead, ask: Ask, limits: Limits) -> Refusal | None:
    if ask.kind is ContentKind.OPERATIONAL:
        return None
    if ask.kind is ContentKind.OFFER and lead.stage in limits.no_offers:
        return Refusal(RefusalCode.STAGE_FORBIDS_KIND, f"no offers to a lead that is {lead.stage}")
    if lead.stage is Stage.DORMANT and ask.track not in limits.for_dormant and ask.kind not in _ASKED_FOR:
        return Refusal(RefusalCode.STAGE_FORBIDS_KIND, "a dormant lead only gets the re-permission mails")
    if lead.stage in WITH_SALES or lead.contact_blocked:
        if ask.kind is not ContentKind.SALES_ASSIST or lead.contact_blocked:
            return Refusal(RefusalCode.WITH_SALES, f"the lead is with sales ({lead.stage})")
    elif lead.stage in BEYOND_MARKETING:
        return Refusal(RefusalCode.STAGE_FORBIDS_KIND, f"no nurturing for a lead that is {lead.stage}")
    return None


def _same(sent: Sent, ask: Ask) -> bool:
    return (
        sent.content == ask.content and sent.edition == ask.edition and sent.message_id != ask.message_id
        and sent.state in _HOLDS_CONTENT and sent.kind != ContentKind.OPERATIONAL
    )


def _moment(snapshot: Snapshot, ask: Ask, limits: Limits, now: datetime) -> Answer:
    """The first moment that cool-off, the person's own wishes, caps, window and quiet hours all allow."""
    if ask.kind is ContentKind.OPERATIONAL:
        return _PERMIT
    lead, until, code = snapshot.lead, now, ""
    said: list[str] = []
    for at, why, words in _waits(lead, now):
        if at > until:
            until, code = at, code or why
            said.append(words)
    for name, caps, history in _caps(snapshot, ask, limits, until):
        free = next_free(history, caps, at=until)
        if free > until:
            said.append(f"{_at_most(caps, history, until)} ({name})")
            until, code = free, code or RefusalCode.CAP
    zone = zone_of(lead, limits.campaign, limits.company)
    inside = slot(until, limits.window, limits.quiet, zone)
    if inside > until:
        code = code or RefusalCode.OUTSIDE_WINDOW
        said.append(f"{_shut(until, limits, zone)} ({zone.key} time)")
        until = inside
    if not code:
        return _PERMIT
    text = ", then ".join(said)
    if code == RefusalCode.CAP and until - ask.planned_at > LONGEST_CAP_WAIT:
        return Refusal(RefusalCode.TOO_OLD, f"held back for more than {LONGEST_CAP_WAIT.days} days: {text}")
    return Postpone(code, text, until)


def _at_most(caps: Sequence[Cap], history: Sequence[datetime], at: datetime) -> str:
    """The cap that holds back longest, in words."""
    cap = max(caps, key=lambda one: next_free(history, (one,), at=at))
    return f"at most {cap.count} mail{'' if cap.count == 1 else 's'} in {_SPANS[cap.per]}"


def _shut(at: datetime, limits: Limits, zone: ZoneInfo) -> str:
    """Which of the two does not let a mail out at this moment."""
    if slot(at, limits.window, None, zone) > at:
        return "the campaign's window is shut"
    return "the company's quiet hours"


def _waits(lead: Lead, now: datetime) -> Iterator[tuple[datetime, str, str]]:
    if lead.mail_paused_until is not None:
        yield lead.mail_paused_until, RefusalCode.PERSON_PAUSED, "the person asked for a break"
    if lead.cool_off_until is not None and lead.cool_off_mode == "silent":
        yield lead.cool_off_until, RefusalCode.COOL_OFF, "cooling off after sales, in silence"


def _caps(
    snapshot: Snapshot, ask: Ask, limits: Limits, at: datetime
) -> Iterator[tuple[str, Sequence[Cap], list[datetime]]]:
    lead = snapshot.lead
    counted = [
        s for s in snapshot.sent
        if s.state in COUNTED and s.kind != ContentKind.OPERATIONAL and s.message_id != ask.message_id
    ]
    everything = [s.at for s in counted]
    if lead.mails_per_month is not None:
        yield "the person's own limit", (Cap(max(lead.mails_per_month, 1), "month"),), everything
    if lead.cool_off_mode == "low_touch" and lead.cool_off_until is not None and at < lead.cool_off_until:
        yield "low touch after sales", (LOW_TOUCH,), everything
    if limits.caps:
        yield "the company's limit", limits.caps, everything
    if limits.track_cap is not None:
        yield f"the limit of track {ask.track}", (limits.track_cap,), [s.at for s in counted if s.track == ask.track]
    if limits.campaign_cap is not None:
        here = [s.at for s in counted if s.campaign == ask.campaign]
        yield f"the limit of {ask.campaign}", (limits.campaign_cap,), here
