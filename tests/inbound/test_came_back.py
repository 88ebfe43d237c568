"""Mails outside campaigns come back too: a confirmation nobody can get, a packet to somebody who left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nurture.stages import deliver
from nurture.store import open_store
from nurture.store.mail import outbox
from nurture.store.tables import OutboxRow
from tests.inbound.world import NOW, Post


@pytest.fixture
def post(sqlite_url: str) -> Iterator[Post]:
    opened = open_store(sqlite_url)
    made = Post(opened)
    with opened.begin() as conn:
        outbox.put(conn, [
            outbox.row("lead_mail", "New@Example.org", key="confirm:1", now=NOW, subject="One more click", lead_id=1),
            outbox.row("staff_mail", "seller@example.com", key="packet/1", now=NOW, subject="A lead"),
        ])
    made.sent.clear()
    made.memory.sent.clear()
    deliver.run(made.parts, now=NOW, limit=10, owner="w")
    made.sent = list(made.memory.sent)
    yield made
    opened.close()


def state(post: Post, number: int) -> tuple[str, str]:
    row = [r for r in post.rows(OutboxRow) if r.key in ("confirm:1", "packet/1")][number]
    return row.state, row.reply


def test_they_leave_with_a_return_address_of_their_own(post: Post) -> None:
    assert [m.recipient for m in post.sent] == ["New@example.org", "seller@example.com"]
    assert all(m.sender.startswith("b+") for m in post.sent)
    assert len({m.sender for m in post.sent}) == 2


def test_an_address_that_does_not_exist_is_blocked_before_it_is_asked_again(post: Post) -> None:
    done = post.take(post.dsn(1, returned=False))
    assert (done.kind, done.effect) == ("bounce", "blocked: no_such_address")
    assert post.suppressed() == ["hard_bounce"]
    assert state(post, 0)[0] == "failed" and "came back" in state(post, 0)[1]


def test_a_full_mailbox_and_a_delay_block_nobody(post: Post) -> None:
    full = "smtp; 552 5.2.2 mailbox full"
    assert post.take(post.dsn(1, action="delayed", status="4.2.2", said=full, returned=False)).effect.startswith("not")
    assert state(post, 0)[0] == "done"
    assert post.take(post.dsn(1, status="5.2.2", said=full, number=2, returned=False)).effect.startswith("soft")
    assert post.suppressed() == []


def test_a_colleague_who_left_is_told_to_the_others(post: Post) -> None:
    post.take(post.dsn(2, returned=False))
    assert post.suppressed() == [] and state(post, 1)[0] == "failed"
    assert post.inbox()[-1].kind == "review" and "seller@example.com" in post.inbox()[-1].summary["effect"]


def test_a_forged_return_address_changes_nothing(post: Post) -> None:
    sender = post.sent[0].sender
    post.take(post.dsn(1, to="b+" + "a" * 31 + "@" + sender.partition("@")[2], returned=False))
    assert post.suppressed() == [] and state(post, 0)[0] == "done"
