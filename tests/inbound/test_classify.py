"""What a mail is: our own mails of many systems and languages, flufl.bounce's samples, and mails that want to hurt."""

from __future__ import annotations

import json
import random
import zipfile
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from nurture.mail.inbound.classify import classify
from nurture.model.inbound import Action, Envelope, Incoming, Kind, Reason

HERE = Path(__file__).parent
CORPUS = {path.stem: path.read_bytes() for path in sorted((HERE / "corpus").glob("*.eml"))}

# kind, then for reports: action, reason, and HARD where the address is dead; for the others what else is known.
EXPECTED = {
    "arf-abuse": "complaint abuse",
    "arf-auth-failure": "complaint auth-failure",
    "arf-not-spam": "complaint not-spam",
    "arf-opt-out": "complaint opt-out",
    "arf-redacted": "complaint abuse redacted",
    "arf-yahoo": "complaint abuse",
    "jmrp-hotmail": "complaint abuse",
    "czech-full": "bounce failed full",
    "delivered": "bounce delivered",
    "relayed": "bounce relayed",
    "dsn-loop": "bounce failed loop",
    "dsn-moved": "bounce failed moved HARD",
    "dsn-null-mx": "bounce failed no_such_domain HARD",
    "dsn-seven-recipients": "bounce 7",
    "dsn-too-big": "bounce failed too_big",
    "dsn-without-action": "bounce failed no_such_address HARD",
    "exchange-2003-german": "bounce failed no_such_address HARD",
    "exim-retry-timeout": "bounce failed expired",
    "exim-unknown": "bounce failed no_such_address HARD",
    "exim-warning": "bounce delayed",
    "french-unknown": "bounce failed no_such_address HARD",
    "gmail-disabled": "bounce failed disabled",
    "gmail-incomplete": "bounce delayed",
    "gmail-no-such-user": "bounce failed no_such_address HARD",
    "gmail-over-quota": "bounce failed full",
    "gmail-unsolicited": "bounce failed spam",
    "o365-access-denied-unknown": "bounce failed no_such_address HARD",
    "o365-full": "bounce failed full",
    "o365-restricted": "bounce failed policy",
    "o365-unauthenticated": "bounce failed policy",
    "o365-unknown-user": "bounce failed no_such_address HARD",
    "polish-unknown": "bounce failed no_such_address HARD",
    "postfix-delayed": "bounce delayed",
    "postfix-expired": "bounce failed network",
    "postfix-greylisted-given-up": "bounce failed policy",
    "postfix-no-domain": "bounce failed no_such_domain HARD",
    "postfix-unknown-user": "bounce failed no_such_address HARD",
    "qmail-quota": "bounce failed full",
    "qmail-unknown": "bounce failed no_such_address HARD",
    "russian-unknown": "bounce failed no_such_address HARD",
    "sendmail-unknown": "bounce failed no_such_address HARD",
    "sendmail-warning": "bounce delayed",
    "ses-bounce": "bounce failed no_such_address HARD",
    "ses-suppressed": "bounce failed spam",
    "yahoo-unknown": "bounce failed no_such_address HARD",
    "mdn-read": "receipt",
    "ooo-czech": "auto_reply",
    "ooo-french": "auto_reply 2026-12-04",
    "ooo-gmail-pl": "auto_reply 2026-12-04",
    "ooo-gone": "auto_reply",
    "ooo-lotus": "auto_reply 2026-12-04",
    "ooo-outlook-de": "auto_reply 2026-12-04",
    "ooo-outlook-en": "auto_reply 2026-12-04",
    "ooo-russian": "auto_reply 2026-12-04",
    "noreply": "auto_reply",
    "ticket": "auto_reply",
    "vacation-unix": "auto_reply",
    "unsubscribe-address": "unsubscribe",
    "unsubscribe-german": "unsubscribe",
    "unsubscribe-plain": "unsubscribe",
    "unsubscribe-question": "person asks",
    "broken-mime": "person",
    "reply-about-a-bounce": "person",
    "reply-en": "person",
    "reply-html-only": "person",
    "reply-quotes-spam-word": "person",
    "spam": "person doubted",
    "stranger": "person",
    "stranger-latin1": "person",
    "daemon-but-no-bounce": "review",
    "empty": "review",
    "newsletter": "review",
    "no-sender": "review",
}


