"""What comes in changes exactly what it may change, once, on both databases."""

from __future__ import annotations

import pytest

from nurture.store import Store
from tests.inbound.world import Post


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)


def test_a_hard_bounce_blocks_that_address_once(post: Post) -> None:
    first = post.take(post.dsn(1))
    assert (first.kind, first.effect) == ("bounce", "blocked: no_such_address")
    assert post.suppressed() == ["hard_bounce"]
    event = post.events("email_bounce")
    assert [(e.lead_id, e.data["kind"], e.campaign, e.step, e.machine) for e in event] == [
        (1, "hard", "guide", "guide", True)
    ]
    assert post.take(post.dsn(1)).id is None, "the same mail again"
    post.take(post.dsn(1, number=2))
    assert post.suppressed() == ["hard_bounce"] and len(post.events("email_bounce")) == 1
