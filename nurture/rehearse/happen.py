"""What happens to people in a rehearsal: deeds of a story or a simulated person become the facts they would cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from nurture.acts import conversion, desk
from nurture.errors import NurtureError
from nurture.model.campaign import Campaign, Send
from nurture.model.tokens import address_hash
from nurture.model.words import Channel, ConsentAction, EventKind, Purpose
from nurture.rehearse.world import World, grants
from nurture.store import Connection
from nurture.store.audience import imports, leads, people, snapshots
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.privacy import consent
from nurture.store.sales import handoffs


class CannotHappen(Exception):
    """The story asks for something that makes no sense then; the message says what."""


def happen(
    world: World, lead_id: int, what: str, value: Any, args: Mapping[str, Any], *, campaign: Campaign | None = None
) -> str:
    """Make it happen now. Returns how it reads in a time line."""
    deed = _DEEDS.get(what)
    if deed is None:
        raise CannotHappen(f"`{what}` is not something that can happen")
    if what == "sales":
        return _sales(world, lead_id, value, args)
    with world.store.begin() as conn:
        return deed(_Scene(world, conn, lead_id, campaign, world.clock.now()), value, args)


class _Scene:
    def __init__(self, world: World, conn: Connection, lead_id: int, campaign: Campaign | None, now: datetime) -> None:
        self.world, self.conn, self.lead_id, self.campaign, self.now = world, conn, lead_id, campaign, now

    def record(self, kind: str, **facts: Any) -> None:
        key = f"rehearsed/{self.lead_id}/{kind}/{self.now.isoformat()}/{sorted(facts.items(), key=str)}"
        events.record(self.conn, [NewEvent(kind, self.now, self.lead_id, key=key, **facts)], now=self.now)

    def consent(self, purpose: Any, action: ConsentAction | None = None) -> None:
        names = purpose if isinstance(purpose, list | tuple) else [purpose]
        entries = grants(self.lead_id, map(str, names), at=self.now, action=action)
        consent.append(self.conn, entries, now=self.now, keys=self.world.parts.keys)

    def suppress(self, reason: str) -> None:
        snapshot = snapshots.load(self.conn, [self.lead_id], now=self.now, with_events=False)[self.lead_id]
        hashed = address_hash(self.world.parts.keys, snapshot.lead.email or "")
        imports.suppress(self.conn, [(hashed, reason, self.lead_id)], source="rehearsal", now=self.now)


def _mail(scene: _Scene, value: Any) -> dict[str, Any]:
    """The facts an event about a mail carries; `value` names a step, a template, a content, or `any`: the newest."""
    sent = [s for s in snapshots.ledger(scene.conn, [scene.lead_id]).get(scene.lead_id, []) if s.state == "sent"]
    templates = scene.world.library.templates
    steps = [s for s in scene.campaign.walk() if isinstance(s.action, Send)] if scene.campaign else []
    for one in sorted(sent, key=lambda s: s.at, reverse=True):
        step = next(
            (s for s in steps if s.id == one.step and one.campaign == (scene.campaign and scene.campaign.id)), None
        )
        template = next((t for t in templates.values() if t.content == one.content), None)
        names = {
            one.step,
            one.content,
            step.action.template if step and isinstance(step.action, Send) else None,
            template.name if template else None,
        }
        if value in (None, "any", True) or value in names:
            return {
                "content": one.content,
                "campaign": one.campaign,
                "step": one.step,
                "message_id": one.message_id,
                "depth": str(template.depth) if template else None,
                "topic": template.topics[0] if template and template.topics else None,
                "channel": Channel.EMAIL.value,
            }
    raise CannotHappen(f"`{value}` has not been sent yet, so nobody can react to it")


def _clicked(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    if not snapshots.load(scene.conn, [scene.lead_id], now=scene.now, with_events=False)[scene.lead_id].consents_to(
        Purpose.CLICK_TRACKING, scene.now
    ):
        _mail(scene, value)
        return f"clicked {value}, unseen: no consent to click tracking"
    scene.record(EventKind.CLICK, link=args.get("link"), **_mail(scene, value))
    return f"clicked {value} {args.get('link', '')}".strip()


def _opened(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.OPEN, **_mail(scene, value))
    return f"opened {value}"


def _replied(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.REPLY, **_mail(scene, value))
    return "replied"


def _visited(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.PAGE_VIEW, path=str(value), channel=Channel.WEB.value, **_only(args, "topic", "depth"))
    return f"visited {value}"


def _did(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(str(value), **_only(args, "minutes", "topic", "depth", "content"))
    return f"did {value}"


def _attended(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    minutes = args.get("minutes", 60)
    scene.record(
        EventKind.WEBINAR_ATTENDED,
        touchpoint=str(value),
        content=str(value),
        minutes=minutes,
        channel=Channel.EVENT.value,
        **_only(args, "topic", "depth"),
    )
    return f"attended {value}, {minutes} minutes"


def _downloaded(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.DOWNLOAD, content=str(value), channel=Channel.WEB.value, **_only(args, "topic", "depth"))
    return f"downloaded {value}"


def _form(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    form = scene.world.library.forms.get(str(value))
    depth, topic = (form.depth, form.topic) if form else (None, None)
    scene.record(
        EventKind.FORM, touchpoint=str(value), content=str(value), depth=depth, topic=topic, channel=Channel.WEB.value
    )
    if form is not None and form.hand_raise:
        scene.record(EventKind.HAND_RAISE, touchpoint=str(value), channel=Channel.WEB.value)
    return f"sent the form {value}"


def _tagged(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    people.tag(scene.conn, scene.lead_id, str(value), now=scene.now)
    scene.record(EventKind.TAG_ADDED, touchpoint=str(value))
    return f"tagged {value}"


def _listed(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    leads.add_to_list(scene.conn, str(value), [scene.lead_id], now=scene.now)
    scene.record(EventKind.LIST_ADDED, touchpoint=str(value))
    return f"put on the list {value}"


def _consents(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.consent(value)
    return f"consent+ {_named(value)}"


def _withdraws(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.consent(value, ConsentAction.WITHDRAW)
    return f"consent- {_named(value)}"


def _named(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _unsubscribes(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.consent([Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER, Purpose.COMMERCIAL_OFFERS], ConsentAction.WITHDRAW)
    scene.record(EventKind.UNSUBSCRIBE)
    return "unsubscribed"


def _complains(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.COMPLAINT)
    scene.suppress("complained")
    return "called it spam"


def _bounced(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.BOUNCE, data={"kind": str(value)})
    if value == "hard":
        scene.suppress("hard_bounce")
    return f"bounced ({value})"


def _sets(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    people.learn(scene.conn, scene.lead_id, dict(value), origin="declared", source="rehearsal", now=scene.now)
    return "told us " + ", ".join(f"{name} = {held}" for name, held in dict(value).items())


def _score(scene: _Scene, value: Any, args: Mapping[str, Any]) -> str:
    scene.record(EventKind.POINTS, points=int(float(value) * 1000), data={"because": "the story says so"})
    return f"score {float(value):+g}"


def _sales(world: World, lead_id: int, value: Any, args: Mapping[str, Any]) -> str:
    with world.store.read() as conn:
        found = handoffs.open_of(conn, lead_id)
    if found is None:
        raise CannotHappen("sales cannot decide: there is no open hand-off then")
    seller = found.owner or next(iter(world.library.sales.sellers), "")
    try:
        _decide(world, found.id, str(value), args, seller)
    except NurtureError as refused:
        raise CannotHappen(f"sales cannot {value}: {refused}") from refused
    return f"sales: {value} {args.get('reason') or ''}".strip()


def _decide(world: World, handoff: int, value: str, args: Mapping[str, Any], seller: str) -> None:
    parts, now = world.parts, world.clock.now()
    reason, note = args.get("reason"), args.get("note") or "as the story says"
    match value:
        case "accept":
            desk.accept(parts, handoff, by=seller, now=now)
        case "reject":
            desk.reject(parts, handoff, reason=reason, note=note, by=seller, now=now)
        case "recycle":
            revisit_on = args.get("revisit_on")
            desk.recycle(parts, handoff, reason=reason, note=note, by=seller, now=now, revisit_on=revisit_on)
        case "qualify":
            everything = dict.fromkeys(("budget", "authority", "need", "timeline"), "yes")
            desk.qualify(parts, handoff, bant=everything, by=seller, now=now)
        case "convert":
            conversion.convert(parts, handoff, conversion.Choice(), by=seller, now=now)


def _only(args: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: args[name] for name in names if args.get(name) is not None}


_DEEDS: Mapping[str, Callable[[_Scene, Any, Mapping[str, Any]], str]] = {
    "clicked": _clicked,
    "opened": _opened,
    "replied": _replied,
    "visited": _visited,
    "did": _did,
    "attended": _attended,
    "downloaded": _downloaded,
    "form": _form,
    "tag_added": _tagged,
    "list": _listed,
    "consents_to": _consents,
    "withdraws": _withdraws,
    "unsubscribes": _unsubscribes,
    "complains": _complains,
    "bounced": _bounced,
    "sets": _sets,
    "score": _score,
    "sales": lambda scene, value, args: "",
}