def told(seen: Incoming) -> str:
    words = [seen.kind.value]
    if seen.kind is Kind.BOUNCE and len(seen.struck) > 1:
        words.append(str(len(seen.struck)))
    elif seen.kind is Kind.BOUNCE:
        (one,) = seen.struck
        words.append(one.action.value)
        words += [one.reason.value] if one.action is Action.FAILED else []
        words += ["HARD"] if one.hard else []
    words += [seen.feedback] if seen.feedback else []
    words += ["redacted"] if seen.kind is Kind.COMPLAINT and not seen.struck[0].address else []
    words += [seen.back_on.isoformat()] if seen.back_on else []
    words += ["asks"] if seen.asks_to_stop else []
    words += ["doubted"] if seen.doubts else []
    return " ".join(words)


@pytest.mark.parametrize("name", CORPUS)
def test_each_mail_is_told_apart(name: str) -> None:
    assert told(classify(CORPUS[name])) == EXPECTED[name]


def test_the_corpus_is_whole() -> None:
    assert set(CORPUS) == set(EXPECTED) and len(CORPUS) >= 70


def test_reports_show_what_they_are_about() -> None:
    """The address, our token from wherever it stands, and the Message-ID of the mail."""
    for name, raw in CORPUS.items():
        seen = classify(raw)
        if seen.kind is Kind.BOUNCE and name != "dsn-seven-recipients":
            assert [s.address for s in seen.struck] == ["anna@firma.example"], name
        if seen.kind in (Kind.BOUNCE, Kind.COMPLAINT):
            assert seen.traces.bounce == ("b+aeaaaaaaaaabz2xk3q5r7stuvwxyz2a"[2:],), name
    for name in ("postfix-unknown-user", "exim-unknown", "arf-redacted", "reply-en"):
        seen = classify(CORPUS[name])
        assert seen.traces.message_ids == ("<0000000001.0123456789abcdef01234567@lists.example.com>",), name


def test_d1_a_report_may_be_about_many() -> None:
    struck = classify(CORPUS["dsn-seven-recipients"]).struck
    assert [s.hard for s in struck] == [False, True, False, True, False, True, False]


WITHOUT_ADDRESS = {
    "groupwise_03.txt": "person",
    "qmail_08.txt": "auto_reply",
    "simple_42.txt": "bounce failed spam",
    "simple_43.txt": "bounce failed no_such_address HARD",
}
"""Samples in which the library finds nobody; the last two are bounces all the same."""


def test_the_samples_of_flufl_bounce() -> None:
    """All 117: recognised, the right address, and nothing hard where its own tests say temporary."""
    expected = json.loads((HERE / "flufl" / "expected.json").read_text())
    kinds: Counter[str] = Counter()
    right = wanted = 0
    with zipfile.ZipFile(HERE / "flufl" / "samples.zip") as samples:
        for name in sorted(n for n in samples.namelist() if n.endswith(".txt")):
            seen = classify(samples.read(name))
            kinds[seen.kind.value] += 1
            asked = expected.get(name)
            if asked is None or not asked["addresses"]:
                assert asked is None or told(seen) == WITHOUT_ADDRESS[name]
                continue
            wanted += 1
            found = {s.address for s in seen.struck if (s.action is Action.DELAYED) == asked["temporary"]}
            right += found == set(asked["addresses"])
            if asked["temporary"]:
                assert not any(s.hard for s in seen.struck), name
    print(f"flufl.bounce samples: {dict(kinds)}, {right} of {wanted} with exactly the expected recipients")
    assert kinds["bounce"] == 114 and right >= wanted - 3


