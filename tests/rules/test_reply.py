"""Every line of the reply table: what becomes of the message, the address, the receiving group and the route."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide.reply import PATIENCE, Attempt, judge
from nurture.model.delivery import OF_THE_ROUTE, Blame, Fate, Judgement, Phase, Reply

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIRST = Attempt(1, NOW)
S, R, F, U = Fate.SENT, Fate.RETRY, Fate.FAILED, Fate.UNKNOWN
TABLE = [
    ("connect", None, "refused", R, Blame.SENDER), ("connect", None, "timed out", R, Blame.SENDER),
    ("greeting", 421, "4.3.2 too many", R, Blame.SENDER), ("greeting", 554, "5.3.2 not today", R, Blame.SENDER),
    ("hello", 554, "go away", R, Blame.SENDER), ("auth", 535, "5.7.8 wrong password", R, Blame.SENDER),
    ("mail", 530, "5.7.0 authenticate", R, Blame.SENDER), ("mail", 550, "5.7.1 sender rejected", R, Blame.SENDER),
    ("mail", 451, "4.3.0 later", R, Blame.NOBODY), ("mail", None, "lost", R, Blame.NOBODY),
    ("rcpt", 450, "4.2.0 greylisted", R, Blame.NOBODY), ("rcpt", 451, "4.7.1 greylisting in action", R, Blame.NOBODY),
    ("rcpt", 452, "4.2.2 mailbox full", R, Blame.MAILBOX), ("rcpt", 552, "5.2.2 over quota", R, Blame.MAILBOX),
    ("rcpt", 550, "5.2.2 mailbox full", R, Blame.MAILBOX), ("rcpt", 550, "5.2.1 disabled", R, Blame.MAILBOX),
    ("rcpt", 550, "5.1.1 no such user", F, Blame.ADDRESS), ("rcpt", 550, "5.1.2 bad domain", F, Blame.ADDRESS),
    ("rcpt", 553, "5.1.3 bad syntax", F, Blame.ADDRESS), ("rcpt", 551, "5.1.6 moved", F, Blame.ADDRESS),
    ("rcpt", 550, "5.1.10 null MX", F, Blame.ADDRESS), ("rcpt", 550, "User unknown", F, Blame.ADDRESS),
    ("rcpt", 550, "5.1.8 bad sender", R, Blame.SENDER), ("rcpt", 554, "5.7.1 Relay access denied", R, Blame.SENDER),
    ("rcpt", 550, "5.7.1 blocked by policy", R, Blame.POLICY), ("rcpt", 450, "4.2.1 rate", R, Blame.POLICY),
    ("rcpt", 421, "4.7.28 unusual rate", R, Blame.POLICY), ("rcpt", 550, "nobody home", F, Blame.ADDRESS),
    ("rcpt", 553, "5.6.7 needs SMTPUTF8", F, Blame.ADDRESS), ("data", 552, "5.3.4 too big", F, Blame.MAILBOX),
    ("data", 554, "5.3.4 too big", F, Blame.MAILBOX), ("data", 550, "5.7.26 unauthenticated", R, Blame.POLICY),
    ("data", 250, "ok?", R, Blame.NOBODY), ("body", 250, "2.0.0 queued as 1", S, Blame.NOBODY),
    ("body", 421, "4.7.0 closing", R, Blame.POLICY), ("body", 451, "4.3.0 later", R, Blame.NOBODY),
    ("body", 550, "5.7.515 access denied", R, Blame.POLICY), ("body", 554, "transaction failed", F, Blame.NOBODY),
    ("body", None, "lost", U, Blame.NOBODY), ("body", 354, "what?", U, Blame.NOBODY),
]  # fmt: skip


def read(phase: str, code: int | None, text: str, attempt: Attempt = FIRST) -> Judgement:
    return judge(Reply(Phase(phase), code, text), attempt=attempt, now=NOW)


@pytest.mark.parametrize(("phase", "code", "text", "fate", "blame"), TABLE)
def test_the_table(phase: str, code: int | None, text: str, fate: Fate, blame: Blame) -> None:
    verdict = read(phase, code, text)
    assert (verdict.fate, verdict.blame) == (fate, blame)
    assert (verdict.retry_at is not None) == (fate is Fate.RETRY)
    assert (verdict.pause_group is not None) == (blame is Blame.POLICY)
    assert (verdict.pause_route is not None) == (blame is Blame.SENDER)


TOO_BIG = [
    "552 5.3.4 Message size exceeds fixed limit", "552 5.3.4 Error: message file too big",
    "552 5.2.3 Message is too large; 1000 bytes max", "552 Message size exceeds maximum permitted",
    "552 sorry, that message size exceeds my databytes limit (#5.3.4)", "552 Error: Too much mail data",
    "552 5.3.4 Your message exceeded our message size limits", "552 Message too large", "554 5.3.4 too big: policy",
    "552 5.0.0 The mail is too large for us", "523 5.2.3 the message length exceeds the administrative limit",
]  # fmt: skip
NO_ROOM = [
    "552 5.2.2 Over quota", "552 Requested mail action aborted: exceeded storage allocation", "552 mailbox full",
    "552 5.3.4 the mailbox is full", "552 5.2.2 Message size exceeds the quota", "552 Too many recipients",
    "552 mailbox size limit exceeded", "552 Message too large for the space left in this mailbox", "552 5.3.1 later",
    "452 4.3.4 Message too big for system", "452 message size exceeds what is free now", "552",
]  # fmt: skip


@pytest.mark.parametrize("phase", ["rcpt", "data", "body"])
def test_a_mail_that_never_fits_fails_at_once_and_a_full_mailbox_is_waited_for(phase: str) -> None:
    for said in TOO_BIG:
        verdict = read(phase, int(said[:3]), said[4:])
        assert (verdict.fate, verdict.blame, verdict.suppress) == (F, Blame.MAILBOX, None), said
    for said in NO_ROOM:
        verdict = read(phase, int(said[:3]), said[4:])
        assert (verdict.fate, verdict.suppress) == (R, None), said


DEAD = ["5.1.1 x", "5.1.2 x", "5.1.3 x", "5.1.6 x", "5.1.10 x", "no such user here", "User unknown"]


@pytest.mark.parametrize("text", DEAD)
def test_only_dead_addresses_are_suppressed(text: str) -> None:
    assert read("rcpt", 550, text).suppress == "hard_bounce"


@pytest.mark.parametrize(("phase", "code", "text", "fate", "blame"), TABLE)
def test_nothing_else_suppresses(phase: str, code: int | None, text: str, fate: Fate, blame: Blame) -> None:
    if not (fate is Fate.FAILED and blame is Blame.ADDRESS):
        assert read(phase, code, text).suppress is None


OF_OTHERS = [
    # As large and small providers say it; each holds a code or words that alone would blame the address.
    ("550 5.1.1 <a@b.example> 192.0.2.7 has sent to too many recipients this hour", Blame.POLICY),
    ("550 Too many invalid recipients", Blame.POLICY),
    ("550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.7 is blacklisted", Blame.POLICY),
    ("550 5.5.4 Your IP 192.0.2.7 is listed by somebody", Blame.POLICY),
    ("554 IP=192.0.2.7 - A problem occurred. (Ask your postmaster for help)", Blame.POLICY),
    ("550 domain [lists.example.com] mismatches client ip 192.0.2.7", Blame.POLICY),
    ("550 Rejected 192.0.2.7 found in dnsbl.list.example", Blame.POLICY),
    ("553 5.1.0 <b@lists.example.com> sender rejected", Blame.POLICY),
    (
        "550-Verification failed for <b@lists.example.com>\nResponse: 550 5.1.1 User unknown\nSender verify failed",
        Blame.POLICY,
    ),
    ("550 5.1.1 the mailbox is over quota", Blame.MAILBOX),
    ("552 5.1.1 Recipient overquota", Blame.MAILBOX),
    ("452 4.2.2 The recipient's inbox is out of storage space", Blame.MAILBOX),
    ("451 4.7.500 Server busy. Please try again later", Blame.POLICY),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to user complaints", Blame.POLICY),
    ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted", Blame.NOBODY),
    ("451 Please try again in five minutes", Blame.NOBODY),
]


@pytest.mark.parametrize(("said", "blame"), OF_OTHERS)
def test_what_is_said_of_us_does_not_harm_the_address(said: str, blame: Blame) -> None:
    for number in (1, 3):
        verdict = read("rcpt", int(said[:3]), said[4:], Attempt(number, NOW))
        assert (verdict.fate, verdict.blame, verdict.suppress) == (R, blame, None)


def test_a_dead_address_may_come_with_a_code_for_policy() -> None:
    for text in ("5.7.1 No such user here", "5.5.0 Invalid recipient", "delivery error: dd Not a valid recipient"):
        assert read("rcpt", 550, text).suppress == "hard_bounce"
        assert read("body", 550, text).suppress is None


def test_a_disabled_mailbox_is_dead_the_second_time() -> None:
    assert read("rcpt", 550, "5.2.1 disabled").fate is Fate.RETRY
    again = read("rcpt", 550, "5.2.1 disabled", Attempt(2, NOW))
    assert again.fate is Fate.FAILED and again.suppress == "hard_bounce"


def test_the_reply_class_wins_over_a_contradicting_enhanced_code() -> None:
    assert read("rcpt", 450, "5.1.1 no such user").fate is Fate.RETRY
    assert read("rcpt", 550, "4.1.1 no such user").suppress == "hard_bounce"


def test_retries_back_off_and_give_up() -> None:
    waits, at, first = [], NOW, NOW
    for number in range(1, 60):
        verdict = judge(Reply(Phase.RCPT, 450, "4.2.0 later"), attempt=Attempt(number, first), now=at)
        if verdict.fate is Fate.FAILED:
            break
        assert verdict.retry_at is not None
        waits.append(verdict.retry_at - at)
        at = verdict.retry_at
    assert waits[0] >= timedelta(minutes=15) and waits == sorted(waits) and max(waits) == timedelta(hours=3)
    assert timedelta(days=1) < at - first <= PATIENCE.give_up_after
    assert "given up" in verdict.why


def test_jitter_spreads_retries() -> None:
    moments = {judge(Reply(Phase.RCPT, 450, ""), attempt=Attempt(1, NOW, j / 10), now=NOW).retry_at for j in range(10)}
    assert len(moments) == 10


@given(phase=st.sampled_from(Phase), code=st.none() | st.integers(200, 599), text=st.text(max_size=80))
def test_every_reply_has_a_verdict_and_routes_never_cost_a_lead(phase: Phase, code: int | None, text: str) -> None:
    verdict = judge(Reply(phase, code, text), attempt=FIRST, now=NOW)
    assert verdict.why
    if phase in OF_THE_ROUTE:
        assert verdict.fate is Fate.RETRY and verdict.suppress is None
    if verdict.fate is Fate.SENT:
        assert phase is Phase.BODY and code is not None and code < 300
    if verdict.fate is Fate.UNKNOWN:
        assert phase is Phase.BODY
