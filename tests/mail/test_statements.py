"""What every mail carries, read off the bytes and the envelope as a server gets them."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import cast

import pytest

from nurture.mail.memory import MemoryTransport
from nurture.model.delivery import Outgoing
from nurture.model.words import ContentKind, Purpose
from nurture.stages import send
from nurture.store import Store, open_store
from tests.mail.world import NOW, World

TRACKED = (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING, Purpose.OPEN_TRACKING)


@pytest.fixture
def lite(sqlite_url: str) -> Store:
    return open_store(sqlite_url)


def left(world: World) -> list[Outgoing]:
    tally = send.run(world.parts, now=NOW, limit=100, owner="w")
    assert tally.balanced()
    transport = world.parts.transport
    assert isinstance(transport, MemoryTransport)
    return transport.sent


def read(mail: Outgoing) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(mail.raw, policy=email.policy.default))


def test_a1_a2_h1_u14_of_two_leads_and_two_steps(lite: Store) -> None:
    world = World(lite)
    world.add(2)
    world.add(2, first=11, step="more")
    mails = left(world)
    assert len(mails) == 4
    for mail in mails:
        said = read(mail)
        assert said.get_all("X-Auto-Response-Suppress") == ["OOF, AutoReply"], "A1: never DR or All, which hide bounces"
        assert said.get_all("Auto-Submitted") == ["auto-generated"] and said.get_all("Precedence") == ["bulk"]
        assert mail.sender.startswith("b+") and mail.sender.endswith("@lists.example.com"), "A2: never <>"
        assert mail.sender == mail.sender.lower() and len(mail.sender.partition("@")[0]) <= 64
        date = parsedate_to_datetime(said["Date"])
        assert date.utcoffset() == timedelta() and abs(date - NOW) < timedelta(days=1), "H1"
        assert said["Date"].endswith("+0000"), "H1: a zone in numbers"
    assert len({mail.sender for mail in mails}) == 4, "each bounce names its mail"
    assert {read(mail)["List-ID"] for mail in mails} == {'"Guides and how-tos" <guides.lists.example.com>'}, "U14"
    assert len({read(mail)["Feedback-ID"] for mail in mails}) == 2, "F1: the same for all recipients of a step"
    assert all("lead" not in read(mail)["Feedback-ID"] for mail in mails)


def test_u13_an_answer_to_a_request_is_no_list_and_marketing_opt_outs_do_not_stop_it(lite: Store) -> None:
    world = World(lite)
    world.add(1, message={"kind": str(ContentKind.OPERATIONAL), "purpose": None, "topic": None})
    world.suppress(1)
    (mail,) = left(world)
    names = {name.lower() for name in read(mail)}
    assert not names & {"list-unsubscribe", "list-unsubscribe-post", "list-id", "precedence", "feedback-id"}
    assert read(mail)["Auto-Submitted"] == "auto-generated" and b"/o/" not in mail.raw and b"/c/" not in mail.raw


@pytest.mark.parametrize("opens", [False, True])
def test_c13_the_pixel_is_in_the_bytes_only_with_consent_to_it(opens: bool, lite: Store) -> None:
    world = World(lite)
    world.add(1, purposes=TRACKED if opens else TRACKED[:2])
    (mail,) = left(world)
    html = read(mail).get_body(("html",))
    assert html is not None and ("/o/" in html.get_content()) is opens and "/c/" in html.get_content()


def test_g7_the_sender_of_a_campaign_is_not_that_of_answers(lite: Store) -> None:
    world = World(lite)
    world.add(1)
    world.add(1, first=5, message={"kind": "operational", "campaign": None, "enrollment_id": None})
    senders = {read(mail)["From"].addresses[0].addr_spec for mail in left(world)}
    assert senders == {"ines@example.com", "hello@example.com"}