@pytest.mark.parametrize(
    ("code", "said", "reason", "hard"),
    [
        # D3: hard or soft is not the first digit.
        ("5.1.1", "550 5.1.1 mailbox is full, try later", Reason.FULL, False),
        ("5.1.1", "550 5.1.1 message rejected as spam", Reason.SPAM, False),
        ("5.0.0", "550 <a@b.example>: Recipient address rejected: User unknown", Reason.NO_ADDRESS, True),
        ("5.0.0", "554 delivery error", Reason.UNKNOWN, False),
        ("5.2.1", "550 5.2.1 rate limited, try again", Reason.POLICY, False),
        ("4.1.1", "450 4.1.1 unverified address: user unknown", Reason.NO_ADDRESS, False),
        ("5.7.1", "550 5.7.1 relaying denied", Reason.POLICY, False),
        (
            "5.7.26",
            "550-5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy",
            Reason.POLICY,
            False,
        ),
        ("5.1.8", "553 5.1.8 Domain of sender address does not exist", Reason.SENDER, False),
        ("5.4.4", "Name service error: Host not found, try again", Reason.NETWORK, False),
        ("5.1.2", "unrouteable mail domain", Reason.NO_DOMAIN, True),
        ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable", Reason.NO_ADDRESS, True),
        ("5.6.7", "non-ASCII address not supported", Reason.UTF8, False),
        ("", "421 too many connections", Reason.POLICY, False),
    ],
)
def test_codes_and_words_are_read_together(code: str, said: str, reason: Reason, hard: bool) -> None:
    from nurture.mail.inbound.status import struck

    found = struck("a@b.example", Action.FAILED, status=code, said=said)
    assert (found.reason, found.hard) == (reason, hard)
    assert not struck("a@b.example", Action.DELAYED, status=code, said=said).hard


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I am back on Monday, 7 December 2026.", date(2026, 12, 7)),
        ("until December 7th", date(2026, 12, 7)),
        ("bis 7.12.", date(2026, 12, 7)),
        ("do 07.12.2026 r.", date(2026, 12, 7)),
        ("until 2026-12-07", date(2026, 12, 7)),
        ("until 7 December or until 9 December", None),
        ("until 31.02.2027", None),
        ("until further notice", None),
        ("until 07.12.2019", None),
        ("3 December 2026 was fine", None),
    ],
)
def test_a_day_of_return_is_read_only_where_it_is_clear(text: str, day: date | None) -> None:
    from nurture.mail.inbound.automatic import back_on

    assert back_on(text, seen=date(2026, 11, 23)) == day


