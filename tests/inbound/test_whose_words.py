"""Bounces in which several speak: the agent, the other server, a filter. Whose word counts, and about whom."""

from __future__ import annotations

import pytest

from nurture.mail.inbound.classify import classify
from nurture.mail.inbound.status import struck
from nurture.model.inbound import Action, Kind, Reason

ANNA = "anna@firma.example"


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        # A code for a dead address over words that speak of something else.
        ("5.1.1", "550 5.1.1 <anna@firma.example> 192.0.2.7 has sent to too many recipients this hour", Reason.POLICY),
        ("5.1.1", "550 5.1.1 Refused due to recipient preferences", Reason.POLICY),
        ("5.1.1", "553 Sender Policy Framework (SPF) fail", Reason.POLICY),
        ("5.1.1", "552 sorry, that mailbox is over quota temporarily (#5.1.1)", Reason.FULL),
        ("5.1.1", "connection timed out", Reason.NETWORK),
        # The agent's own name for a code, and inside it what the other side really said.
        (
            "5.0.0",
            "5.1.0 - Unknown address error 550-'5.7.1 <b@x.example>... Access denied' (attempts: 0)",
            Reason.POLICY,
        ),
        # Somebody who does not know either.
        ("", "550 The group may not exist, or you may not have permission to post to it", Reason.POLICY),
        # What was said to the sender or to the connection is not about the recipient.
        ("5.1.7", "550 5.1.7 No such domain lists.example.com", Reason.SENDER),
        ("5.0.0", "550 host unknown (in reply to MAIL FROM command)", Reason.SENDER),
        ("5.1.1", "host mx said: 550 5.1.1 unknown user (in reply to EHLO command)", Reason.SENDER),
        (
            "5.1.1",
            "550-Verification failed for <b@x.example> 550 5.1.1 User unknown 550 Sender verify failed",
            Reason.SENDER,
        ),
        ("", "550 Too many invalid recipients", Reason.POLICY),
        ("", "Message could not be delivered: it has been in the queue too long", Reason.EXPIRED),
        ("", "recipient: envelope expired", Reason.EXPIRED),
    ],
)
def test_an_address_is_not_blamed_for_what_is_said_of_others(code: str, said: str, reason: Reason) -> None:
    found = struck(ANNA, Action.FAILED, status=code, said=said)
    assert (found.reason, found.hard) == (reason, False)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "5.4.1",
            "550 5.4.1 <anna@firma.example>: Recipient address rejected: Access denied [X.prod.protection.outlook.com]",
        ),
        ("5.0.0", "an MX or SRV record indicated no SMTP service"),
        ("5.4.4", "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)"),
        ("5.1.1", "550 5.1.1 unknown user (in reply to end of DATA command)"),
        ("5.7.1", "554 5.7.1 <anna@firma.example>: Recipient address rejected: Nonexistent user"),
    ],
)
def test_an_address_that_is_dead_is_told_by_other_words_too(code: str, said: str) -> None:
    assert struck(ANNA, Action.FAILED, status=code, said=said).hard


def test_who_is_unknown_only_once_the_mail_was_read_was_filtered() -> None:
    late = struck(ANNA, Action.FAILED, status="5.0.0", said="550 unknown user (in reply to end of DATA command)")
    early = struck(ANNA, Action.FAILED, status="5.0.0", said="550 unknown user (in reply to RCPT TO command)")
    assert (late.reason, late.hard, early.hard) == (Reason.NO_ADDRESS, False, True)


def bounce(text: str, sender: str = "Mail Delivery System <mailer-daemon@relay.example>", head: str = "") -> bytes:
    return (
        f"From: {sender}\nTo: b@lists.example.com\nSubject: Returned mail: see transcript for details\n{head}"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}"
    ).encode()


def fates(raw: bytes) -> dict[str, tuple[Reason, bool]]:
    seen = classify(raw)
    assert seen.kind is Kind.BOUNCE, seen
    return {s.address: (s.reason, s.hard) for s in seen.struck}


def test_the_other_server_is_believed_before_the_agents_summary() -> None:
    """The agent closes every refusal with its own `5.1.1 User unknown`, whatever the other side had said."""
    text = (
        "   ----- The following addresses had permanent fatal errors -----\n<anna@firma.example>\n"
        "    (reason: 553 sender policy framework fail)\n    (expanded from: <team@firma.example>)\n\n"
        "   ----- Transcript of session follows -----\n>>> DATA\n<<< 553 sender policy framework fail\n"
        "550 5.1.1 <anna@firma.example>... User unknown\n"
    )
    assert all(fate == (Reason.POLICY, False) for fate in fates(bounce(text)).values())


