"""A small installation with due messages: a company, one campaign, a template, leads who agreed, in a real database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from nurture.mail.memory import MemoryTransport
from nurture.mail.transport import Transport
from nurture.model.agreement import Agreement
from nurture.model.campaign import Campaign, Enter, Send, Sending, Step
from nurture.model.company import Company, Sales, Topic, Track, Tracks
from nurture.model.library import Library
from nurture.model.scoring import Scoring
from nurture.model.template import Copy, Template
from nurture.model.tokens import Keys, address_hash
from nurture.model.words import CampaignStatus, ContentKind, Depth, FunnelStage, Purpose
from nurture.parts import Parts
from nurture.store import Store
from nurture.store.tables import CampaignRow, ConsentStateRow, EnrollmentRow, LeadRow, MessageRow, SuppressionRow

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEYS = Keys.from_secrets(["a secret that is only used in tests, and long"])
PUBLIC = "https://go.example.com"

LAYOUT = (
    "<html><head><style>p { color: #111 }</style></head><body>{{ content }}<p>{{ company.legal_name }}, "
    '{{ company.postal_address }}. {{ reason }} <a href="{{ unsubscribe_url }}">Unsubscribe</a> '
    '<a href="{{ preferences_url }}">Preferences</a></p></body></html>'
)
TEXT_LAYOUT = (
    "{{ content }}\n--\n{{ company.legal_name }}, {{ company.postal_address }}\n{{ reason }}\n"
    "Unsubscribe: {{ unsubscribe_url }}\nPreferences: {{ preferences_url }}\n"
)
BODY = """Hello {{ lead.first_name | default('there', true) }},

here is what you asked for at {{ lead.company | default('your company', true) }}.

