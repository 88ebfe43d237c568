"""What leaves carries a picture or links of one's own only for people who agreed to each (C13): read off the bytes."""

from __future__ import annotations

import email
import email.policy
import re

import pytest

from nurture.model.words import Purpose
from nurture.store import Store
from tests.applying.world import S, World, campaign_file, draft

OPENS, CLICKS = Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING
AGREED: dict[int, tuple[Purpose, ...]] = {1: (), 2: (OPENS,), 3: (CLICKS,), 4: (OPENS, CLICKS)}


@pytest.fixture
def mailed(store: Store) -> dict[int, tuple[str, str]]:
    """Lead -> (HTML, text) of the mail it got."""
    world = World(store)
    world.apply(draft(campaign_file([S("s1", days=0)])))
    for lead, purposes in AGREED.items():
        world.people_at(lead, version=1, email=f"lead{lead}@example.org")
        for purpose in purposes:
            world.agree(lead, purpose)
    world.run("plan", "send")
    found = {}
    for sent in world.transport.sent:
        message = email.message_from_bytes(sent.raw, policy=email.policy.default)
        rich, plain = message.get_body(("html",)), message.get_body(("plain",))
        assert rich is not None and plain is not None
        number = int(re.search(r"lead(\d)@", str(message["To"]))[1])
        found[number] = (rich.get_content(), plain.get_content())
    return found


def test_c13_no_picture_and_no_link_of_ones_own_without_consent_to_each(mailed: dict[int, tuple[str, str]]) -> None:
    assert set(mailed) == set(AGREED)
    for lead, (rich, plain) in mailed.items():
        assert ("/o/" in rich) is (OPENS in AGREED[lead]), lead
        for text in (rich, plain):
            tracked, direct = "/c/" in text, "https://www.example.com/s1" in text
            assert (tracked, direct) == ((True, False) if CLICKS in AGREED[lead] else (False, True)), lead
        # Other pictures are the same file for everybody, so that loading them tells nobody apart.
        others = [src for src in re.findall(r'<img[^>]+src="([^"]+)"', rich) if "/o/" not in src]
        assert not any(re.search(r"[?&=]|lead\d", src) for src in others), lead


def test_c13_two_people_without_consent_to_measuring_get_the_same_links(mailed: dict[int, tuple[str, str]]) -> None:
    """Only what stops and changes the mails, and the trap for machines, tells one person's mail from another's."""
    own = re.compile(r"https://go\.example\.com/(?!u/|p/|h/)[^\"'\s<>]+")
    assert own.findall(mailed[1][0] + mailed[1][1]) == []
