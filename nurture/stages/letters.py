"""From a claimed message and a fresh snapshot to bytes: the right copy, campaign, addresses and headers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from nurture.decide.groups import group_of
from nurture.decide.permit import Ask, Limits, limits_of, permit
from nurture.errors import NurtureError
from nurture.mail import headers
from nurture.mail.compile import CompiledCopy, CompiledMail, compile_mail, key_of
from nurture.mail.links import addressing
from nurture.mail.press import Press
from nurture.mail.reason import reason
from nurture.mail.render import Frame, Letter, company_words, frame
from nurture.model.campaign import Campaign, Send
from nurture.model.company import Topic
from nurture.model.delivery import Outgoing
from nurture.model.facts import Consents, Lead, Snapshot
from nurture.model.intents import Answer
from nurture.model.template import Template
from nurture.model.tokens import ledger_hash
from nurture.model.words import CampaignStatus, Channel, ContentKind, Purpose
from nurture.parts import Parts
from nurture.store.mail.guard import Fresh
from nurture.store.mail.messages import Lost
from nurture.store.mail.outgoing import Claimed, Start

KEPT: Final = 512
_KINDS: Final = {kind.value: kind for kind in ContentKind}
_PURPOSES: Final = {purpose.value: purpose for purpose in Purpose}
_compiled: OrderedDict[str, CompiledMail] = OrderedDict()
_presses: OrderedDict[tuple[Any, ...], Press] = OrderedDict()
"""Set up once per process: taking a template apart costs as much as some hundred mails."""


class NoTemplate(NurtureError):
    """The message names a template that is neither applied now nor kept from before."""


class Ready(NamedTuple):
    """A message on the verge: bytes for the wire and what the store writes down first."""

    outgoing: Outgoing
    start: Start


@dataclass(frozen=True, slots=True)
class _Step:
    template: Template
    copy: CompiledCopy
    press: Press
    topic: Topic | None
    route: str | None
    sent_from: str


@dataclass(slots=True)
class Case:
    """What the guard says, and what a mail shows, of all leads alike who had no mail yet and whom nothing blocks.

    Holds on to the nouns that stand for them: their identity is its key.
    """

    lead: Lead
    consents: Consents
    answer: Answer
    clicks: bool
    opens: bool
    reason: str = ""
    step: _Step | None = None


class Kind:
    """What is the same for all messages of one step and edition: the question to the guard, and its answers so far."""

    __slots__ = ("asked", "cases", "gone", "limits", "purpose", "rehearses", "tracks")

    def __init__(self, asked: Ask, campaign: Campaign | None, limits: Limits, message: Claimed) -> None:
        self.asked, self.purpose, self.limits = asked, asked.purpose, limits
        self.gone = message.campaign is not None and campaign is None
        shown = campaign is not None and campaign.status is CampaignStatus.REHEARSE
        self.rehearses = message.rehearsal or shown
        self.tracks = asked.kind is not ContentKind.OPERATIONAL
        self.cases: dict[tuple[int, int], Case] = {}

    def ask(self, message: Claimed) -> Ask:
        return self.asked._replace(planned_at=message.planned_at, message_id=message.id)


class Letters:
    """Everything that is the same for many messages of one run, made once. `now` is that run's."""

    def __init__(self, parts: Parts, *, now: datetime) -> None:
        self.parts, self.now = parts, now
        self.library = parts.library
        self.addressing = addressing(parts.library.company, parts.keys, parts.public_url)
        self.company = company_words(parts.library.company)
        self._secret = bytes.fromhex(ledger_hash(parts.keys, "message id"))
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self.apart = frozenset(d.lower() for d in parts.library.agreement.excluded.get("tests", ()))
        """Domains that the guard knows."""
        self._frames: dict[tuple[Any, ...], Frame] = {}
        self._steps: dict[tuple[Any, ...], _Step] = {}
        self._reasons: dict[tuple[str, str, date | None, str | None], str] = {}
        self._mails: dict[int, CompiledMail] = {}
        self.groups: dict[str, str | None] = {}
        """Receiving domains of this run and who is behind them, where that was looked up and is somebody else."""
        self.fresh: dict[str, CompiledMail] = {}
        """Compiled in this run, by template digest: their links have to be in the store before the mail leaves."""

    def move_on(self, now: datetime) -> None:
        """It is later: what the guard said may hold no more."""
        self.now = now
        for kind in self._kinds.values():
            kind.cases.clear()

    def campaign(self, message: Claimed) -> Campaign | None:
        if message.campaign is None or message.version is None:
            return None
        return self.parts.campaign(message.campaign, message.version)

    def kind(self, message: Claimed) -> Kind:
        # From `campaign` to `rehearsal`: all of a message that is its step's, not its lead's.
        key = message[3:18]
        found = self._kinds.get(key)
        if found is None:
            campaign, kind = self.campaign(message), _KINDS[message.kind]
            purpose = _PURPOSES[message.purpose] if message.purpose else self.library.company.purposes.get(kind)
            asked = Ask(
                message.content, message.edition, kind, purpose, message.topic, message.track, message.campaign,
                message.planned_at,
            )
            found = self._kinds[key] = Kind(asked, campaign, limits_of(self.library, campaign, message.track), message)
        return found

    def answer(self, message: Claimed, kind: Kind, fresh: Fresh) -> tuple[Answer, Case]:
        """The guard's answer, worked out once for all leads alike; anew for whoever had mail or is blocked."""
        key = (id(fresh.lead), id(fresh.consents))
        case = kind.cases.get(key)
        if case is None:
            case = kind.cases[key] = self._case(message, kind, fresh)
        if fresh.sent or fresh.blocks:
            return permit(fresh.snapshot, kind.ask(message), kind.limits, now=self.now), case
        return case.answer, case

    def _case(self, message: Claimed, kind: Kind, fresh: Fresh) -> Case:
        plain = Snapshot(fresh.lead, (), fresh.consents)
        opens = plain.consents_to(Purpose.OPEN_TRACKING, self.now)
        return Case(
            fresh.lead, fresh.consents, permit(plain, kind.ask(message), kind.limits, now=self.now),
            kind.tracks and plain.consents_to(Purpose.CLICK_TRACKING, self.now), kind.tracks and opens,
        )

    def template(self, message: Claimed) -> Template:
        """The copy in force: the live one, unless the campaign finishes on an older version."""
        pinned = (message.campaign, message.version) in self.parts.pinned
        kept = self.parts.templates.get(message.template_digest)
        found = kept if pinned and kept is not None else self.library.templates.get(message.template) or kept
        if found is None:
            raise NoTemplate(f"The template `{message.template}` does not exist any more.")
        return found

    def compiled(self, template: Template) -> CompiledMail:
        found = self._mails.get(id(template))
        if found is None:
            key = key_of(template, self.library.layouts)
            found = _compiled.get(key) or compile_mail(template, self.library.layouts)
            _compiled[key] = found
            while len(_compiled) > KEPT:
                _compiled.popitem(last=False)
            self._mails[id(template)] = self.fresh[template.digest] = found
        return found

    def make(self, message: Claimed, kind: Kind, case: Case, fresh: Fresh) -> Ready:
        """Raises NoTemplate, compile.CompileError, sandbox.CopyError or headers.BadAddress."""
        to, utf8 = headers.mailable(fresh.email)
        step = case.step
        if step is None:
            ask = kind.ask(message)
            step = self.step(message, ask, fresh.lead.language, case.clicks)
            case.reason, case.step = self._reason(fresh.consents, ask, step), step
        opens = case.opens or (kind.tracks and self.library.company.hygiene_opens)
        addresses = self.addressing.of(message.id, message.lead_id, kind.purpose, clicks=case.clicks, opens=opens)
        name = message.message_id or self.message_id(message)
        letter = Letter(to, fresh.words, name, addresses, self.now, case.reason, step.copy.language)
        raw = step.press.print(letter)
        outgoing = Outgoing(message.id, raw, addresses.bounce, to, utf8, step.route, step.sent_from, True)
        start = Start(
            message.id, name, to, self._group(to), case.opens, case.clicks, len(raw), step.template.digest
        )
        return Ready(outgoing, start)

    def _group(self, to: str) -> str:
        return self.groups.get(to.rpartition("@")[2]) or group_of(to)

    def step(self, message: Claimed, ask: Ask, language: str | None, clicks: bool) -> _Step:
        """What all leads of this step, language and tracking share."""
        key = (
            message.campaign, message.version, message.step_id, message.template_digest, message.variant, message.kind,
            message.topic, language, clicks,
        )
        found = self._steps.get(key)
        if found is None:
            found = self._steps[key] = self._step(message, ask, language, clicks)
        return found

    def _step(self, message: Claimed, ask: Ask, language: str | None, clicks: bool) -> _Step:
        template, campaign = self.template(message), self.campaign(message)
        mail = self.compiled(template)
        copy = mail.copy_for(language, campaign.language if campaign else None, self.library.company.language)
        topic = self.library.company.topics.get(message.topic or "")
        shared = self.frame(message, campaign, ask.kind, topic)
        press = self._press(
            mail, copy, shared, tracked=clicks, subject=variant_subject(message, campaign),
            campaign={"id": campaign.id, "name": campaign.name} if campaign else {},
            topic={"id": topic.id, "name": topic.named(copy.language)} if topic else {},
        )
        route = campaign.sending.route if campaign else None
        return _Step(template, copy, press, topic, route, shared.sender["email"].rpartition("@")[2])

    def _press(
        self, mail: CompiledMail, copy: CompiledCopy, shared: Frame, *, tracked: bool, subject: str | None,
        campaign: Mapping[str, str], topic: Mapping[str, str],
    ) -> Press:
        key = (
            mail.key, copy.language, tracked, subject, shared.fields, shared.bulk, *shared.sender.values(),
            *self.company.items(), *campaign.items(), None, *topic.items(),
        )
        found = _presses.get(key)
        if found is None:
            found = _presses[key] = Press(
                mail, copy, shared, company=self.company, tracked=tracked, subject=subject, campaign=campaign,
                topic=topic,
            )
            while len(_presses) > KEPT:
                _presses.popitem(last=False)
        return found

    def message_id(self, message: Claimed | Lost) -> str:
        step = message.step_id or f"message-{message.id}"
        return headers.message_id(
            message.id, message.lead_id, message.campaign or "", message.run, step, domain=self.addressing.domain,
            secret=self._secret,
        )

    def frame(self, message: Claimed, campaign: Campaign | None, kind: ContentKind, topic: Topic | None) -> Frame:
        key = (message.campaign, message.version, message.step_id, kind, message.topic)
        found = self._frames.get(key)
        if found is None:
            company = self.library.company
            sender = campaign.sending.sender if campaign else f"{company.name} <{company.support_email}>"
            found = self._frames[key] = frame(
                company, sender=sender, domain=self.addressing.domain, kind=kind,
                reply_to=campaign.sending.reply_to if campaign else None, topic_id=topic.id if topic else None,
                topic_name=topic.name if topic else None, campaign=message.campaign or "", step=message.step_id or "",
            )
        return found

    def _reason(self, consents: Consents, ask: Ask, step: _Step) -> str:
        company = self.library.company.name
        if ask.purpose is None:
            return reason(step.copy.language, company=company, topic=None, since=None)
        state = consents.get((ask.purpose, Channel.EMAIL))
        since = state.since if state else None
        basis = state.basis if state else None
        key = (step.copy.language, step.topic.id if step.topic else "", since.date() if since else None, basis)
        found = self._reasons.get(key)
        if found is None:
            name = step.topic.named(step.copy.language) if step.topic else company
            found = self._reasons[key] = reason(
                step.copy.language, company=company, topic=name, since=since, basis=basis
            )
        return found


def variant_subject(message: Claimed, campaign: Campaign | None) -> str | None:
    """The subject of the variant this lead drew, where it has its own."""
    step = campaign.step(message.step_id) if campaign and message.step_id and message.variant else None
    if step is None or not isinstance(step.action, Send) or step.action.test is None:
        return None
    return next((v.subject for v in step.action.test.variants if v.name == message.variant), None)
