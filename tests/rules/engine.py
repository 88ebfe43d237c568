"""Small builders for tests of the rules: a company, a lead, a campaign, an event, in one line each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from nurture.model.campaign import (
    Campaign,
    Condition,
    Duration,
    Enter,
    LeaveRule,
    Send,
    Sending,
    Step,
    Trigger,
    Unit,
    Window,
)
from nurture.model.company import Company
from nurture.model.facts import ConsentState, Event, Lead, Scores, Snapshot
from nurture.model.words import CampaignStatus, Channel, ConsentStatus, FunnelStage, Purpose, Stage

BERLIN = ZoneInfo("Europe/Berlin")
COMPANY = Company("Acme", "Acme Ltd", "1 Example Road", "https://example.com", "Europe/Warsaw", "PL", "en")
OFFICE = Window(frozenset(range(5)), 9 * 60, 17 * 60)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def wait(amount: int, unit: Unit = "days") -> Duration:
    return Duration(amount, unit)


def send(step_id: str, after: Duration | None = None, template: str | None = None, **more: Any) -> Step:
    return Step(step_id, Send(template or f"awareness/{step_id}"), after=after, **more)


def campaign(
    *steps: Step,
    window: Window | None = None,
    when: tuple[Trigger, ...] = (),
    leave: tuple[LeaveRule, ...] = (),
    enter: Enter | None = None,
    **more: Any,
) -> Campaign:
    said: dict[str, Any] = {
        "id": "drip",
        "name": "Drip",
        "funnel_stage": FunnelStage.AWARENESS,
        "track": "education",
        "owner": "i",
        "status": CampaignStatus.LIVE,
        "enter": enter or Enter(when),
        "steps": steps,
        "leave_when": leave,
        "sending": Sending("news", "Acme <a@example.com>", window=window),
    }
    return Campaign(**{**said, **more})


def snapshot(
    *events: Event,
    consents: tuple[Purpose, ...] = (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING),
    engagement: int | None = 0,
    band: str = "B",
    lead: Mapping[str, Any] | None = None,
    **more: Any,
) -> Snapshot:
    said: dict[str, Any] = {"id": 1, "stage": Stage.NURTURING, "timezone": "Europe/Berlin", **(lead or {})}
    scores = None
    if engagement is not None:
        scores = Scores(
            "default", at("2026-11-01"), engagement * 1000, 60_000, 80_000, 0.8, band, 3, f"{band}3", "nurture"
        )
    granted = {(purpose, Channel.EMAIL): ConsentState(ConsentStatus.GRANTED) for purpose in consents}
    return Snapshot(Lead(**said), sorted(events, key=lambda e: (e.at, e.id)), granted, scores=scores, **more)


def event(kind: str, when: str, **more: Any) -> Event:
    return Event(more.pop("id", 1), kind, at(when), **more)


def fact(op: str, value: Any = None, **more: Any) -> Condition:
    in_last = more.pop("in_last", None)
    return Condition(op, value, args=more, in_last=in_last)


def joined(op: str, *parts: Condition) -> Condition:
    return Condition(op, parts=parts)