def test_a_transcript_speaks_of_each_by_name() -> None:
    text = (
        "   ----- Transcript of session follows -----\n>>> RCPT To:<anna@firma.example>\n<<< 550 no such user\n"
        "550 <anna@firma.example>... User unknown\n554 <otto@firma.example>... 550 Host unknown\n"
        "552 5.2.2 <ida@firma.example>... Mailbox full\n"
    )
    assert fates(bounce(text)) == {
        "anna@firma.example": (Reason.NO_ADDRESS, True),
        "otto@firma.example": (Reason.NO_DOMAIN, True),
        "ida@firma.example": (Reason.FULL, False),
    }


def test_a_senders_own_address_and_message_ids_are_not_recipients() -> None:
    text = (
        "anna@firma.example Invalid Address, ERROR_CODE :550\n\n\nReceived:from a by b\n"
        "Message-ID:<1.2@lists.example.com>\nTo:<anna@firma.example>\n"
    )
    assert set(fates(bounce(text))) == {"anna@firma.example"}


@pytest.mark.parametrize(
    "sender", ["MAILER-DAEMON <>", "MAILER-DAEMON", '"Mail System" <MAILER-DAEMON>', "post_master@relay.example"]
)
def test_a_mail_system_may_have_no_address(sender: str) -> None:
    raw = bounce(
        "There was an error delivering your mail to <anna@firma.example>.\n\nhost firma.example not found\n", sender
    )
    assert fates(raw) == {"anna@firma.example": (Reason.NO_DOMAIN, True)}


REPORT = (
    "From: MAILER-DAEMON@relay.example\nTo: b@lists.example.com\nSubject: Undelivered Mail Returned to Sender\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="{said}"\n\n--{used}\n'
    "Content-Type: text/plain\n\n{prose}\n"
    "--{used}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n{blocks}\n--{used}--\n"
)
DELAYED = "Final-Recipient: rfc822; otto@firma.example\nAction: delayed\nStatus: 4.0.0\n"


def test_a_report_whose_parts_do_not_begin_where_it_says_is_read_all_the_same() -> None:
    """And who is only late in it is not taken for dead with the others."""
    dead = "Final-Recipient: rfc822; anna@firma.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 x\n"
    raw = REPORT.format(said="a", used="b", prose="could not be delivered", blocks=f"{dead}\n{DELAYED}").encode()
    seen = classify(raw)
    assert [(s.address, s.action, s.hard) for s in seen.struck] == [
        ("anna@firma.example", Action.FAILED, True),
        ("otto@firma.example", Action.DELAYED, False),
    ]


def test_blocks_that_say_nothing_are_read_with_the_prose_beside_their_address() -> None:
    prose = (
        "anna@firma.example: 550 5.1.1 <anna@firma.example>: Recipient address rejected: User unknown\n"
        "otto@firma.example: 552 5.2.2 <otto@firma.example>: Mailbox full\n"
    )
    blocks = "\n".join(
        f"Final-Recipient: rfc822; {who}@firma.example\nAction: failed\nStatus: 5.0.0\n" for who in ("anna", "otto")
    )
    seen = fates(REPORT.format(said="a", used="a", prose=prose, blocks=blocks).encode())
    assert seen == {"anna@firma.example": (Reason.NO_ADDRESS, True), "otto@firma.example": (Reason.FULL, False)}


def test_a_block_that_names_a_file_is_about_whom_the_mail_was_for() -> None:
    raw = REPORT.format(
        said="a",
        used="a",
        prose="mailbox is full",
        blocks="Final-Recipient: rfc822; /var/spool/anna\nAction: failed\nStatus: 5.0.0\n",
    ).replace("--a--", "--a\nContent-Type: message/rfc822\n\nTo: anna@firma.example\nSubject: x\n\nx\n--a--")
    assert fates(raw.encode()) == {"anna@firma.example": (Reason.FULL, False)}


def test_a_program_that_asks_for_proof_is_no_person() -> None:
    text = "This account is protected by Gate. Please click to have your address added to my guest list."
    raw = f"From: anna@firma.example\nTo: hello@lists.example.com\nSubject: RE: guide\n\n{text}\n"
    assert classify(raw.encode()).kind is Kind.AUTO_REPLY
    quoted = f"From: anna@firma.example\nTo: hello@lists.example.com\nSubject: RE: guide\n\nWhat is this?\n\n> {text}\n"
    assert classify(quoted.encode()).kind is Kind.PERSON
