"""What comes in changes exactly what it may change, once, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from nurture.insight.story import tell
from nurture.model.tokens import Keys, sign_lower
from nurture.store import Store, open_store
from nurture.store.tables import ConsentEntryRow, HandoffRow, LeadRow, MessageRow, WakeupRow
from nurture.store.tables.columns import core
from tests.inbound.world import NOW, Post

FULL = {"status": "5.2.2", "said": "smtp; 552 5.2.2 mailbox full"}
OTHERS = Keys.from_secrets(["somebody else's secret, which is long enough too"])


@pytest.fixture
def everywhere(store: Store) -> Post:
    """On both databases: what locks, upserts or reads documents."""
    return Post(store)


@pytest.fixture
def post(sqlite_url: str) -> Iterator[Post]:
    opened = open_store(sqlite_url)
    yield Post(opened)
    opened.close()


def test_a_hard_bounce_blocks_that_address_once(everywhere: Post) -> None:
    post = everywhere
    first = post.take(post.dsn(1))
    assert (first.kind, first.effect) == ("bounce", "blocked: no_such_address")
    assert post.suppressed() == ["hard_bounce"]
    (event,) = post.events("email_bounce")
    assert (event.lead_id, event.data["kind"], event.campaign, event.step) == (1, "hard", "guide", "guide")
    assert event.machine and event.message_id == post.sent[0].id
    assert post.take(post.dsn(1)).id is None, "the same mail again"
    post.take(post.dsn(1, number=2))
    assert post.suppressed() == ["hard_bounce"] and len(post.events("email_bounce")) == 1
    assert {m.state for m in post.world.messages()} == {"sent"}, "the books stay what they were"


@pytest.mark.parametrize(
    "spelling",
    [
        str.upper,
        lambda a: f'"{a.split("@")[0]}"@{a.split("@")[1]}',
        lambda a: f"SRS0=Ab1x=7Z={a.split('@')[1]}={a.split('@')[0]}@forwarder.example",
    ],
)
def test_a_return_address_survives_what_mail_servers_do_to_it(post: Post, spelling: Callable[[str], str]) -> None:
    """D8: upper case, quoting, and what forwarders make of an envelope sender."""
    post.take(post.dsn(2, to=spelling(post.sent[1].sender), returned=False))
    assert [e.lead_id for e in post.events("email_bounce")] == [2]


def test_a_delayed_report_never_suppresses(post: Post) -> None:
    """D2: whatever code it carries."""
    for number, status in enumerate(("4.4.1", "5.1.1", "5.0.0"), 1):
        done = post.take(post.dsn(1, action="delayed", status=status, number=number))
        assert done.kind == "bounce" and done.effect.startswith("delayed")
    for number, action in enumerate(("delivered", "relayed", "expanded"), 10):
        post.take(post.dsn(1, action=action, status="5.1.1", number=number))
    assert post.changes() == (0, 0, 0) and all(row.handled_at for row in post.inbox())


@pytest.mark.parametrize(
    "how",
    ["no token", "a token of another installation", "one bit flipped", "a guessed Message-ID", "another recipient"],
)
def test_a_forged_report_changes_nothing_and_waits_for_a_human(everywhere: Post, how: str) -> None:
    """D7: anybody can write a bounce or a complaint."""
    post = everywhere
    real, address = post.sent[0].sender, post.sent[0].recipient
    token = real.split("@")[0][2:]
    flipped = "a" if token[5] != "a" else "b"
    to = {
        "a token of another installation": f"b+{sign_lower(OTHERS, 'verp', post.sent[0].id)}@lists.example.com",
        "one bit flipped": f"b+{token[:5]}{flipped}{token[6:]}@lists.example.com",
    }.get(how, "bounces@lists.example.com")
    raw = post.dsn(1, to=to, returned=False)
    if how == "a guessed Message-ID":
        raw = raw.replace(
            "--B--",
            f"--B\nContent-Type: message/rfc822\n\nMessage-ID: <0000000001.{'0' * 24}@lists.example.com>\n\n--B--",
        )
    if how == "another recipient":
        mine = post.mail(2)["Message-ID"]
        raw = raw.replace("--B--", f"--B\nContent-Type: message/rfc822\n\nMessage-ID: {mine}\nTo: {address}\n\n--B--")
    done = post.take(raw)
    assert done.kind == "review"
    complaint = (
        "From: fbl@isp.example\nTo: " + to + "\nMessage-ID: <c@isp.example>\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\n\n'
        "--B\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
        f"Original-Rcpt-To: {address}\n\n--B--\n"
    )
    assert post.take(complaint).kind == "review"
    assert post.changes() == (0, 0, 0)
    assert [row.handled_at for row in post.inbox()] == [None, None] and all(row.raw for row in post.inbox())


def test_a_message_id_counts_only_with_the_address_it_went_to(post: Post) -> None:
    """D4: one bounce in seven comes to another address than the return path."""
    done = post.take(post.dsn(3, to="postmaster@lists.example.com").replace(post.sent[2].sender, "x@lists.example.com"))
    assert done.kind == "bounce" and [e.lead_id for e in post.events("email_bounce")] == [3]


def test_soft_bounces_give_a_break_and_never_a_block(everywhere: Post) -> None:
    """Three mails within a month that met a full mailbox: no mail for a month."""
    post = everywhere
    mine = _three_mails(post)
    for n, mail in enumerate(mine):
        paused = [row.mail_paused_until for row in post.rows(LeadRow) if row.id == 1]
        assert paused == [None]
        post.take(post.dsn(1, to=mail, number=n, returned=False, **FULL), now=NOW + timedelta(days=n))
    assert post.suppressed() == []
    (lead,) = [row for row in post.rows(LeadRow) if row.id == 1]
    assert lead.mail_paused_until == NOW + timedelta(days=32)
    assert [e.data["kind"] for e in post.events("email_bounce")] == ["soft"] * 3


def _three_mails(post: Post) -> list[str]:
    """The return addresses of three messages that went to lead 1."""
    table = core(MessageRow)
    with post.store.begin() as conn:
        conn.execute(
            update(table)
            .where(table.c.id.in_([2, 3]))
            .values(lead_id=1, edition=table.c.id, address=post.sent[0].recipient)
        )
    return [mail.sender for mail in post.sent]


def test_a_switched_off_mailbox_is_soft_first_and_hard_the_second_time(post: Post) -> None:
    mine = _three_mails(post)
    off = {"status": "5.2.1", "said": "smtp; 550 5.2.1 The account is disabled"}
    assert post.take(post.dsn(1, to=mine[0], returned=False, **off)).effect == "soft: disabled"
    assert post.suppressed() == []
    post.take(post.dsn(1, to=mine[1], returned=False, number=2, **off), now=NOW + timedelta(days=5))
    assert post.suppressed() == ["hard_bounce"]


def test_policy_bounces_blame_us_and_never_the_lead(post: Post) -> None:
    for n, mail in enumerate(_three_mails(post)):
        post.take(
            post.dsn(1, to=mail, number=n, returned=False, status="5.7.1", said="smtp; 550 5.7.1 blocked, see spamhaus")
        )
    assert post.suppressed() == []
    assert [row.mail_paused_until for row in post.rows(LeadRow) if row.id == 1] == [None]


def test_a_bounce_of_an_old_address_does_not_block_the_new_one(post: Post) -> None:
    """D10."""
    table = core(LeadRow)
    with post.store.begin() as conn:
        conn.execute(
            update(table)
            .where(table.c.id == 1)
            .values(email="new@example.org", email_key="new@example.org", email_hash="x" * 40)
        )
    post.take(post.dsn(1))
    assert post.suppressed() == ["hard_bounce"]
    assert [e.data["kind"] for e in post.events("email_bounce")] == ["old_address"]
    from nurture.store.audience import snapshots

    with post.store.read() as conn:
        assert snapshots.load(conn, [1], now=NOW)[1].suppressions == frozenset()


def test_a_complaint_ends_marketing_mail_for_good(everywhere: Post) -> None:
    """D5, D6: the recipient is hidden; the mail it returns carries our link."""
    post = everywhere
    original = (
        post.sent[0].raw.decode().replace("\r\n", "\n").replace(post.sent[0].recipient, "redacted@redacted.invalid")
    )
    original = "\n".join(line for line in original.splitlines() if not line.startswith("Message-ID"))
    raw = (
        "From: <staff@hotmail.example>\nTo: <fbl@example.com>\nSubject: complaint\nMessage-ID: <1@x>\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\n\n'
        "--B\nContent-Type: text/plain\n\nThis is an email abuse report.\n\n"
        "--B\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\n"
        "Version: 0.1\n"
        "Original-Rcpt-To: redacted@redacted.invalid\n\n--B\nContent-Type: message/rfc822\n\n" + original + "\n--B--\n"
    )
    done = post.take(raw)
    assert (done.kind, done.effect) == ("complaint", "no marketing mail any more")
    assert post.suppressed() == ["complained"]
    states = post.consents(1)
    assert {states[p] for p in ("nurture_email", "newsletter", "commercial_offers")} == {"withdrawn"}
    assert [event.machine for event in post.events("email_complaint")] == [True], "no sign of interest"
    before = post.changes()
    other = raw.replace("Feedback-Type: abuse", "Feedback-Type: not-spam").replace("<1@x>", "<2@x>")
    assert post.take(other).kind == "complaint" and post.changes() == before


@pytest.mark.parametrize("lower", [False, True])
def test_u11_mail_to_the_unsubscribe_address_works_like_the_one_click(everywhere: Post, lower: bool) -> None:
    """U11: the token stands in the local part; servers lower and raise its case; whoever writes does not matter."""
    post = everywhere
    header = post.mail(1)["List-Unsubscribe"]
    address = header.partition("<mailto:")[2].partition("?")[0]
    address = address.lower() if lower else address.upper()
    raw = f"From: Anyone <someone.else@example.net>\nTo: {address}\nSubject: unsubscribe\n\n"
    done = post.take(raw, to=address)
    assert (done.kind, done.effect) == ("unsubscribe", "unsubscribed from nurture_email")
    assert post.consents(1)["nurture_email"] == "withdrawn" and post.consents(1)["newsletter"] == "granted"
    (event,) = post.events("unsubscribe")
    assert (event.lead_id, event.message_id, event.channel) == (1, post.sent[0].id, "email")
    again = post.take(raw.replace("Subject: unsubscribe", "Subject: Unsubscribe"), to=address)
    assert again.kind == "unsubscribe" and len(post.events("unsubscribe")) == 1


def test_an_unsubscribe_token_that_is_not_ours_changes_nothing(post: Post) -> None:
    header = post.mail(1)["List-Unsubscribe"]
    local = header.partition("<mailto:u+")[2].partition("@")[0]
    for i in (0, 9, len(local) - 2):
        broken = local[:i] + ("a" if local[i] != "a" else "b") + local[i + 1 :]
        raw = f"From: lead1@example1.org\nTo: u+{broken}@lists.example.com\nSubject: unsubscribe {i}\n\n"
        assert post.take(raw).kind == "review"
    assert post.changes() == (0, 0, 0)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("unsubscribe", ""),
        ("Re: Your guide, Anna1", "STOP"),
        ("Re: Your guide", "Please remove me from your list.\n\nThanks"),
        ("Abmelden", "Bitte keine Mails mehr"),
        ("Odp: poradnik", "Proszę mnie wypisać z listy"),
        ("", "Prosím o odhlášení"),
        ("Re: guide", "Merci de me désabonner"),
        ("Отписаться", ""),
    ],
)
def test_whoever_asks_for_nothing_else_is_unsubscribed(post: Post, subject: str, text: str) -> None:
    done = post.take(
        f"From: Anna <LEAD1@Example1.org>\nTo: hello@example.com\nSubject: {subject}\n"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}\n\nOn Monday Ines wrote:\n> Hello\n"
    )
    assert done.kind == "unsubscribe"
    assert {post.consents(1)[p] for p in ("nurture_email", "newsletter", "commercial_offers")} == {"withdrawn"}
    assert post.consents(2)["nurture_email"] == "granted" and post.told() == []


def reply(post: Post, lead: int = 1, **changes: str) -> str:
    fields = {
        "From": f"Anna <lead{lead}@example{lead}.org>",
        "To": "Ines <ines@example.com>",
        "Subject": "Re: Your guide",
        "Message-ID": "<r1@phone.example>",
        "In-Reply-To": post.mail(lead)["Message-ID"],
        "Date": "Mon, 23 Nov 2026 08:30:00 +0000",
        **changes,
    }
    head = "\n".join(f"{k}: {v}" for k, v in fields.items() if v)
    text = "Can we talk on Tuesday?\n\nOn Monday, Ines wrote:\n> Hello Anna\n"
    return f"{head}\nContent-Type: text/plain; charset=utf-8\n\n{text}"


def test_a_reply_wakes_the_lead_and_reaches_the_campaigns_owner(everywhere: Post) -> None:
    post = everywhere
    done = post.take(reply(post))
    assert (done.kind, done.effect) == ("reply", "told ines@example.com")
    (event,) = post.events("email_reply")
    assert (event.lead_id, event.campaign, event.step, event.content, event.machine) == (
        1,
        "guide",
        "guide",
        "guide",
        False,
    )
    assert event.occurred_at == NOW - timedelta(minutes=30)
    assert [row.lead_id for row in post.rows(WakeupRow)] == [1]
    (told,) = post.told()
    assert told.target == "ines@example.com" and told.payload["reply_to"] == "lead1@example1.org"
    assert "Can we talk on Tuesday?" in told.payload["text"] and "> Hello" not in told.payload["text"]
    assert post.take(reply(post)).id is None and len(post.told()) == 1


def test_the_owner_can_answer_what_they_are_told(post: Post) -> None:
    """The mail that really goes to the owner: automatic, so that nothing answers it, and a reply goes to the lead."""
    from email import message_from_bytes

    from nurture.stages import deliver

    post.take(reply(post))
    post.memory.sent.clear()
    assert deliver.run(post.parts, now=NOW, limit=10, owner="w").as_dict()["delivered"] == 1
    (mail,) = [message_from_bytes(m.raw) for m in post.memory.sent]
    assert (mail["To"], mail["Reply-To"]) == ("ines@example.com", "lead1@example1.org")
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_reply_of_a_lead_with_sales_reaches_the_seller(post: Post) -> None:
    with post.store.begin() as conn:
        conn.execute(
            insert(core(HandoffRow)).values(
                lead_id=1,
                queue="inside",
                owner="jana@example.com",
                priority=1,
                fast=False,
                note="",
                packet={},
                opened_at=NOW,
                state="accepted",
                via="score",
                cycle=1,
                version=1,
            )
        )
    assert post.take(reply(post)).effect == "told jana@example.com"


def test_a_reply_from_another_mailbox_is_still_the_leads(post: Post) -> None:
    post.take(reply(post, From="A. <anna.private@gmail.example>"))
    (event,) = post.events("email_reply")
    assert event.lead_id == 1 and event.data == {"from_another_address": True}


def test_an_absence_is_noted_and_is_no_engagement(post: Post) -> None:
    raw = reply(post, Subject="Automatic reply: Your guide").replace(
        "Can we talk on Tuesday?", "I am away until 7 December 2026."
    )
    done = post.take(raw)
    assert (done.kind, done.effect) == ("auto_reply", "away until 2026-12-07")
    assert post.events("email_reply") == [] and post.told() == [] and post.rows(WakeupRow) == []
    (event,) = post.events("auto_reply")
    assert event.machine and event.data == {"back_on": "2026-12-07"}
    story = tell(post.parts, event.lead_id, now=NOW)
    assert story is not None and any(e.text.endswith("away until 2026-12-07 (a machine)") for e in story.entries)


def test_a_stranger_becomes_a_lead_whom_nobody_may_mail(everywhere: Post) -> None:
    """S4-03: a first mail to a watched mailbox."""
    post = everywhere
    raw = (
        "From: =?utf-8?q?Ji=C5=99=C3=AD?= Novak <jiri@firma.example>\nTo: hello@example.com\nSubject: Question\n"
        "Message-ID: <s@firma.example>\n\nDo you work with small companies?\n"
    )
    done = post.take(raw)
    assert (done.kind, done.effect) == ("stranger", "a new lead")
    (lead,) = [row for row in post.rows(LeadRow) if row.id > 3]
    assert (lead.email, lead.source, lead.stage) == ("jiri@firma.example", "inbound", "identified")
    assert lead.fields["first_name"]["v"] == "Jiří" and lead.fields["first_name"]["o"] == "inferred"
    assert [r for r in post.rows(ConsentEntryRow) if r.lead_id == lead.id] == []
    assert [t.target for t in post.told()] == ["hello@example.com"]
    assert post.take(raw).id is None
    assert post.take(raw.replace("<s@", "<t@").replace("small", "large")).kind == "reply", "known from now on"


@pytest.mark.parametrize(
    "field", ["X-Spam-Flag: YES", "Authentication-Results: mx.example.com; dmarc=fail header.from=x"]
)
def test_what_our_servers_doubt_is_not_taken_at_its_word(post: Post, field: str) -> None:
    raw = f"{field}\nFrom: Anna <lead1@example1.org>\nTo: hello@example.com\nSubject: call me\n\nNow!\n"
    assert post.take(raw).kind == "review" and post.changes() == (0, 0, 0)
    assert post.take(raw.replace("lead1@example1.org", "new@firma.example")).kind == "review"
    assert len(post.rows(LeadRow)) == 3


def test_strangers_in_a_flood_wait_for_a_human(everywhere: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post = everywhere
    monkeypatch.setattr("nurture.acts.inbound.people.STRANGERS_A_DAY", 2)
    kinds = [post.take(f"From: p{n}@firma.example\nSubject: hi {n}\n\nHello\n").kind for n in range(4)]
    assert kinds == ["stranger", "stranger", "review", "review"] and len(post.rows(LeadRow)) == 5


def test_our_own_mail_goes_round_no_loop(post: Post) -> None:
    """A2: what we send to our own people comes back to a watched mailbox as what it is."""
    from nurture.mail.plainmail import plain_mail

    post.take(reply(post))
    (told,) = post.told()
    ours = plain_mail(
        9,
        key=told.key,
        sender="Acme <hello@example.com>",
        to=told.target,
        subject=told.subject,
        text=told.payload["text"],
        html=None,
        domain="example.com",
        now=NOW,
        bounces_to="b+x@lists.example.com",
        reply_to=told.payload["reply_to"],
    )
    assert b"Auto-Submitted: auto-generated" in ours.raw
    assert post.take(ours.raw).kind == "auto_reply" and len(post.told()) == 1


def test_workers_that_take_the_same_mails_at_once_act_once(everywhere: Post) -> None:
    post = everywhere
    from concurrent.futures import ThreadPoolExecutor

    hello = "From: new@firma.example\nSubject: hi {}\n\nHello\n"
    mails = [post.dsn(1), post.dsn(2), reply(post, 3), hello.format(1), hello.format(2)]
    with ThreadPoolExecutor(4) as workers:
        taken = list(workers.map(post.take, mails * 4))
    assert sum(t.id is not None for t in taken) == len(mails) == len(post.inbox())
    assert sorted(e.lead_id for e in post.events("email_bounce")) == [1, 2]
    assert len(post.events("email_reply")) + len(post.events("wrote_to_us")) == 3
    assert [row.email for row in post.rows(LeadRow)].count("new@firma.example") == 1


def test_a_human_decides_once_what_nobody_could_judge(everywhere: Post) -> None:
    post = everywhere
    from nurture.acts.inbound.by_hand import decide
    from nurture.errors import Conflict, UsageError

    row = post.take(post.dsn(1, to="x@lists.example.com", returned=False)).id
    with pytest.raises(UsageError, match="whom"):
        decide(post.parts, row, "bounce", by="Ines", lead_id=None, now=NOW)
    assert decide(post.parts, row, "bounce", by="Ines", lead_id=1, now=NOW).kind == "bounce"
    assert post.suppressed() == ["hard_bounce"] and post.inbox()[0].handled_by == "Ines"
    with pytest.raises(Conflict):
        decide(post.parts, row, "unsubscribe", by="Ines", lead_id=1, now=NOW)
    assert post.consents(1)["nurture_email"] == "granted"


def test_what_breaks_us_is_kept_and_stops_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    from nurture.acts.inbound import people
    from nurture.acts.inbound.watch import Watch
    from nurture.model.inbound import Arrived

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(people, "replied", broken)
    watch = Watch(post.parts, [], lambda: NOW)
    watch.take(Arrived(reply(post).encode(), "test"))
    watch.take(Arrived(post.dsn(2).encode(), "test"))
    assert dict(watch.counted) == {"review": 1, "bounce": 1}
    assert [row.kind for row in post.inbox()] == ["review", "bounce"] and post.events("email_reply") == []


def test_a_reply_ends_a_wait_for_one(post: Post) -> None:
    """The fact a campaign's `replied:` asks for carries the step and the content of the mail it answers."""
    from nurture.decide.condition import ALWAYS, evaluate
    from nurture.model.campaign import Condition
    from nurture.model.words import Truth
    from nurture.store.audience import snapshots

    post.take(reply(post))
    with post.store.read() as conn:
        snapshot = snapshots.load(conn, [1], now=NOW)[1]
    campaign = post.world.library.campaigns["guide"]
    asked = {"since": ALWAYS, "company": post.world.library.company, "now": NOW, "campaign": campaign}
    assert evaluate(Condition("replied", "guide"), snapshot, **asked) is Truth.YES
    assert evaluate(Condition("replied", "more"), snapshot, **asked) is Truth.NO


