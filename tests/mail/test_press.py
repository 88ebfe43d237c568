"""The precompiled way says exactly what the sandbox says, on raw bytes, whatever a lead calls itself."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.mail import headers
from nurture.mail.compile import CompiledMail, compile_mail
from nurture.mail.links import addressing
from nurture.mail.precompiled import encode
from nurture.mail.press import Press
from nurture.mail.render import Frame, Letter, company_words, frame, render
from nurture.model import sandbox
from nurture.model.template import Copy
from nurture.model.words import ContentKind, Purpose
from tests.bench import letter as bench
from tests.mail.world import BODY, KEYS, LAYOUT, PUBLIC, TEXT_LAYOUT, company, template

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HARD = """{% for line in lead.rows %}* {{ loop.index }} {{ line }}
{% endfor %}{% if lead.score >= 50 and lead.city %}near {{ lead.city | upper }}{% elif not lead.city %}nowhere{% else %}
{{ lead.city ~ '!' }}{% endif %} {{ 'yes' if lead.vip else 'no' }} {{ lead.when | default('', true) | date }}
{{ company.name | upper }} {% if language == 'en' %}English{% else %}other{% endif %} {{ links.more | default('none') }}
.a dot first
{{ lead.first_name | default('you', true) }}{{ lead.last_name | default('') }} {% if lead.city %}
.{{ lead.city }}
{% endif %}"""
LAYOUTS = {"_base.html": LAYOUT, "_base.txt": TEXT_LAYOUT}
texts = st.text(max_size=120) | st.sampled_from(sandbox.NASTY_TEXTS)
leads = st.fixed_dictionaries(
    {"rows": st.lists(texts, max_size=3), "score": st.integers(0, 100)},
    optional={
        "first_name": texts,
        "last_name": texts,
        "company": texts,
        "city": texts,
        "interest": texts,
        "vip": st.booleans(),
        "when": st.dates().map(str),
        "team_size": st.integers(0, 10**6),
    },
)


def made(body: str, form: str = "md", text: str | None = None, subject: str = bench.SUBJECT) -> CompiledMail:
    copy = Copy("en", subject, "For {{ lead.company | default('you', true) }}", body, form, text)
    return compile_mail(template(copies={"en": copy}), LAYOUTS)


MAILS = {"plain": made(BODY), "bench": made(bench.HTML, "html", bench.TEXT), "hard": made(HARD)}


def both(mail: CompiledMail, lead: dict[str, Any], *, clicks: bool, opens: bool) -> tuple[bytes, bytes]:
    """The same message by the press and by the sandbox."""
    at = addressing(company(), KEYS, PUBLIC)
    shared: Frame = frame(
        company(),
        sender="Ines at Acme <ines@example.com>",
        domain=at.domain,
        kind=ContentKind.EDUCATIONAL,
        topic_id="guides",
        topic_name="Guides",
        campaign="guide",
        step="one",
    )
    letter = Letter(
        to="lead@example.org",
        lead=lead,
        message_id=headers.message_id(7, 1, "guide", 1, "one", domain=at.domain),
        addresses=at.of(7, 1, Purpose.NURTURE_EMAIL, clicks=clicks, opens=opens),
        now=NOW,
        reason="You “agreed” <once>.",
        language="en",
        campaign={"id": "guide", "name": "The guide"},
        topic={"id": "guides", "name": "Guides"},
    )
    copy = mail.copies["en"]
    ours = company_words(company())
    press = Press(mail, copy, shared, company=ours, campaign=letter.campaign, topic=letter.topic, tracked=clicks)
    return press.print(letter), render(mail, copy, shared, letter, company=ours).raw


def parsed(raw: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    message = cast(EmailMessage, email.message_from_bytes(raw, policy=email.policy.default))
    parts = [(p.get_content_type(), p.get_content().replace("\r\n", "\n").rstrip("\n")) for p in message.iter_parts()]
    assert not any(p.defects for p in message.walk())
    return [(k, v) for k, v in message.raw_items()], parts


def assert_wire(raw: bytes) -> None:
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"") and b"\0" not in raw
    head, _, body = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert all(len(line) <= 76 and line[-1:] not in (b" ", b"\t") for line in body.split(b"\r\n"))


@settings(deadline=None)
@given(lead=leads, name=st.sampled_from(sorted(MAILS)), clicks=st.booleans(), opens=st.booleans())
def test_press_and_sandbox_agree(lead: dict[str, Any], name: str, clicks: bool, opens: bool) -> None:
    fast, plain = both(MAILS[name], lead, clicks=clicks, opens=opens)
    assert parsed(fast) == parsed(plain)
    for raw in (fast, plain):
        assert_wire(raw)
    assert b"\r\n." not in fast, "nothing to dot-stuff"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=400))
def test_pieces_decode_to_themselves_wherever_they_stand(text: str) -> None:
    import quopri

    wanted = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    piece = encode(text)
    assert quopri.decodestring(piece.encode("ascii")).decode() == wanted
    assert quopri.decodestring(("x=\r\n" + piece + "y").encode("ascii")).decode() == f"x{wanted}y"
    assert all(len(line) <= 76 and not line.startswith(".") for line in piece.split("\r\n"))
