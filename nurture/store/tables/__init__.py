"""Every table of the system, by what it is about. Rows only persist; nouns validate in `model/`.

Times are SQLModel's aware UTC datetimes. Facts (`event`, `hit`, `consent_entry`, `transition`, `journal`,
`sales_decision`, `gate_evaluation`) are only ever appended to; everything else is state that can be rebuilt from them,
or work in progress.
"""

from sqlmodel import SQLModel

from nurture.store.tables.campaigns import (
    CampaignRow,
    CampaignVersionRow,
    ConfigVersionRow,
    DrawRow,
    EnrollmentRow,
    MembershipRow,
    PlanRow,
    RedirectRow,
    StepDoneRow,
    TemplateVersionRow,
    TestWinnerRow,
)
from nurture.store.tables.consent import (
    ConsentAnchorRow,
    ConsentEntryRow,
    ConsentProofRow,
    ConsentStateRow,
    SuppressionRow,
    WordingRow,
)
from nurture.store.tables.facts import EventRow, HitRow, JournalRow, TransitionRow
from nurture.store.tables.frozen import statements as frozen_statements
from nurture.store.tables.mail import (
    BrakeRow,
    FlightRow,
    InboundRow,
    LinkRow,
    MailDomainRow,
    MessageRow,
    RateRow,
    VolumeRow,
    WebhookSeenRow,
)
from nurture.store.tables.people import (
    AccountDomainRow,
    AccountRow,
    ContactRow,
    LeadListRow,
    LeadRow,
    LeadTagRow,
    LeadValueRow,
    OpportunityRow,
    VisitorRow,
    WakeupRow,
)
from nurture.store.tables.runs import (
    AlertRow,
    ClockOwnerRow,
    ImportRow,
    NoteRow,
    RunRow,
    SessionRow,
    TokenRow,
    UserRow,
)
from nurture.store.tables.sales import (
    ActivityRow,
    BantRow,
    GateEvaluationRow,
    HandoffRow,
    OutboxRow,
    SalesDecisionRow,
    SlaTimerRow,
    TakenRow,
)
from nurture.store.tables.scores import ShadowScoreRow

metadata = SQLModel.metadata

__all__ = [
    "AccountDomainRow",
    "AccountRow",
    "ActivityRow",
    "AlertRow",
    "BantRow",
    "BrakeRow",
    "CampaignRow",
    "CampaignVersionRow",
    "ClockOwnerRow",
    "ConfigVersionRow",
    "ConsentAnchorRow",
    "ConsentEntryRow",
    "ConsentProofRow",
    "ConsentStateRow",
    "ContactRow",
    "DrawRow",
    "EnrollmentRow",
    "EventRow",
    "FlightRow",
    "GateEvaluationRow",
    "HandoffRow",
    "HitRow",
    "ImportRow",
    "InboundRow",
    "JournalRow",
    "LeadListRow",
    "LeadRow",
    "LeadTagRow",
    "LeadValueRow",
    "LinkRow",
    "MailDomainRow",
    "MembershipRow",
    "MessageRow",
    "NoteRow",
    "OpportunityRow",
    "OutboxRow",
    "PlanRow",
    "RateRow",
    "RedirectRow",
    "RunRow",
    "SalesDecisionRow",
    "SessionRow",
    "ShadowScoreRow",
    "SlaTimerRow",
    "StepDoneRow",
    "SuppressionRow",
    "TakenRow",
    "TemplateVersionRow",
    "TestWinnerRow",
    "TokenRow",
    "TransitionRow",
    "UserRow",
    "VisitorRow",
    "VolumeRow",
    "WakeupRow",
    "WebhookSeenRow",
    "WordingRow",
    "frozen_statements", "metadata",
]
