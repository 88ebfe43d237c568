"""A small company with one scoring model, one agreement and four sellers, for the tests of qualifying."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from nurture.decide.score import Model
from nurture.model.agreement import Agreement, Calendar, RequiredEvents, Signature
from nurture.model.company import Company, Queue, Sales, Seller, Track, Tracks
from nurture.model.library import Library
from nurture.model.scoring import Criterion, Decay, Rule, Scoring, ValueRule
from nurture.model.tokens import Keys, address_hash, normal_address
from nurture.model.words import Channel, Purpose, Stage
from nurture.parts import Parts
from nurture.stages import advance, hand_off, recycle, score, sweep
from nurture.store import Store
from nurture.store.facts import events, wakeups
from nurture.store.tables import ConsentStateRow, LeadRow

KEYS = Keys.from_secrets(["x" * 40])
ANYTHING = (ValueRule(100, one_of=("head of IT", "CIO")), ValueRule(0, otherwise=True))
MODEL = Model(
    "default",
    fit=(
        Criterion("role", 30, ANYTHING),
        Criterion("employees", 30, (ValueRule(100, at_least=50, at_most=5000), ValueRule(0, otherwise=True))),
        Criterion("industry", 20, (ValueRule(100, one_of=("finance",)), ValueRule(20, otherwise=True))),
        Criterion("country", 20, (ValueRule(100, one_of=("PL", "CZ")), ValueRule(0, otherwise=True))),
    ),
    rules=(
        Rule("visits", "page_view", 2, Decay("half_life", 30), per_day=6, group="web"),
        Rule("ebooks", "download", 15, Decay("half_life", 60), dedupe="asset", group="content"),
        Rule("clicks", "email_click", 5, Decay("half_life", 30), dedupe="message", cap=20),
        Rule("webinars", "webinar_attended", 30, Decay("half_life", 90), dedupe="asset", cap=40),
    ),
    groups={"web": 20, "content": 40},
)
AGREEMENT = Agreement(
    version=4, effective_from=date(2026, 10, 1), next_review=date(2027, 2, 1), sha="a" * 64,
    signed=tuple(Signature(r, r.title(), date(2026, 9, 28)) for r in ("marketing", "sdr", "account_executive")),
    required_events={"default": RequiredEvents(any_of=(
        {"type": "webinar_attended", "min_minutes": 30, "within_days": 365},
    ))},
    calendar=Calendar(zone="Europe/Warsaw", country="PL"),
    bounds={"employees": [50, 5000], "countries": ["PL", "CZ", "NO"]},
    excluded={"employees": ("staff.example.com",)},
)
SALES = Sales(
    sellers={s.id: s for s in (
        Seller("jana", "Jana", "jana@example.com"), Seller("piotr", "Piotr", "piotr@example.com"),
        Seller("ola", "Ola", "ola@example.com"), Seller("marek", "Marek", "marek@example.com", "account_executive"),
        Seller("ines", "Ines", "ines@example.com", "marketing"), Seller("dana", "Dana", "dana@example.com", "manager"),
    )},
    queues={"inside": Queue("inside", "Inside sales", ("jana", "piotr", "ola"), manager="dana")},
    default_queue="inside",
)
TRACKS = Tracks(tracks={t: Track(t, t, p) for t, p in (
    ("welcome", 70), ("education", 60), ("profiling", 10), ("repermission", 15), ("long_cycle", 40), ("reengage", 30),
    ("business_case", 55), ("champion", 35), ("switch", 25), ("win_back", 20),
)})
COMPANY = Company("Acme", "Acme Ltd", "1 Example Street", "https://example.com", "Europe/Warsaw", "PL", "en")


def library(**changes: Any) -> Library:
    return replace(Library(COMPANY, TRACKS, Scoring((MODEL,)), AGREEMENT, SALES, sha="s", config_sha="c"), **changes)


def parts(store: Store, **changes: Any) -> Parts:
    return Parts(store, library(**changes), KEYS, None, "https://news.example.com")


GOOD = {"first_name": "Anna", "last_name": "Nowak", "company": "Acme", "role": "head of IT", "employees": 250,
        "country": "PL"}
CONSENTS = (Purpose.PRIVACY_NOTICE, Purpose.NURTURE_EMAIL, Purpose.SALES_CONTACT)


def add_lead(
    store: Store, *, now: datetime, email: str = "anna@example.org", fields: Mapping[str, Any] | None = None,
    stage: Stage = Stage.NURTURING, consents: Iterable[Purpose] = CONSENTS, **columns: Any,
) -> int:
    values = {
        n: {"v": v, "o": "declared", "c": 1.0, "at": None} for n, v in (GOOD if fields is None else fields).items()
    }
    row = {
        "email": email,
        "email_key": normal_address(email),
        "email_hash": address_hash(KEYS, email),
        "fields": values,
        "country": "PL",
        "stage": stage,
        "stage_since": now - timedelta(days=40),
        "created_at": now - timedelta(days=40),
        "updated_at": now,
        "first_touch": {},
        "topics_off": [],
        **columns,
    }
    with store.begin() as conn:
        lead_id = conn.execute(LeadRow.__table__.insert().values(**row).returning(LeadRow.__table__.c.id)).scalar_one()
        for purpose in consents:
            grant(conn, lead_id, purpose, now=now)
        wakeups.wake(conn, [lead_id], now=now)
    return int(lead_id)


def grant(conn: Any, lead_id: int, purpose: Purpose, *, now: datetime, status: str = "granted") -> None:
    conn.execute(
        ConsentStateRow.__table__.insert().values(
            lead_id=lead_id,
            purpose=purpose,
            channel=Channel.EMAIL,
            status=status,
            since=now - timedelta(days=1),
            entry_id=7,
        )
    )


def happened(store: Store, lead_id: int, *facts: tuple[str, float, dict[str, Any]], now: datetime) -> None:
    """Facts of (kind, days ago, more)."""
    with store.begin() as conn:
        events.record(conn, [
            events.NewEvent(kind, now - timedelta(days=days), lead_id, **more) for kind, days, more in facts
        ], now=now)


SEED = (
    *(("page_view", d, {"path": f"/p{d}"}) for d in (28, 21, 14, 7, 2)),
    ("download", 20, {"content": "ebook-a"}), ("download", 5, {"content": "ebook-b"}),
)
WEBINAR = ("webinar_attended", 0.75, {"content": "webinar-phones", "minutes": 60})


def tick(parts: Parts, *, now: datetime, rounds: int = 6) -> dict[str, int]:
    """The qualifying stages, until nothing moves."""
    books: dict[str, int] = {}
    for _ in range(rounds):
        for stage in (sweep, score, advance, hand_off, recycle):
            for what, n in (stage.run(parts, now=now, limit=500, owner="test").other or {}).items():
                books[what] = books.get(what, 0) + n
    return books