def test_an_unsubscribe_stops_the_mail_that_is_already_planned(post: Post) -> None:
    """U9 by mail: the next send decision sees it."""
    from nurture.stages import send

    post.world.add(1, first=50, step="more", message={"lead_id": 1, "enrollment_id": 1})
    header = post.mail(1)["List-Unsubscribe"]
    post.take(f"From: x@y.example\nTo: {header.partition('<mailto:')[2].partition('?')[0]}\nSubject: unsubscribe\n\n")
    tally = send.run(post.parts, now=NOW, limit=10, owner="w")
    assert (tally.sent, tally.refused) == (0, 1)


def test_erasure_leaves_no_word_of_a_mail(everywhere: Post) -> None:
    """C16: neither of those matched with the lead nor of those from their address that nobody could match."""
    post = everywhere
    from nurture.acts.privacy import erase

    post.take(reply(post))
    post.take("X-Spam-Flag: YES\nFrom: LEAD1@example1.org\nSubject: secret\n\nvery secret\n")
    post.take(post.dsn(2))
    erase(post.parts, 1, by="Ines", now=NOW)
    first, second, other = post.inbox()
    assert first.raw is None and second.raw is None and first.summary == second.summary == {}
    assert other.summary["is"] == "bounce"
    assert all("secret" not in str(row) and "lead1@" not in str(row) for row in (*post.inbox(), *post.told()))


