"""The one vocabulary: every status word of the system, written once, in groups that code asks about.

The glossary in `nurture/README.md` says what each word means; `tests/layout` holds the two together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Lifecycle stage of a lead (the table of moves is `model.lifecycle`)."""

    IDENTIFIED = "identified"
    EARLY = "early"
    NURTURING = "nurturing"
    MQL = "mql"
    SAL = "sal"
    SQL = "sql"
    CONVERTED = "converted"
    CUSTOMER = "customer"
    RECYCLED = "recycled"
    DORMANT = "dormant"
    DISQUALIFIED = "disqualified"
    ERASED = "erased"


WITH_SALES: Final = frozenset({Stage.MQL, Stage.SAL, Stage.SQL, Stage.CONVERTED})
NO_OFFERS: Final = frozenset({Stage.IDENTIFIED, Stage.EARLY})
BEYOND_MARKETING: Final = WITH_SALES | {Stage.CUSTOMER, Stage.DISQUALIFIED, Stage.ERASED}


class FunnelStage(StrEnum):
    AWARENESS = "awareness"
    CONSIDERATION = "consideration"
    DECISION = "decision"
    RECYCLED = "recycled"


class Purpose(StrEnum):
    """What a person may agree to. Purposes are independent: granting one never grants another."""

    PRIVACY_NOTICE = "privacy_notice"
    NEWSLETTER = "newsletter"
    NURTURE_EMAIL = "nurture_email"
    COMMERCIAL_OFFERS = "commercial_offers"
    SALES_CONTACT = "sales_contact"
    OPEN_TRACKING = "open_tracking"
    CLICK_TRACKING = "click_tracking"
    PROFILING = "profiling"


MAIL_PURPOSES: Final = frozenset({Purpose.NEWSLETTER, Purpose.NURTURE_EMAIL, Purpose.COMMERCIAL_OFFERS})


class Channel(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    WEB = "web"
    EVENT = "event"
    POST = "post"


class ConsentAction(StrEnum):
    REQUEST = "request"
    GRANT = "grant"
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    OBJECT = "object"
    EXPIRE = "expire"
    IMPORT = "import"
    ERASE = "erase"


class ConsentStatus(StrEnum):
    """The fold over a lead's entries for one purpose and channel. Only GRANTED permits anything."""

    NONE = "none"
    PENDING = "pending"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    EXPIRED = "expired"


class ContentKind(StrEnum):
    EDUCATIONAL = "educational"
    PRODUCT = "product"
    OFFER = "offer"
    OPERATIONAL = "operational"
    SALES_ASSIST = "sales_assist"


class Depth(StrEnum):
    """How far along the buying way a piece of content is."""

    AWARENESS = "awareness"
    CONSIDERATION = "consideration"
    DECISION = "decision"


class MessageState(StrEnum):
    """A message's life; `postponed` is `planned` with a reason and a later `due_at`."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    STARTED = "started"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    REHEARSED = "rehearsed"


MESSAGE_WAITING: Final = frozenset({MessageState.PLANNED, MessageState.DEFERRED})
MESSAGE_FINAL: Final = frozenset({MessageState.SENT, MessageState.FAILED, MessageState.REFUSED, MessageState.REHEARSED})
USES_CONTENT: Final = frozenset(
    {
        MessageState.PLANNED,
        MessageState.CLAIMED,
        MessageState.STARTED,
        MessageState.SENT,
        MessageState.DEFERRED,
        MessageState.UNKNOWN,
    }
)
"""States in which a message counts as having used its content up (a failed attempt does not)."""


class EnrollmentState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    LEFT = "left"
    CONTROL = "control"


ENROLLMENT_OPEN: Final = frozenset({EnrollmentState.ACTIVE, EnrollmentState.PAUSED, EnrollmentState.CONTROL})


class CampaignStatus(StrEnum):
    DRAFT = "draft"
    REHEARSE = "rehearse"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"


class Verdict(StrEnum):
    """What a tracking hit turned out to be. Only HUMAN counts for scores and branches."""

    HELD = "held"
    HUMAN = "human"
    PROXY_OPEN = "proxy_open"
    PREFETCH = "prefetch"
    MACHINE_PROBABLE = "machine_probable"
    MACHINE = "machine"


class Truth(StrEnum):
    """Three-valued: an unseen click is unknown, never no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ActorKind(StrEnum):
    PERSON = "person"
    SYSTEM = "system"
    MARKETING = "marketing"
    SALES = "sales"
    CRM = "crm"


class EventKind(StrEnum):
    """Event kinds the product itself emits. Companies add their own (`did: booked-demo`) as plain text."""

    FORM = "form"
    PAGE_VIEW = "page_view"
    DOWNLOAD = "download"
    CLICK = "email_click"
    OPEN = "email_open"
    REPLY = "email_reply"
    BOUNCE = "email_bounce"
    COMPLAINT = "email_complaint"
    UNSUBSCRIBE = "unsubscribe"
    WEBINAR_REGISTERED = "webinar_registered"
    WEBINAR_ATTENDED = "webinar_attended"
    WEBINAR_MISSED = "webinar_missed"
    EVENT_ATTENDED = "event_attended"
    HAND_RAISE = "hand_raise"
    TAG_ADDED = "tag_added"
    LIST_ADDED = "list_added"
    POINTS = "points"
    TRACK_COMPLETED = "track_completed"
    IMPORTED = "imported"


SIGNS: Final = (EventKind.BOUNCE, EventKind.OPEN, EventKind.CLICK, EventKind.REPLY, EventKind.COMPLAINT)
"""What only a mail that reached a server, a machine or a person can bring about."""


ENGAGED: Final = frozenset(
    {
        EventKind.FORM,
        EventKind.PAGE_VIEW,
        EventKind.DOWNLOAD,
        EventKind.CLICK,
        EventKind.REPLY,
        EventKind.WEBINAR_ATTENDED,
        EventKind.EVENT_ATTENDED,
        EventKind.HAND_RAISE,
    }
)
"""Events that show a person doing something. Never an open: machines open."""


class RefusalCode(StrEnum):
    """Why the sending guard said no (refused: for good) or not now (postponed: until)."""

    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    STAGE_FORBIDS_KIND = "stage_forbids_kind"
    WITH_SALES = "with_sales"
    COOL_OFF = "cool_off"
    ALREADY_SENT = "already_sent"
    NO_ADDRESS = "no_address"
    ERASED = "erased"
    LEFT_CAMPAIGN = "left_campaign"
    CAMPAIGN_STOPPED = "campaign_stopped"
    RENDER_FAILED = "render_failed"
    GUARD_BLIND = "guard_blind"
    CAP = "cap"
    OUTSIDE_WINDOW = "outside_window"
    PAUSED = "paused"
    PERSON_PAUSED = "person_paused"
    DOMAIN_PAUSED = "domain_paused"
    RATE = "rate"
    TOO_OLD = "too_old"
    STAFF_OR_TEST = "staff_or_test"