**[Read the guide](https://www.example.com/guide?a=1&b=2 "read-the-guide")**

There is [one more page](https://www.example.com/more "more") for later.
"""


def company(**changes: Any) -> Company:
    made = Company(
        name="Acme", legal_name="Acme Example sp. z o.o.", postal_address="ul. Przykładowa 1, 00-000 Warszawa",
        website="https://www.example.com", timezone="Europe/Warsaw", country="PL", language="en",
        registration="KRS 0000000000", privacy_url="https://www.example.com/privacy", support_email="hello@example.com",
        list_domain="lists.example.com", topics={"guides": Topic("guides", "Guides and how-tos")},
        purposes={
            ContentKind.EDUCATIONAL: Purpose.NURTURE_EMAIL, ContentKind.PRODUCT: Purpose.NURTURE_EMAIL,
            ContentKind.OFFER: Purpose.COMMERCIAL_OFFERS, ContentKind.SALES_ASSIST: Purpose.SALES_CONTACT,
            ContentKind.OPERATIONAL: None,
        },
    )
    return replace(made, **changes)


def template(name: str = "awareness/guide", body: str = BODY, **changes: Any) -> Template:
    copy = Copy("en", "Your guide, {{ lead.first_name | default('as promised', true) }}", "Twelve pages", body, "md")
    made = Template(
        name=name, content=name.split("/")[-1], kind=ContentKind.EDUCATIONAL, depth=Depth.AWARENESS,
        topics=("guides",), copies={"en": copy}, digest=f"digest-{name}",
    )
    return replace(made, **changes)


def campaign(**changes: Any) -> Campaign:
    made = Campaign(
        id="guide", name="The guide", funnel_stage=FunnelStage.AWARENESS, track="education", owner="ines@example.com",
        status=CampaignStatus.LIVE, enter=Enter(()),
        sending=Sending(topic="guides", sender="Ines at Acme <ines@example.com>"),
        steps=(Step("guide", Send("awareness/guide")), Step("more", Send("awareness/more"))),
    )
    return replace(made, **changes)


def library(**changes: Any) -> Library:
    made = Library(
        company=company(), tracks=Tracks({"education": Track("education", "Education")}), scoring=Scoring(),
        agreement=Agreement(1, NOW.date(), NOW.date()), sales=Sales(), campaigns={"guide": campaign()},
        templates={name: template(name) for name in ("awareness/guide", "awareness/more")},
        layouts={"_base.html": LAYOUT, "_base.txt": TEXT_LAYOUT},
    )
    return replace(made, **changes)


@dataclass
class World:
    """`parts` on a real store; `leads` are made by `add`."""

    store: Store
    transport: Transport = field(default_factory=MemoryTransport)
    library: Library = field(default_factory=library)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = Parts(
            store=self.store, library=self.library, keys=KEYS, transport=self.transport, public_url=PUBLIC,
            versions=dict.fromkeys(self.library.campaigns, 1),
            templates={t.digest: t for t in self.library.templates.values()},
        )
        with self.store.begin() as conn:
            for c in self.library.campaigns.values():
                row = {"id": c.id, "version": 1, "state": "live", "track": c.track, "funnel_stage": str(c.funnel_stage)}
                conn.execute(insert(CampaignRow), [row])

    def add(
        self, n: int = 1, *, step: str = "guide", due_at: datetime = NOW, first: int = 1,
        lead: Mapping[str, Any] | None = None, message: Mapping[str, Any] | None = None,
        each: Sequence[Mapping[str, Any]] = (),
        purposes: Iterable[Purpose] = (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING),
    ) -> None:
        """n leads with ids from `first`, each with consent, an enrollment and one due message of `step`.

        `lead` and `message` change every row, `each` one lead's own.
        """
        people, states, inside, mails = [], [], [], []
        for i in range(first, first + n):
            email = f"lead{i}@example{i % 7}.org"
            people.append({
                "id": i, "email": email, "email_key": email, "email_hash": address_hash(KEYS, email),
                "stage": "nurturing", "fields": {"first_name": {"v": f"Anna{i}"}, "company": {"v": "Müller & Söhne"}},
                "created_at": NOW, "updated_at": NOW, **(lead or {}), **(each[i - first] if each else {}),
            })
            states += [
                {"lead_id": i, "purpose": p, "channel": "email", "status": "granted", "since": NOW - timedelta(days=9)}
                for p in purposes
            ]
            inside.append({
                "id": i, "lead_id": i, "campaign": "guide", "track": "education", "version_entered": 1,
                "version_now": 1, "step_id": step, "anchor_at": NOW, "entered_at": NOW,
            })
            mails.append({
                "lead_id": i, "enrollment_id": i, "campaign": "guide", "track": "education", "step_id": step,
                "version": 1, "template": f"awareness/{step}", "template_digest": f"digest-awareness/{step}",
                "content": step, "kind": "educational", "purpose": "nurture_email", "topic": "guides",
                "due_at": due_at, "planned_at": due_at, **(message or {}),
            })
        with self.store.begin() as conn:
            conn.execute(insert(LeadRow), people)
            if states:
                conn.execute(insert(ConsentStateRow), states)
            conn.execute(insert(EnrollmentRow), inside)
            conn.execute(insert(MessageRow), mails)

    def states(self) -> dict[str, int]:
        """How many messages stand in each state."""
        column = MessageRow.__table__.c.state
        with self.store.read() as conn:
            return {row.state: row.n for row in conn.execute(select(column, func.count().label("n")).group_by(column))}

    def messages(self) -> list[Any]:
        table = MessageRow.__table__
        with self.store.read() as conn:
            return list(conn.execute(select(table).order_by(table.c.id)))

    def suppress(self, lead_id: int, reason: str = "unsubscribed") -> None:
        email = f"lead{lead_id}@example{lead_id % 7}.org"
        row = {"address_hash": address_hash(KEYS, email), "reason": reason, "at": NOW}
        with self.store.begin() as conn:
            conn.execute(insert(SuppressionRow), [row])
