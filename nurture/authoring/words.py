"""The words of a campaign file: what each key says, what it may hold. The reader and the JSON Schema both use it."""

from __future__ import annotations

from typing import Final

from nurture.authoring import values as v
from nurture.authoring.block import Word, Words
from nurture.authoring.shapes import SCALAR, SLUG, TEXT, Shape, array, choice, ref, several, table, whole
from nurture.model.words import CampaignStatus, FunnelStage, Purpose, Stage

IF_UNKNOWN: Final = ("then", "otherwise", "skip")
TEMPLATE: Final[Shape] = {"type": "string", "pattern": f"^{v.SLUG}(/{v.SLUG})*$"}
_ADDRESS: Final[Shape] = {"type": "string", "pattern": "@"}

CAMPAIGN: Final[Words] = {
    "campaign": Word("The campaign's id, equal to the file's name. It never changes once applied.", SLUG, True,
                     ("awareness-buyers-guide",)),
    "name": Word("What colleagues call it in reports and plans.", TEXT, True, ("Buyer's guide drip",)),
    "funnel_stage": Word("Where on the way to buying its readers are.", choice(FunnelStage), True, ("awareness",)),
    "track": Word("The lane a lead is nurtured on; one active marketing track per lead (tracks.yaml).", SLUG, True,
                  ("education",)),
    "priority": Word("Several campaigns may serve one track: 1 is asked before 2. Default 100.", whole(1, 1000), False,
                     (10,)),
    "owner": Word("Who answers for it; gets its alerts.", _ADDRESS, True, ("ines@example.com",)),
    "status": Word("live means live once applied. rehearse: real leads, mails written and shown, none sent.",
                   choice(CampaignStatus), True, ("live",)),
    "in_flight": Word("What an edit means for leads inside: follow (the new version) or finish (the old one).",
                      choice(("follow", "finish")), False, ("follow",)),
    "language": Word("Used when there is no copy in the lead's own language.", TEXT, False, ("en",)),
    "timezone": Word("Used for leads whose time zone is not known.", TEXT, False, ("Europe/Warsaw",)),
    "enter": Word("What starts it, and for whom.", ref("enter"), True),
    "leave_when": Word("Asked on every event, even in the middle of a wait, and before each send. Any one is enough.",
                       array(ref("leave_rule"))),
    "goal": Word("What the campaign is for; a lead who reaches it leaves, and the report counts it.", ref("goal")),
    "control_group": Word("So many percent get nothing and are compared with everyone else.", ref("share"), False,
                          ("5%",)),
    "sending": Word("Who writes, about what, when, and how often at most.", ref("sending"), True),
    "steps": Word("What happens, in reading order. Branches nest and come back to the next step.",
                  array(ref("step"), 1), True),
}

ENTER: Final[Words] = {
    "when": Word("Any one of these starts the campaign.", array(ref("trigger"), 1), True),
    "only_if": Word("Only leads for whom this holds. Ask for consent here.", ref("condition"), False,
                    ({"consent": "nurture_email"},)),
    "again": Word("May a lead come a second time: never, always, or after a time.",
                  {"type": "string", "pattern": f"^(never|always|after {v.DURATION})$"}, False,
                  ("never", "after 180 days")),
}

TRIGGERS: Final[Words] = {
    "form": Word("The lead sent this form (campaigns/forms).", several(SLUG), False, ("buyers-guide",)),
    "tag_added": Word("This tag was put on the lead.", several(SLUG), False, ("webinar-attended",)),
    "list": Word("The lead was put on this list, by import or by hand.", several(SLUG), False, ("fair-2026",)),
    "did": Word("An event of this kind, the product's or your own.", several(SLUG), False, ("webinar_registered",)),
    "attended": Word("The lead was at this webinar or event (`any` for all).", several(SLUG), False, ("any",)),
    "visited": Word("A page, by the path after the host; `*` stands for anything.", several(TEXT), False,
                    ("/pricing",)),
    "engagement_at_least": Word("Engagement reached so many points.", whole(1, 100), False, (40,)),
    "recycled": Word("Sales gave the lead back with one of these reasons (agreement.yaml).", several(TEXT),
                     False, (["unresponsive"],)),
    "track": Word("The lead was put on this track.", several(SLUG), False, ("welcome",)),
    "lifecycle_is": Word("The lead came into this stage.", several(choice(Stage)), False, ("dormant",)),
}

TRIGGER_ARGS: Final[Words] = {
    "min_minutes": Word("With attended: stayed at least so long.", whole(1, 1440), False, (30,)),
}

