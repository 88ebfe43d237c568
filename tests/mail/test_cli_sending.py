"""The commands around sending, run as a user runs them: in a folder with files, on a database file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nurture.mail.domain import Unreachable, ask
from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route
from nurture.stages import send
from nurture.store import open_store
from nurture.store.facts import events
from nurture.store.mail import brakes
from nurture.store.schema import ensure
from tests.command import Run, runner
from tests.faults.hell import Fault, HellServer
from tests.faults.test_smtp_table import QUICK
from tests.mail.world import NOW, World

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(
        monkeypatch, capfd, NURTURE_DATABASE_URL=f"sqlite:///{tmp_path}/n.db", NURTURE_VAR_DIR=str(tmp_path),
        NURTURE_CAMPAIGNS_DIR=str(ROOT / "campaigns"), NURTURE_TEMPLATES_DIR=str(ROOT / "templates"),
        NURTURE_PUBLIC_URL="https://go.example.com", NURTURE_NOW=NOW.isoformat(), COLUMNS="200",
    )


@pytest.mark.parametrize("who", ["real", "empty", "nasty"])
@pytest.mark.parametrize("form", ["html", "text", "raw"])
def test_preview(run: Run, who: str, form: str) -> None:
    code, said = run("preview", "awareness/guide", "--as", who, "--format", form)
    assert code == 0 and "{{" not in said
    wanted = {"html": "<html", "text": "Subject: ", "raw": "List-Unsubscribe-Post: List-Unsubscribe=One-Click"}
    assert wanted[form] in said


def test_preview_of_a_step_a_variant_and_of_nothing(run: Run) -> None:
    code, said = run("preview", "consideration-proof/case-study", "--variant", "question")
    assert code == 0 and "Anna" in said.splitlines()[0]
    assert run("preview", "consideration-proof/case-study", "--variant", "third")[0] == 2
    code, said = run("preview", "no/such")
    assert code == 2 and "awareness/guide" in said and "Traceback" not in said
    assert run("preview", "awareness/guide", "--format", "pdf")[0] == 2


def test_sends_resend_and_queue(run: Run, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/n.db")
    ensure(store)
    faults = [Fault("rcpt", "say", "550 nobody of that name", times=None, to="lead2@")]
    with HellServer(faults=faults) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port, timeouts=QUICK)]))
        world.add(3)
        send.run(world.parts, now=NOW, limit=10, owner="w")
    rows = _json(run("sends", "--campaign", "guide", "--failed", "--json"))
    assert [r["lead_id"] for r in rows] == [2] and "550" in rows[0]["reply"]
    assert len(_json(run("sends", "--json"))) == 3 and "lead2@" in run("sends", "--failed")[1]
    assert run("sends", "--state", "lost")[0] == 2 and run("resend")[0] == 2
    assert run("sends", "--campaign", "giude")[0] == 2 and run("resend", "--campaign", "giude")[0] == 2
    assert _json(run("resend", "--campaign", "guide", "--json")) == {"again": [rows[0]["id"]], "left": []}
    assert run("resend", str(rows[0]["id"]))[0] == 1, "it did not fail any more"
    waiting = _json(run("queue", "--json"))["waiting"]
    assert [(w["state"], w["messages"], w["due"]) for w in waiting] == [("planned", 1, 1)]
    assert "planned" in run("queue")[1]


def test_what_nobody_knows_the_end_of_is_explained_and_goes_again_only_when_asked_for(run: Run, tmp_path: Path) -> None:
    """Three mails are unknown, one of them was clicked: never by the number alone, never the one that arrived, and the
    copy has the same Message-ID."""
    store = open_store(f"sqlite:///{tmp_path}/n.db")
    ensure(store)
    with HellServer([Fault("dot", "drop", times=3, accept=True)]) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port, timeouts=QUICK)]))
        world.add(3)
        assert send.run(world.parts, now=NOW, limit=10, owner="w").unknown == 3
        ids = [str(m.id) for m in world.messages()]
        with store.begin() as conn:
            events.record(conn, [events.NewEvent("email_click", NOW, 2, message_id=int(ids[1]))], now=NOW)
        told = " ".join(run("sends", "--state", "unknown")[1].split())
        assert "It counts as sent" in told and "it arrived: email click" in told and "--unknown" in run("queue")[1]
        assert [row["sign"] for row in _json(run("sends", "--json"))] == [None, "email_click", None]
        code, said = run("resend", *ids)
        assert code == 1 and "2 left alone: unknown, the server may have taken them" in said and "1 left alone" in said
        again = {"again": [int(ids[0]), int(ids[2])], "left": [int(ids[1])]}
        assert _json(run("resend", "--campaign", "guide", "--unknown", "--json")) == again
        assert send.run(world.parts, now=NOW, limit=10, owner="w").sent == 2
        assert sorted(server.copies().values()) == [1, 2, 2], "under the same Message-IDs"


def test_what_is_held_back_is_shown_and_let_go_and_the_books_are_printed(run: Run, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/n.db")
    ensure(store)
    world = World(store)
    world.add(3)
    with store.begin() as conn:
        brakes.hold(conn, "sender:example.com", "3 complaints about 100 mails", now=NOW)
    assert send.run(world.parts, now=NOW, limit=10, owner="w").due == 0
    assert [h["what"] for h in _json(run("queue", "--json"))["halts"]] == ["sender:example.com"]
    assert "3 complaints" in run("queue")[1]
    assert run("release", "sender:other.org")[0] == 1
    freed = {"released": ["sender:example.com"], "not_held": [], "due_now": 0}
    assert _json(run("release", "sender:example.com", "--json")) == freed
    assert send.run(world.parts, now=NOW, limit=10, owner="w").sent == 3
    code, said = run("metrics")
    assert code == 0 and 'nurture_mail_books{campaign="guide",column="sent"} 3.0' in said


def test_who_mended_a_route_need_not_wait_for_the_next_try(run: Run, tmp_path: Path) -> None:
    """A wrong password rests the route for half an hour, and its mails with it; released, they are due at once."""
    store = open_store(f"sqlite:///{tmp_path}/n.db")
    ensure(store)
    with HellServer([Fault("mail", "say", "530 5.7.0 log in first", times=None)]) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port)]))
        world.add(2)
        assert send.run(world.parts, now=NOW, limit=10, owner="w").sent == 0
        world.parts.transport.close()
    (waits,) = _json(run("queue", "--json"))["waiting"]
    assert (waits["messages"], waits["due"], waits["reason"]) == (2, 0, "sender")
    assert "UTC" in run("queue")[1] and "+00:00" not in run("queue")[1]
    assert _json(run("release", "route:main", "--json"))["due_now"] == 2
    assert _json(run("queue", "--json"))["waiting"][0]["due"] == 2


def test_send_test(run: Run) -> None:
    with HellServer() as server:
        code, said = run("send-test", "awareness/guide", "--to", "me@example.com", NURTURE_SMTP_URL=f"smtp://127.0.0.1:{server.port}")
    assert code == 0, said
    (copy,) = server.accepted
    assert copy.recipient == "me@example.com" and b"Subject: [Test] " in copy.raw and b"/c/" not in copy.raw
    assert run("sends", "--json")[1].strip() == "[]", "never counted"
    away = f"smtp://127.0.0.1:{server.port}"
    code, said = run("send-test", "awareness/guide", "--to", "me@example.com", NURTURE_SMTP_URL=away)
    assert code == 3 and "NURTURE_SMTP_URL" in said, "a server that is away is said to be away"


def _json(ended: tuple[int, str]) -> Any:
    assert ended[0] == 0, ended[1]
    return json.loads(ended[1])


GOOD = {
    "example.com": ["v=spf1 include:relay.example -all"], "s1._domainkey.example.com": ["v=DKIM1; k=rsa; p=AAAA"],
    "_dmarc.example.com": ["v=DMARC1; p=none"], "relay.example": ["v=spf1 ip4:192.0.2.1 -all"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("example.com", "SPF of example.com"),
        ("s1._domainkey.example.com", "DKIM key"),
        ("_dmarc.example.com", "DMARC policy"),
    ],
)
def test_doctor_says_what_to_publish(missing: str, what: str) -> None:
    published = {name: records for name, records in GOOD.items() if name != missing}
    found = ask("example.com", selector="s1", bounce_domain="example.com", lookup=lambda name: published.get(name, []))
    assert [f.what for f in found if not f.good] == [what]
    assert all(f.todo for f in found if not f.good)


def test_doctor_on_alignment_keys_and_silence() -> None:
    def look(name: str) -> list[str]:
        return GOOD.get(name, GOOD["example.com"] if name == "bounces.example" else [])

    assert all(f.good for f in ask("example.com", selector="s1", bounce_domain="example.com", lookup=look))
    sub = ask("news.example.com", selector="s1", bounce_domain="example.com", lookup=look)
    assert [f.what for f in sub if not f.good] == ["DKIM key"], "DMARC of the organisation counts, and aligns"
    far = ask("example.com", selector="none", bounce_domain="bounces.example", lookup=look)
    assert not far[-1].good and "list_domain" in far[-1].todo
    own = "v=DKIM1; k=rsa; p=BBBB"
    ours = ask("example.com", selector="s1", bounce_domain="example.com", expected=own, lookup=look)
    assert [f.what for f in ours if not f.good] == ["DKIM key"]

    def silent(name: str) -> list[str]:
        raise Unreachable("timed out")

    (only,) = ask("example.com", selector="s1", bounce_domain="example.com", lookup=silent)
    assert not only.good and "no answer" in only.found
