"""Copy as other people write it: long lines, right-to-left, tables, pictures, a whole page of their own, hardly a word.
Judged by what receivers run, over the bytes that a server was given."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nurture.authoring.frame import LAYOUTS
from nurture.mail.compile import compile_mail
from nurture.mail.memory import MemoryTransport
from nurture.model.template import Copy
from nurture.stages import send
from nurture.store import open_store
from tests.mail.test_templates_shipped import ROOT, spam_reports
from tests.mail.world import NOW, World, library, template

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Our letter</title>
<style>.b { background: #1d4ed8; color: #fff; padding: 12px }
@media (max-width: 600px) { .w { width: 100% } }</style>
</head><body><table role="presentation" class="w" width="600"><tr><td>
<h1>Hello {{ lead.first_name | default('there') }}</h1>
<p>Three things we learned while moving a warehouse of four hundred tablets to new software in one weekend.</p>
<p><a class="b" href="https://www.example.com/moved?utm_source=mail&amp;x=%C5%BC"
data-name="moved">Read how it went</a></p>
<p>{{ company.legal_name }}, {{ company.postal_address }}. {{ reason }}
<a href="{{ unsubscribe_url }}">Unsubscribe</a> <a href="{{ preferences_url }}">Preferences</a></p>
</td></tr></table></body></html>
"""
LONG = "Every word of this paragraph stands on one line because its author never presses return, " * 30
COPIES = {
    "short": ("en", "One line", "Yes.\n", "md"),
    "long": ("en", "A long letter about phones", f"Hello,\n\n{LONG}\n\n- one\n- two\n", "md"),
    "table": (
        "pl", "Zażółć gęślą jaźń: co się zmieniło w tym roku",
        "Dzień dobry {{ lead.first_name | default('') }},\n\n"
        "| co | było | jest |\n|---|---:|---:|\n| urządzenia | 40 | 400 |\n\n"
        "![Wykres: czterysta urządzeń](https://www.example.com/chart.png)\n\n"
        '[Więcej](https://www.example.com/wiecej "wiecej")\n',
        "md",
    ),
    "right-to-left": (
        "he", "שלום, מה חדש החודש", 'שלום,\n\nיש לנו [מדריך](https://www.example.com/he "guide") חדש.\n', "md",
    ),
    "dots": (
        "en", "Lines that begin with dots", ".\n\n..\n\n.hidden\n\nFrom the beginning\n\n" + "." * 200 + "\n", "md",
    ),
    "page": ("en", "Moving house in a weekend", PAGE, "html"),
}  # fmt: skip


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """name -> what the server got."""
    found = {}
    for name, (language, subject, body, form) in COPIES.items():
        store = open_store(f"sqlite:///{tmp_path_factory.mktemp('out')}/n.db")
        store.create()
        made = template(copies={language: Copy(language, subject, "What stands below the subject", body, form)})
        world = World(store, MemoryTransport(), replace(library(), templates={"awareness/guide": made}))
        world.add(1)
        assert send.run(world.parts, now=NOW, limit=1, owner="w").sent == 1, world.messages()[0].reason_text
        assert isinstance(world.parts.transport, MemoryTransport)
        found[name] = world.parts.transport.sent[0].raw
        store.close()
    return found


def test_the_outside_judge_has_nothing_to_say_about_other_peoples_copy(mails: dict[str, bytes], tmp_path: Path) -> None:
    judge = ROOT.parent / "shared" / "judges" / "mail_lint.py"
    if not judge.is_file():
        pytest.skip("no judge beside the checkout")
    for name, raw in mails.items():
        (tmp_path / f"{name}.eml").write_bytes(raw)
    paths = [str(path) for path in sorted(tmp_path.glob("*.eml"))]
    said = subprocess.run([sys.executable, str(judge), *paths], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-3000:]


LAID_OUT = {name.removeprefix("templates/"): text for name, text in LAYOUTS.items()}
"""What `nurture new company` begins with."""


def framed(language: str, body: str, form: str = "md") -> str:
    copy = Copy(language, "A subject", "What stands below it", body, form)
    return compile_mail(template(copies={language: copy}), LAID_OUT).copies[language].plain.html


def test_a_new_companys_mail_fits_a_phone_in_light_and_dark() -> None:
    page = framed("pl", f"# {'długiesłowo' * 20}\n\n![x](https://www.example.com/x.png)\n\n**[Więcej](https://x.example)**\n")
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page and "Wypisz się" in page
    for tag, style in (("img", "max-width"), ("td", "overflow-wrap"), ("a", "background-color")):
        assert re.search(rf"<{tag}\b[^>]*{style}", page), tag


def test_copy_is_read_in_its_own_direction() -> None:
    """Said at the copy, because programs that show mail drop what stands on the page; the footer keeps its own."""
    for language in ("ar", "he", "fa-IR", "ur"):
        page = framed(language, "شكرا\n")
        assert page.count('<div dir="rtl"') == 1 and re.search(r"<html\b[^>]*\bdir=", page) is None
    assert "rtl\"" not in framed("pl", "Dziękuję\n")
    own = "<!DOCTYPE html><html{}><body><p>שלום</p></body></html>"
    assert '<html dir="rtl">' in framed("he", own.format(""), "html")
    assert framed("he", own.format(' dir="ltr"'), "html").count("dir=") == 1


@pytest.mark.skipif(shutil.which("spamassassin") is None, reason="spamassassin is not installed")
@pytest.mark.slow
def test_spamassassin_finds_little_in_other_peoples_copy(mails: dict[str, bytes]) -> None:
    for name, rules in zip(mails, spam_reports(list(mails.values())), strict=True):
        assert sum(float(points) for points, _ in rules) < 3.0, (name, rules)
