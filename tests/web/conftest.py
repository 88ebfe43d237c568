"""A small house to visit: a company, a few people with mails in their hands, and the real app over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from starlette.testclient import TestClient

from nurture.clock import VirtualClock
from nurture.model.agreement import Agreement
from nurture.model.company import (
    Company,
    Form,
    FormConsent,
    FormField,
    LeadField,
    Sales,
    Topic,
    Tracks,
    Wording,
)
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.library import Library
from nurture.model.scoring import Scoring
from nurture.model.tokens import Keys, address_hash, purpose_number, sign
from nurture.model.words import Channel, ConsentAction, ConsentStatus, Purpose
from nurture.parts import Parts
from nurture.store import Store, open_store
from nurture.store.audience import leads
from nurture.store.privacy import consent
from nurture.store.tables import LinkRow, MessageRow
from nurture.web.app import create_app
from tests.conftest import NOW

SECRET = "a secret that is long enough for a test of the web side"
EMAIL = Channel.EMAIL
PHONE = Channel.PHONE

COMPANY = Company(
    name="Acme",
    legal_name="Acme Example Ltd",
    postal_address="1 Example Road, Exampletown",
    website="https://example.com",
    timezone="Europe/Warsaw",
    country="PL",
    language="en",
    privacy_url="https://example.com/privacy",
    support_email="hello@example.com",
    list_domain="lists.example.com",
    topics={
        "guides": Topic("guides", "Guides and how-tos"),
        "events": Topic("events", "Webinars"),
        "letter": Topic("letter", "The monthly letter", Purpose.NEWSLETTER),
    },
    lead_fields={"employees": LeadField("employees", "number", "Employees")},
)
WORDINGS = {
    w.key: w
    for w in (
        Wording("privacy", 1, "en", (Purpose.PRIVACY_NOTICE,), "I have read the privacy notice."),
        Wording("nurture-email", 1, "en", (Purpose.NURTURE_EMAIL,), "Acme may send me guides by e-mail."),
        Wording("nurture-email", 1, "pl", (Purpose.NURTURE_EMAIL,), "Acme może przesyłać mi poradniki e-mailem."),
        Wording("call", 1, "en", (Purpose.SALES_CONTACT,), "Acme may call me about my question."),
    )
}
FORMS = {
    "guide": Form(
        "guide",
        "The guide",
        fields=(
            FormField("email", "Work e-mail", "email", required=True),
            FormField("first_name", "First name"),
            FormField("company", "Company", progressive=True),
            FormField("employees", "Employees", "number", progressive=True),
            FormField("device_kind", "Devices", "choice", choices=("phones", "tablets"), progressive=True),
        ),
        consents=(
            FormConsent(Purpose.PRIVACY_NOTICE, "privacy", required=True),
            FormConsent(Purpose.NURTURE_EMAIL, "nurture-email"),
        ),
        asset="https://example.com/guide.pdf",
        content="guide-pdf",
        topic="guides",
        depth="awareness",
        thank_you="Thank you. The guide opens below.",
    ),
    "call": Form(
        "call",
        "May we call?",
        fields=(
            FormField("email", "E-mail", "email", required=True),
            FormField("phone", "Phone", "phone", required=True),
            FormField(
                "call_time", "When?", "choice", required=True, choices=("mornings", "afternoons"),
                labels={"pl": "Kiedy?"}, choices_in={"pl": ("rano", "po południu")},
            ),
        ),
        consents=(FormConsent(Purpose.SALES_CONTACT, "call", required=True, channel="phone"),),
        hand_raise=True,
        double_opt_in=False,
        thank_you="We will call.",
        titles={"pl": "Czy możemy zadzwonić?", "de": "Dürfen wir anrufen?"},
        thanks={"pl": "Zadzwonimy."},
        asset="https://example.com/call.pdf",
        assets={"pl": "https://example.com/pl/call.pdf"},
    ),
}


@dataclass
class World:
    store: Store
    clock: VirtualClock
    parts: Parts
    client: TestClient
    sent_at: datetime = NOW
    mails: dict[int, int] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        return self.parts.keys

    def lead(self, email: str = "ada@example.com", **more: Any) -> int:
        with self.store.begin() as conn:
            stored = leads.find_or_create(
                conn,
                email=email,
                fields=more.pop("fields", {}),
                origin="declared",
                source="test",
                now=self.clock.now(),
                keys=self.keys,
                **more,
            )
            assert stored.lead_id is not None
            return stored.lead_id

    def grant(self, lead_id: int, *purposes: Purpose, channel: Channel = EMAIL, at: datetime | None = None) -> None:
        moment = at or self.clock.now()
        with self.store.begin() as conn:
            done = consent.append(
                conn,
                [
                    ConsentEntry(
                        lead_id,
                        p,
                        ConsentAction.GRANT,
                        moment,
                        "person",
                        channel=channel,
                        basis=Basis.CONSENT,
                        wording="test.1.en",
                        wording_sha="0" * 64,
                        proof={"source": "test"},
                    )
                    for p in purposes
                ],
                now=self.clock.now(),
                keys=self.keys,
            )
            assert not done.refused

    def mail(self, lead_id: int, *, links: int = 3, purpose: Purpose = Purpose.NURTURE_EMAIL) -> int:
        """A sent message with its links."""
        at = self.clock.now()
        with self.store.begin() as conn:
            digest = f"digest-{links}"
            if not conn.execute(select(LinkRow).where(LinkRow.template_digest == digest)).first():
                conn.execute(
                    insert(LinkRow),
                    [
                        {
                            "template_digest": digest,
                            "idx": i,
                            "name": f"link-{i}",
                            "url": f"https://example.com/page-{i}?a=1&b=ż",
                        }
                        for i in range(links)
                    ],
                )
            n = conn.execute(text("select count(*) from message")).scalar_one()
            return int(
                conn.execute(
                    insert(MessageRow)
                    .values(
                        lead_id=lead_id,
                        template="awareness/guide",
                        template_digest=digest,
                        content=f"content-{n}",
                        kind="educational",
                        purpose=purpose.value,
                        state="sent",
                        due_at=at,
                        planned_at=at,
                        sent_at=at,
                        campaign="awareness",
                        step_id="guide",
                    )
                    .returning(MessageRow.id)
                ).scalar_one()
            )

    def url(
        self, kind: str, message_id: int, lead_id: int, *, purpose: Purpose = Purpose.NURTURE_EMAIL, link: int = 0
    ) -> str:
        match kind:
            case "open":
                return f"/o/{sign(self.keys, 'open', message_id, lead_id)}"
            case "click":
                return f"/c/{sign(self.keys, 'click', message_id, lead_id)}/{link}"
            case "honeypot":
                return f"/h/{sign(self.keys, 'honeypot', message_id, lead_id)}"
            case "unsubscribe":
                return f"/u/{sign(self.keys, 'unsubscribe', lead_id, message_id, purpose_number(purpose))}"
            case "preferences":
                return f"/p/{sign(self.keys, 'preferences', lead_id, message_id)}"
        raise AssertionError(kind)

    def status(self, lead_id: int, purpose: Purpose, channel: Channel = EMAIL) -> ConsentStatus:
        with self.store.read() as conn:
            state = consent.states(conn, [lead_id]).get(lead_id, {}).get((purpose, channel))
        return state.status if state else ConsentStatus.NONE

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.store.read() as conn:
            return list(conn.execute(text(sql), values))

    def one(self, sql: str, **values: Any) -> Any:
        return self.rows(sql, **values)[0][0]

    def after(self, **delta: float) -> datetime:
        return self.clock.advance(timedelta(**delta))

    def hash_of(self, email: str) -> str:
        return address_hash(self.keys, email)


def make_world(url: str, **options: Any) -> Iterator[World]:
    store = open_store(url)
    library = Library(
        COMPANY, Tracks(), Scoring(), Agreement(1, NOW.date(), NOW.date()), Sales(), forms=FORMS, wordings=WORDINGS
    )
    parts = Parts(store, library, Keys.from_secrets([SECRET]), transport=None, public_url="http://testserver")
    clock = VirtualClock(NOW)
    with TestClient(create_app(parts, clock, **options), follow_redirects=False) as client:
        yield World(store, clock, parts, client)
    store.close()


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    yield from make_world(sqlite_url)


@pytest.fixture
def world_everywhere(store_url: str) -> Iterator[World]:
    """The same house on each database."""
    yield from make_world(store_url)