FACTS: Final[Words] = {
    "consent": Word("The lead agrees to this, now.", several(choice(Purpose)), False, ("nurture_email",)),
    "engagement_at_least": Word("Engagement points, now.", whole(0, 100), False, (40,)),
    "engagement_below": Word("Engagement points, now.", whole(1, 100), False, (15,)),
    "fit_at_least": Word("How well the lead fits: A is best.", choice(("A", "B", "C", "D")), False, ("B",)),
    "cell": Word("The cell of the scoring matrix: fit and engagement band.", several({"type": "string",
                 "pattern": "^[A-D][1-4]$"}), False, ("A1",)),
    "clicked": Word("Clicked in the mail of this step; `any` for any mail since the lead entered.", several(SLUG),
                    False,
                    ("case-study", "any")),
    "opened": Word("Opened the mail of this step. Opens lie: machines open, and people read without.", several(SLUG)),
    "replied": Word("Answered the mail of this step; `any` for any of them.", several(SLUG), False, ("any",)),
    "visited": Word("Was on this page, by the path after the host; `*` stands for anything.", several(TEXT), False,
                    ("/pricing",)),
    "did": Word("An event of this kind, the product's or your own (company.yaml, emits).", several(SLUG), False,
                ("booked-demo",)),
    "attended": Word("Was at this webinar or event; `any` for all.", several(SLUG), False, ("any",)),
    "bounced": Word("A mail came back.", several(choice(("hard", "soft", "any"))), False, ("hard",)),
    "tag": Word("Has this tag.", several(SLUG), False, ("partner",)),
    "list": Word("Is on this list.", several(SLUG), False, ("fair-2026",)),
    "form": Word("Has sent this form.", several(SLUG), False, ("buyers-guide",)),
    "field": Word("A field of the lead, with one of is, one_of, at_least, at_most.", SLUG, False, ("country",)),
    "in_track": Word("Is on this track.", several(SLUG), False, ("education",)),
    "lifecycle_is": Word("Is in this stage.", several(choice(Stage)), False, ("nurturing",)),
}

FACT_ARGS: Final[Words] = {
    "link": Word("With clicked: this named link.", SLUG, False, ("read-the-story",)),
    "min_minutes": Word("With attended: stayed at least so long.", whole(1, 1440), False, (30,)),
    "is": Word("With field: exactly this.", SCALAR, False, ("finance",)),
    "one_of": Word("With field: any of these.", array(SCALAR, 1), False, (["US", "CA"],)),
    "at_least": Word("With field: this number or date, or more.", SCALAR, False, (50,)),
    "at_most": Word("With field: this number or date, or less.", SCALAR, False, (500,)),
    "in_last": Word("Only within this time; without it, since the lead entered the campaign.", ref("duration"), False,
                    ("14 days",)),
}

CONNECTIVES: Final[Words] = {
    "all": Word("Every one of these holds.", array(ref("condition"), 1)),
    "any": Word("At least one of these holds.", array(ref("condition"), 1)),
    "not": Word("This does not hold. Unknown stays unknown.", ref("condition")),
}

LEAVE: Final[Words] = {
    "move_to": Word("Leave for this track; without it, just leave.", SLUG, False, ("business_case",)),
}

GOAL: Final[Words] = {
    "reached_when": Word("What must happen.", ref("condition"), True),
    "within": Word("Counted within this time after entry.", ref("duration"), True, ("30 days",)),
}

WINDOW: Final[Words] = {
    "days": Word("The days of the week.", ref("weekdays"), False, ("mon-thu",)),
    "from": Word("Earliest time of the day.", ref("clock"), False, ("08:30",)),
    "until": Word("Latest time of the day; earlier than `from` means over midnight.", ref("clock"), False, ("17:30",)),
    "timezone": Word("`lead`: the lead's own, else the campaign's, else the company's. Or an IANA name.", TEXT, False,
                     ("lead",)),
}

SENDING: Final[Words] = {
    "topic": Word("What it is about (company.yaml); the name the unsubscribe page shows.", SLUG, True,
                  ("product-education",)),
    "sender": Word("Name and address it comes from.", _ADDRESS, True, ("Ines at Acme <ines@example.com>",)),
    "reply_to": Word("Where answers go, when not to the sender.", _ADDRESS, False, ("ines@example.com",)),
    "window": Word("When mails may leave. Outside it they wait for the next opening.", ref("window")),
    "at_most": Word("How many mails of this campaign a lead may get.", ref("cap"), False, ("2 emails per week",)),
    "if_unknown_delivery": Word("The mail may have left and nobody heard the answer: count it as sent, or send it once "
                                "more after four hours without a sign.",
                                choice(("assume_sent", "resend_same_id"))),
    "route": Word("The mail route to use, when not the default.", SLUG),
}

VARIANT: Final[Words] = {
    "share": Word("Percent of leads; all shares sum to 100%.", ref("share"), True, ("50%",)),
    "subject": Word("Another subject for the same template.", TEXT),
    "template": Word("Another template.", TEMPLATE),
}

WINNER: Final[Words] = {
    "by": Word("What decides.", choice(("clicks", "replies", "goal")), True, ("clicks",)),
    "after": Word("Not before this time has passed.", ref("duration"), True, ("3 days",)),
    "at_least": Word("Not before so many mails were sent.", {"type": "string", "pattern": "^[0-9]+ sends$"}, True,
                     ("400 sends",)),
    "else": Word("No clear difference: keep both, or name a variant.", TEXT, False, ("keep both",)),
}