def bombs() -> dict[str, bytes]:
    head = b"From: a@b.example\nTo: hello@example.com\nSubject: hi\n"
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (i, i) for i in range(1000))
    return {
        "a thousand parts deep": head + deep + b"x",
        "a thousand mails in mails": head + b"Content-Type: message/rfc822\n\n" * 1000,
        "a hundred thousand parts": head + b'Content-Type: multipart/mixed; boundary="B"\n\n' + b"--B\n\nx\n" * 100_000,
        "ten megabytes of header": head + b"X-A: " + b"a" * 10_000_000,
        "a million header fields": head + b"X-A: b\n" * 150_000 + b"\nhello",
        "encoded words without end": head.replace(b"hi", b"=?utf-8?q?a?= " * 50_000),
        "addresses without end": b"From: " + b"<a@b.example>, " * 60_000 + b"\n\nx",
        "quotation marks": b'From: "' * 50_000 + b"\nSubject: Undelivered mail\n\n" + b"<" * 300_000,
        "a line of a megabyte": head + b"\n" + b"a@" * 500_000,
        "spaces": head + b"Subject: Undelivered Mail\n\n" + b" " * 900_000 + b"user unknown",
        "angle brackets in html": head + b"Content-Type: text/html\n\n" + b"<style " * 100_000,
        "half an html tag": head + b"Content-Type: text/html\n\n" + b"<" * 900_000,
        "zeros": b"\x00" * 900_000,
        "dsn of blocks": head
        + b'Content-Type: multipart/report; boundary="B"\n\n--B\n'
        + b"Content-Type: message/delivery-status\n\n"
        + b"Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\n" * 12_000,
        "words that almost match": head.replace(b"hi", b"failure notice")
        + b"\n"
        + b"user mailbox account recipient " * 30_000,
        "return-path lines": head + b"\n" + b"Return-Path: " * 70_000,
        "dates": head.replace(b"hi", b"Automatic reply: x") + b"\n" + b"until 1.1. bis 1.1. do 1 until " * 30_000,
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_a_mail_like_any_other(name: str) -> None:
    """Bounded work: what is unbounded here does not end within the time that any test has."""
    seen = classify(bombs()[name], Envelope("", ("b+x@lists.example.com",)))
    assert seen.kind in Kind and len(seen.text) <= 20_000 and len(seen.subject) <= 500 and len(seen.struck) <= 100


@pytest.mark.parametrize(
    "value",
    [
        "=?utf-8?q?x=0d=0aBcc=3a_evil=40x?=",
        "a\x1b[31mb",
        "\u202eevil",
        "=?no-such?b?!!!?=",
        "=?utf-8?b?////?=",
        "x" * 100_000,
        "=?utf-8?q?=00=01?=",
        '"" <>',
        "<<<>>>@@@",
        "@",
        "=?utf-8?q?evil=40x.example=2c_?=@example.com",
    ],
)
def test_hostile_headers_stay_one_line_of_text(value: str) -> None:
    for name in ("From", "Subject", "To", "Date", "Message-ID", "Return-Path", "Auto-Submitted", "Content-Type"):
        own = {"From": "a@b.example", "Subject": "hi"} | {name: value}
        head = "".join(f"{field}: {text}\n" for field, text in own.items())
        seen = classify(f"{head}\nhello\n".encode())
        for said in (seen.subject, seen.name, seen.sender, seen.message_id):
            assert not any(c in said for c in "\r\n\x00\x1b\u202e") and len(said) <= 4000
        assert seen.sender == "" or seen.sender.count("@") == 1


def test_changed_bytes_never_raise() -> None:
    """Real mails with pieces cut out, doubled, swapped and overwritten: always an answer, and the same one twice."""
    chance = random.Random(20261122)
    names = sorted(CORPUS)
    for _ in range(200):
        raw = bytearray(CORPUS[chance.choice(names)])
        for _ in range(chance.randint(1, 6)):
            at, n = chance.randrange(len(raw)), chance.randint(1, 60)
            match chance.randrange(4):
                case 0:
                    del raw[at : at + n]
                case 1:
                    raw[at:at] = raw[at : at + n]
                case 2:
                    raw[at : at + n] = bytes(chance.randrange(256) for _ in range(n))
                case _:
                    other = CORPUS[chance.choice(names)]
                    raw[at:at] = other[: chance.randrange(len(other))]
        first = classify(bytes(raw))
        assert first == classify(bytes(raw)) and first.kind in Kind


def test_the_same_mail_has_the_same_key_whichever_way_it_comes() -> None:
    raw = CORPUS["postfix-unknown-user"]
    other = raw.replace(b"\n", b"\r\n").replace(b"Return-Path: <>\r\n", b"Received: by x\r\nX-Spam-Status: No\r\n", 1)
    assert classify(raw).key == classify(other).key
    assert classify(raw).key != classify(raw.replace(b"anna@", b"otto@")).key
    mine, other = (f"b+{letter * 31}@lists.example.com" for letter in "ab")
    assert classify(raw, Envelope("", (mine,))).key != classify(raw, Envelope("", (other,))).key
    hello = "From: a@b.example\nTo: {}\nSubject: unsubscribe\n\n"
    assert classify(hello.format(mine).encode()).key != classify(hello.format(other).encode()).key
    assert classify(hello.format(mine).encode(), Envelope("", (mine,))).key == classify(hello.format(mine).encode()).key


PEOPLE = [
    ("Re: Delivery problem", "Where is my parcel? It was not delivered.", "person"),
    ("Delivery", "Hi, when can you deliver?", "person"),
    ("Your message", "Thank you, this was interesting.", "person"),
    ("Fwd: Undelivered Mail Returned to Sender", "What does this mean?", "person"),
    ("On leave question", "Do you sell leave management software?", "person"),
    ("Urlop na żądanie - pytanie", "Czy macie taki moduł?", "person"),
    ("Absence management demo", "Can I have a demo?", "person"),
    ("Re: guide", "Stop by on Monday, we are at the fair", "person"),
    ("Re: guide", "Stop wasting my time", "person"),
    ("Re: guide", "Remove the old price list from your page, it confuses us", "person"),
    ("Re: oferta", "Rezygnuję z zakupu, dziękuję", "person"),
    ("Stop by our booth", "We would be happy to see you.", "person"),
    ("unsubscribe me please", "", "unsubscribe"),
    ("Stop", "please", "unsubscribe"),
    ("Re: guide", "Stop sending me mails.", "unsubscribe"),
    ("Re: oferta", "Proszę o wypisanie", "unsubscribe"),
    ("Odhlášení", "Prosím odhlaste mě z odběru.", "unsubscribe"),
    ("Urlop do 7.12", "", "auto_reply"),
    ("Automatic reply", "x", "auto_reply"),
    ("Re: guide", "This is an automated response to your message.", "person"),
]


@pytest.mark.parametrize(("subject", "text", "kind"), PEOPLE)
def test_people_and_machines_are_not_mistaken_for_each_other(subject: str, text: str, kind: str) -> None:
    raw = f"From: Anna <anna@firma.example>\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    assert classify(raw.encode()).kind.value == kind