def test_a_late_bounce_of_an_erased_person_changes_nothing(post: Post) -> None:
    from nurture.acts.privacy import erase

    erase(post.parts, 1, by="Ines", now=NOW)
    before = post.changes()
    assert post.take(post.dsn(1)).effect == "the person is no longer here" and post.changes() == before


def test_a_complaint_after_somebody_lifted_one_counts_again(everywhere: Post) -> None:
    post = everywhere
    from nurture.store.tables import SuppressionRow

    post.take(post.dsn(1))
    table = core(SuppressionRow)
    with post.store.begin() as conn:
        conn.execute(update(table).values(lifted_at=NOW, lifted_by="Ines"))
    assert post.suppressed() == []
    post.take(post.dsn(1, number=2), now=NOW + timedelta(days=1))
    assert post.suppressed() == ["hard_bounce"]


@pytest.mark.parametrize(
    "charset", ["unicode_escape", "raw_unicode_escape", "utf-7", "utf-16", "idna", "rot13", "x" * 500]
)
def test_words_no_database_takes_are_taken_out(everywhere: Post, charset: str) -> None:
    post = everywhere
    raw = (
        f"From: =?{charset}?q?A=5Cud800=5Cu0000?= <lead1@example1.org>\nSubject: =?{charset}?q?=5Cud800=5Cu0000_hi?=\n"
        f"Content-Type: text/plain; charset={charset}\n\nhello \\ud800 \\u0000 \x00 +2AA-\n"
    )
    assert post.take(raw).kind == "reply"
    assert (
        post.take(post.dsn(2, said=f"smtp; 550 5.1.1 =?{charset}?q?=5Cud800=5Cu0000?= user unknown")).kind == "bounce"
    )
