"""Every shipped template, in every language and for three kinds of lead, as raw bytes: the statements U, H, A and F."""

from __future__ import annotations

import email
import email.policy
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest

from nurture.authoring import read_folder
from nurture.insight import preview

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
READING = read_folder(ROOT / "campaigns", ROOT / "templates")
LIBRARY = READING.library or READING.draft
assert LIBRARY is not None
CASES = [
    (name, language, who)
    for name, template in sorted(LIBRARY.templates.items())
    for language in sorted(template.copies)
    for who in ("real", "empty", "nasty")
]


def made(name: str, language: str, who: str) -> bytes:
    assert LIBRARY is not None
    words = preview.words_of(LIBRARY, who)
    asked = preview.find(LIBRARY, name)
    shown = preview.show(LIBRARY, asked, words, public_url="https://go.example.com", language=language, now=NOW)
    return shown.raw


def fields(raw: bytes) -> list[tuple[str, str]]:
    head = re.sub(rb"\r\n[ \t]+", b" ", raw.partition(b"\r\n\r\n")[0])
    pairs = (line.decode("latin-1").partition(": ") for line in head.split(b"\r\n"))
    return [(name, value) for name, _, value in pairs]


@pytest.mark.parametrize(("name", "language", "who"), CASES)
def test_raw_bytes(name: str, language: str, who: str) -> None:
    raw = made(name, language, who)
    given = fields(raw)
    names = [n for n, _ in given]
    value = dict(given)
    for once in ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Auto-Submitted"):
        assert names.count(once) == 1, once  # H1, A1
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", raw)  # H2
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))  # H2
    assert all(len(word) <= 75 for word in re.findall(r"=\?[^?]+\?[bBqQ]\?[^?]*\?=", str(given)))  # H3
    if "List-Unsubscribe" in value:
        assert names.count("List-Unsubscribe") == names.count("List-Unsubscribe-Post") == 1  # U1
        assert len(re.findall(r"<https://[^>\s]+>", value["List-Unsubscribe"])) == 1  # U2
        assert "<mailto:" in value["List-Unsubscribe"] and "=?" not in value["List-Unsubscribe"]  # U2
        assert value["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"  # U3
        assert re.fullmatch(r'(?:"[^"]*" )?<[a-z0-9.-]+>', value["List-ID"]) and len(value["List-ID"]) <= 255  # U14
        assert re.fullmatch(r"(?:[^:]+:){1,3}[a-z0-9]{5,15}", value["Feedback-ID"])  # F1
        assert value["Precedence"] == "bulk"  # A1
    message = cast(EmailMessage, email.message_from_bytes(raw, policy=email.policy.default))
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]  # H8
    assert not any(part.defects for part in message.walk())
    text, html = (p.get_content() for p in message.iter_parts())
    assert text.strip() and len(html.encode()) < 102_000
    assert not re.search(r"\{\{|\{%|\bUndefined\b|qj\d+qj", text + html)
    assert "/u/" in text and "/u/" in html  # U12
    assert "<script" not in html.lower()
    links = {h for h in re.findall(r'href="([^"]+)"', html) if h.startswith("https://www.")}
    assert LIBRARY is not None
    in_text = {*re.findall(r"https://[^\s)>]+", text), LIBRARY.company.website}
    assert {h.replace("&amp;", "&") for h in links if "privacy" not in h} <= in_text


def spam_reports(mails: Sequence[bytes]) -> list[list[tuple[str, str]]]:
    """(points, rule) per mail. One run for all: starting it costs more than reading a hundred mails."""
    box = b"".join(
        b"From ines@example.com Mon Nov 23 09:00:00 2026\n" + re.sub(rb"(?m)^From ", b">From ", raw) + b"\n"
        for raw in (mail.replace(b"\r\n", b"\n") for mail in mails)
    )
    run = subprocess.run(["spamassassin", "-t", "-L", "--mbox"], input=box, capture_output=True, check=False)
    parts = run.stdout.decode("utf-8", "replace").split("Content analysis details:")[1:]
    assert len(parts) == len(mails), run.stderr.decode("utf-8", "replace")[-2000:]
    return [re.findall(r"^\s*(-?\d+\.\d) ([A-Z_0-9]+)", part, re.MULTILINE) for part in parts]


@pytest.mark.skipif(shutil.which("spamassassin") is None, reason="spamassassin is not installed")
@pytest.mark.slow
def test_spamassassin_finds_little() -> None:
    shipped = sorted({(n, lang) for n, lang, _ in CASES})
    for case, rules in zip(shipped, spam_reports([made(*case, "real") for case in shipped]), strict=True):
        total = sum(float(points) for points, _ in rules)
        assert total < 2.0 and all(float(points) < 1.5 for points, _ in rules), (case, rules)


def test_the_outside_judge_has_nothing_to_say(tmp_path: Path) -> None:
    judge = ROOT.parent / "shared" / "judges" / "mail_lint.py"
    if not judge.is_file():
        pytest.skip("no judge beside the checkout")
    paths = []
    for i, case in enumerate(CASES):
        path = tmp_path / f"{i}-{case[1]}-{case[2]}.eml"
        path.write_bytes(made(*case))
        paths.append(str(path))
    said = subprocess.run([sys.executable, str(judge), *paths], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-2000:]
