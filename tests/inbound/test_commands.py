"""`nurture inbound` and `nurture doctor inbound` as a user runs them, and what `nurture up` starts."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.command import Run, runner
from tests.inbound.test_sources import drop, until
from tests.inbound.world import NOW

STRANGER = "From: Jan Novak <jan@firma.example>\nTo: hello@example.com\nSubject: hi\n\nHello, what does it cost?\n"
REPORT = (
    "From: MAILER-DAEMON@mx.example\nSubject: failure notice \x1b[31m\n\n"
    "<a@b.example>:\n550 5.1.1 no such user\x1b[2J\n"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(
        monkeypatch, capfd, NURTURE_DATABASE_URL=f"sqlite:///{tmp_path}/n.db", NURTURE_VAR_DIR=str(tmp_path / "var"),
        NURTURE_NOW=NOW.isoformat(), NURTURE_INBOUND="", COLUMNS="200",
    )


def test_from_a_maildir_to_a_decision(run: Run, tmp_path: Path) -> None:
    assert run("inbound")[0] == 2
    box = tmp_path / "box"
    drop(box, "1.a.host", STRANGER)
    drop(box, "2.b.host", REPORT)
    assert run("inbound", NURTURE_INBOUND=f"maildir:{box}")[1].startswith("taken in: 1 review, 1 stranger\n")
    assert run("inbound") == (0, "no new mail\n")
    waiting = json.loads(run("inbound", "list", "--json")[1])
    assert [(row["kind"], row["summary"]["suggested"]) for row in waiting] == [("review", "bounce")]
    number = str(waiting[0]["id"])
    for words in (("list",), ("list", "--all"), ("show", number), ("show", number, "--raw")):
        code, said = run("inbound", *words)
        assert code == 0 and "\x1b" not in said and "failure notice" in said
    assert "jan@firma.example" in run("inbound", "list", "--kind", "stranger")[1]
    code, said = run("inbound", "decide", number, "--as", "bounce", "--by", "Ines")
    assert code == 2 and "--lead" in said
    assert run("inbound", "decide", number, "--as", "bounce", "--by", "Ines", "--lead", "jan@firma.example")[0] == 0
    assert "already" in run("inbound", "decide", number, "--as", "ignore", "--by", "Ines")[1]
    assert json.loads(run("inbound", "list", "--json")[1]) == []
    assert "NURTURE_INBOUND" in run("inbound", "--from", "pop3://x")[1]
    assert run("inbound", "show", "99")[0] == 1 and run("inbound", "list", "--kind", "x")[0] == 2


def test_the_doctor_says_whether_anything_can_come_in(run: Run, tmp_path: Path) -> None:
    code, said = run("doctor", "inbound")
    assert code == 1 and "reach nobody" in said
    code, said = run("doctor", "inbound", NURTURE_INBOUND=f"maildir:{tmp_path}/box lmtp://127.0.0.1:8024")
    assert code == 0 and "b+*@" in said and "u+*@" in said and "0 to take in" in said
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = f"imap://a:pass-word@127.0.0.1:{free.getsockname()[1]}/INBOX"
        code, said = run("doctor", "inbound", NURTURE_INBOUND=away)
    assert code == 1 and "does not answer" in said and "pass-word" not in said
    hooks = json.dumps({"postmark": "a:pass-word", "nobody": "x"})
    code, said = run("doctor", "inbound", NURTURE_INBOUND="", NURTURE_INBOUND_WEBHOOKS=hooks)
    assert code == 1 and "/inbound/postmark" in said and "no provider" in said and "pass-word" not in said


@pytest.mark.process
def test_up_takes_in_what_comes(tmp_path: Path) -> None:
    from flows.installation import Installation
    from nurture.clock import FixedClock
    from nurture.settings import Settings

    chosen = Settings(
        database_url=f"sqlite:///{tmp_path}/n.db",
        var_dir=tmp_path / "var",
        prefect=False,
        port=0,
        inbound=f"maildir:{tmp_path}/box",
    )
    with Installation(chosen, clock=FixedClock(NOW)) as running:
        drop(tmp_path / "box", "1.a.host", STRANGER)
        until(lambda: running.inbound.counted["stranger"] == 1)
    assert list((tmp_path / "box" / "new").iterdir()) == []