TEST: Final[Words] = {
    "name": Word("The test's name; a lead's draw belongs to it.", SLUG, True, ("case-study-subject",)),
    "variants": Word("Name of the variant -> its share and what differs.", table(ref("variant")), True),
    "winner": Word("When to stop and what to keep: time and sends and a real difference.", ref("winner")),
}

SEND: Final[Words] = {
    "template": Word("The template, by its path under templates/.", TEMPLATE, True, ("consideration/case-study",)),
    "test": Word("An A/B test.", ref("test")),
}

UNTIL: Final[Words] = {
    "field": Word("A date field of the lead.", SLUG, True, ("budget_opens_on",)),
    "or_after": Word("When the field is empty or later than this.", ref("duration"), True, ("90 days",)),
}

BRANCH: Final[Words] = {
    "if": Word("The first branch whose condition holds is taken.", ref("condition"), True),
    "then": Word("Steps of this branch.", array(ref("step"), 1), True),
}

IF_NOT: Final[Words] = {
    "move_to": Word("Move to this track.", SLUG),
    "end": Word("End the campaign; say why.", TEXT),
    "rest_for": Word("With end: no campaign for this long.", ref("duration")),
}

ACTIONS: Final[Words] = {
    "send": Word("Send a mail: the path of a template under templates/, or a block with an A/B test.",
                 {"oneOf": [TEMPLATE, ref("send")]}, False, ("awareness/guide",)),
    "wait_for": Word("Wait until this happens, at most `within`; then go on in `then` or `otherwise`.",
                     ref("condition")),
    "choose": Word("The first branch whose condition holds; else `otherwise`; then on with the next step.",
                   array(ref("branch"), 1)),
    "score": Word("Engagement points, once per run, under the model's caps and decay. Say why in `because`.",
                  ref("points"), False, (15,)),
    "set": Word("Set one field of the lead.", {**table(SCALAR), "minProperties": 1, "maxProperties": 1}),
    "notify": Word("Write to a colleague; the text stands in `message`.", _ADDRESS, False, ("omar@example.com",)),
    "move_to": Word("Move the lead to another track; the campaign ends here.", SLUG, False, ("business_case",)),
    "hand_off": Word("Ask the gate of agreement.yaml now; on a yes the lead goes to this queue (sales.yaml).", SLUG,
                     False, ("inside-sales",)),
    "end": Word("The campaign ends here. Say why; it stands in reports.", TEXT, False, ("Read it, not yet ready",)),
}

COMPANIONS: Final[dict[str, tuple[str, ...]]] = {
    "within": ("wait_for",), "then": ("wait_for",), "otherwise": ("wait_for", "choose"), "because": ("score",),
    "message": ("notify",), "note": ("hand_off",), "only_when": ("hand_off",), "try_for": ("hand_off",),
    "if_not": ("hand_off",), "rest_for": ("end",),
}
"""Words that belong to certain actions only."""

STEP: Final[Words] = {
    "step": Word("The step's name. Leads stand on it, so renaming needs `was`.", SLUG, True, ("guide",)),
    "was": Word("The step's former name, so that leads standing on it stay where they are.", SLUG),
    "after": Word("Wait so long after the step before (after its mail really left).", ref("duration"), False,
                  ("3 days",)),
    "until": Word("Wait until the date in a field of the lead.", ref("until")),
    "send_on": Word("A date and time in the lead's own time zone.",
                    {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$"}, False,
                    ("2027-03-04 10:00",)),
    "if": Word("Only for leads for whom this holds when the step is due; others pass it by.", ref("condition")),
    "if_unknown": Word("What to do when nobody can know, because the lead does not allow clicks to be tracked.",
                       choice(IF_UNKNOWN), False, ("skip",)),
    **ACTIONS,
    "within": Word("With wait_for: at most so long. Required.", ref("duration"), False, ("7 days",)),
    "then": Word("With wait_for: steps when it happened.", array(ref("step"))),
    "otherwise": Word("With wait_for or choose: steps when it did not.", array(ref("step"))),
    "because": Word("With score: why, as it stands in the lead's score.", TEXT, False, ("read the case study",)),
    "message": Word("With notify: what to write.", TEXT),
    "note": Word("With hand_off: a line for the seller; {{ lead.company }} and the like are filled in.", TEXT),
    "only_when": Word("With hand_off: only then; on top of the gate, never instead of it.", ref("condition")),
    "try_for": Word("With hand_off: keep asking until then.", ref("duration"), False, ("45 days",)),
    "if_not": Word("With hand_off: what happens when the time is over.", ref("if_not")),
    "rest_for": Word("With end: no campaign for this long.", ref("duration"), False, ("365 days",)),
}
