"""Mail leaves its place only once it has been dealt with: maildir, IMAP, LMTP, SMTP; with real servers, and killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nurture.acts.inbound.watch import Watch
from nurture.errors import Unavailable, UsageError
from nurture.mail.inbound.imap import Imap
from nurture.mail.inbound.listener import Listener
from nurture.mail.inbound.maildir import Maildir
from nurture.mail.inbound.sources import parse_source, parse_sources
from nurture.store import open_store
from tests.inbound.world import NOW, Post

DOVECOT = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")


@pytest.fixture
def post(sqlite_url: str) -> Iterator[Post]:
    made = Post(open_store(sqlite_url))
    yield made
    made.store.close()


def drop(folder: Path, name: str, text: str) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / "new" / name
    path.write_bytes(text.encode())
    return path


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


# -- maildir -------------------------------------------------------------------------------------------------------


def test_a_maildir_is_emptied_once(post: Post, tmp_path: Path) -> None:
    box = tmp_path / "box"
    drop(box, "1.a.host", post.dsn(1))
    drop(box, "2.b.host", post.dsn(1))
    drop(box, "3.c.host", "From: new@firma.example\nSubject: hello\n\nHello\n")
    watch = Watch(post.parts, [Maildir(box)], lambda: NOW)
    assert dict(watch.once()) == {"bounce": 1, "repeated": 1, "stranger": 1}
    assert list((box / "new").iterdir()) == [] and {p.name[-4:] for p in (box / "cur").iterdir()} == {":2,S"}
    assert Watch(post.parts, [Maildir(box)], lambda: NOW).once() == {}


def test_while_the_database_is_away_mail_stays_where_it_is(post: Post, tmp_path: Path) -> None:
    path = drop(tmp_path / "box", "1.a.host", post.dsn(1))

    def away(arrived: Any) -> None:
        raise Unavailable("the database does not answer")

    with pytest.raises(Unavailable):
        Maildir(tmp_path / "box").once(away)
    assert path.exists()


def test_a_folder_that_is_no_maildir_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("x")
    with pytest.raises(UsageError, match="no maildir"):
        Maildir(tmp_path).once(lambda _: None)
    assert [p.name for p in tmp_path.iterdir()] == ["letters.txt"]


KILLED = """
import os, sys
from tests.inbound.killed import run
run(sys.argv[1], sys.argv[2], sys.argv[3])
"""


@pytest.mark.process
@pytest.mark.parametrize("at", ["effect", pytest.param("marked", marks=pytest.mark.slow), "committed"])
def test_killed_between_effect_and_mark_nothing_is_lost_or_done_twice(store_url: str, tmp_path: Path, at: str) -> None:
    post = Post(open_store(store_url), n=1)
    drop(tmp_path, "1.a.host", post.dsn(1))
    before = post.changes()
    arguments = [sys.executable, "-c", KILLED, store_url, str(tmp_path), at]
    ended = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, timeout=120, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert len(list((tmp_path / "new").iterdir())) == 1, "the file is still there"
    done = at == "committed"
    assert (post.changes() != before) is done and len(post.inbox()) == int(done)
    watch = Watch(post.parts, [Maildir(tmp_path)], lambda: NOW)
    assert dict(watch.once()) == ({"repeated": 1} if done else {"bounce": 1})
    assert post.suppressed() == ["hard_bounce"] and len(post.events("email_bounce")) == 1
    assert [row.handled_at for row in post.inbox()] == [NOW] and list((tmp_path / "new").iterdir()) == []
    post.store.close()


# -- LMTP and SMTP ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(scheme: str, handle: Any) -> Iterator[int]:
    listener = Listener(scheme, "127.0.0.1", 0)
    server = listener.start(handle)
    try:
        yield listener.port
    finally:
        server.stop()


@pytest.mark.parametrize(("scheme", "client"), [("lmtp", smtplib.LMTP), ("smtp", smtplib.SMTP)])
def test_a_listener_says_yes_only_after_the_commit(post: Post, scheme: str, client: Any) -> None:
    watch = Watch(post.parts, [], lambda: NOW)
    away = [True]

    def handle(arrived: Any) -> None:
        if away[0]:
            raise Unavailable("the database does not answer")
        watch.take(arrived)

    with listening(scheme, handle) as port, client("127.0.0.1", port) as server:
        report = post.dsn(1, to="ignored@example.com", returned=False).encode()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            server.sendmail("", [post.sent[0].sender], report)
        assert refused.value.smtp_code == 451 and post.inbox() == []
        away[0] = False
        if scheme == "smtp":
            server.rset()
        else:
            server.docmd("RSET")
        assert server.sendmail("", [post.sent[0].sender], report) == {}
    assert [e.lead_id for e in post.events("email_bounce")] == [1], "found by the envelope alone"


def test_lmtp_answers_once_per_recipient(post: Post) -> None:
    watch = Watch(post.parts, [], lambda: NOW)
    with listening("lmtp", watch.take) as port, socket.create_connection(("127.0.0.1", port)) as line:
        file = line.makefile("rwb")
        for said in (b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<a@x.example>", b"RCPT TO:<b@x.example>", b"DATA"):
            while file.readline()[3:4] != b" ":
                pass
            file.write(said + b"\r\n")
            file.flush()
        assert file.readline().startswith(b"354")
        file.write(b"From: a@firma.example\r\nSubject: hi\r\n\r\nhello\r\n.\r\n")
        file.flush()
        assert [file.readline()[:3] for _ in range(2)] == [b"250", b"250"]
    assert len(post.inbox()) == 1


# -- what goes out brings it back --------------------------------------------------------------------------------------


def test_the_return_address_of_a_real_smtp_session_brings_the_bounce_home(sqlite_url: str) -> None:
    """D8: the envelope sender on the wire, through our own SMTP client, and back."""
    from nurture.mail.smtp import over_smtp
    from nurture.stages import send
    from tests.faults.hell import HellServer
    from tests.mail.world import World

    with HellServer() as server:
        store = open_store(sqlite_url)
        world = World(store, over_smtp(f"smtp://127.0.0.1:{server.port}", {}))
        world.add(2)
        assert send.run(world.parts, now=NOW, limit=10, owner="w").sent == 2
        world.transport.close()
        senders = {a.recipient: a.sender for a in server.accepted}
    assert len(set(senders.values())) == 2
    for sender in senders.values():
        local, _, domain = sender.partition("@")
        assert local == local.lower() and len(local) <= 64 and local.startswith("b+") and domain == "lists.example.com"
    back = Post.__new__(Post)
    back.parts, back.store, back.world, back.sent = world.parts, store, world, []
    home = senders["lead2@example2.org"].upper()
    raw = f"From: MAILER-DAEMON@x\nTo: {home}\nSubject: failure notice\n\n<lead2@example2.org>:\n550 5.1.1 unknown\n"
    assert back.take(raw).kind == "bounce" and [e.lead_id for e in back.events("email_bounce")] == [2]
    store.close()


# -- IMAP --------------------------------------------------------------------------------------------------------------


class Dovecot:
    """A private server in the foreground of a folder of its own; `drop` delivers into its maildir."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mail = folder, folder / "mail"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        user, group = (subprocess.check_output(["id", flag], text=True).strip() for flag in ("-un", "-gn"))
        # Started by root it insists on its own unprivileged accounts.
        inner, login, group = ("dovecot", "dovenull", "dovecot") if user == "root" else (user, user, group)
        (folder / "users").write_text("nurture:{PLAIN}secret word\n")
        account = pwd.getpwnam(inner)
        self.owner = (account.pw_uid, account.pw_gid)
        for part in ("new", "cur", "tmp"):
            (self.mail / part).mkdir(parents=True)
        self.own()
        (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
default_internal_user = {inner}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 0
mail_location = maildir:{self.mail}
mailbox_idle_check_interval = 1 secs
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={account.pw_uid} gid={account.pw_gid} home={folder}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
""")
        assert DOVECOT is not None
        self.process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(folder / "dovecot.conf")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def own(self) -> None:
        for path in (self.folder, self.mail, *self.mail.rglob("*")):
            os.chown(path, *self.owner)

    def ready(self) -> None:
        end = time.monotonic() + 15
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                    if line.recv(100).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.05)
        log = (self.folder / "log").read_text() if (self.folder / "log").exists() else ""
        said = self.process.communicate()[0].decode()[-500:] if self.process.poll() is not None else ""
        raise AssertionError(f"dovecot did not come up: {log[-500:]} {said}")

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()

    def imap(self, **more: Any) -> Imap:
        return Imap("imap", "127.0.0.1", self.port, "nurture", "secret word", idle=30, today=lambda: NOW.date(), **more)


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Dovecot]:
    if DOVECOT is None:
        pytest.skip("no dovecot on this machine")
    folder = Path(f"/tmp/nd{os.getpid()}")  # socket paths are short
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    server = Dovecot(folder)
    try:
        server.ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.process
def test_imap_is_read_once_idles_and_comes_back_after_a_break(post: Post, dovecot: Dovecot) -> None:
    drop(dovecot.mail, "1.a.host", post.dsn(1))
    source = dovecot.imap()
    assert "1 to take in" in source.look()
    watch = Watch(post.parts, [source], lambda: NOW)
    assert dict(watch.once()) == {"bounce": 1}
    assert "0 to take in" in source.look()
    assert not any("S" in p.name.partition(":2,")[2] for p in (dovecot.mail / "cur").iterdir()), "unread for people"
    watch = Watch(post.parts, [dovecot.imap()], lambda: NOW)
    watch.start()
    try:
        drop(dovecot.mail, "2.b.host", post.dsn(2))
        until(lambda: watch.counted["bounce"] == 1)
        dovecot.stop()
        again = Dovecot.__new__(Dovecot)
        again.__dict__.update(dovecot.__dict__)
        drop(dovecot.mail, "3.c.host", post.dsn(3))
        again.process = subprocess.Popen([str(DOVECOT), "-F", "-c", str(dovecot.folder / "dovecot.conf")])
        dovecot.process = again.process
        dovecot.ready()
        until(lambda: watch.counted["bounce"] == 2, 40)
    finally:
        watch.stop()
    assert sorted(e.lead_id for e in post.events("email_bounce")) == [1, 2, 3]


@pytest.mark.process
def test_imap_marks_nothing_before_the_commit_and_moves_if_asked(post: Post, dovecot: Dovecot) -> None:
    drop(dovecot.mail, "1.a.host", post.dsn(1))
    (dovecot.mail / ".Done" / "cur").mkdir(parents=True)
    dovecot.own()

    def away(arrived: Any) -> None:
        raise Unavailable("the database does not answer")

    source = dovecot.imap(move_to="Done")
    with pytest.raises(Unavailable):
        source.once(away)
    assert "1 to take in" in source.look()
    assert source.once(lambda _: None) == 1 and "0 to take in" in source.look()
    assert len([p for p in (dovecot.mail / ".Done").rglob("*/*") if p.is_file()]) == 1
    wrong = Imap("imap", "127.0.0.1", dovecot.port, "nurture", "wrong", today=lambda: NOW.date())
    with pytest.raises(UsageError, match="does not open"):
        wrong.look()


def test_a_mailbox_that_is_away_is_said_in_one_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match="does not answer"):
        Imap("imap", "127.0.0.1", port, "a", "b", today=lambda: NOW.date()).look()


# -- settings ------------------------------------------------------------------------------------------------------


def test_sources_are_named_by_addresses() -> None:
    found = parse_sources(
        "maildir:/var/mail/n lmtp://127.0.0.1:8024 "
        "imaps://me%40x.example:p%20w@imap.example.com/Bounces?move=Done&days=3",
        today=lambda: NOW.date(),
    )
    assert [s.name for s in found] == ["maildir", "lmtp", "imap"]
    box = found[2]
    assert isinstance(box, Imap) and (box.port, box.folder, box.move_to, box.days) == (993, "Bounces", "Done", 3)
    assert "p w" not in repr(box) and "p w" not in str(vars(box).get("name"))


@pytest.mark.parametrize(
    "wrong",
    [
        "nonsense",
        "imaps://host/INBOX",
        "imap://a:b@imap.example.com/INBOX",
        "maildir:",
        "lmtp://host",
        "imaps://a:b@h:x/",
        "pop3://a:b@h/",
        "imaps://a:b@h/I?days=x",
    ],
)
def test_a_source_that_cannot_be_used_is_said_without_its_password(wrong: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_source(wrong, today=lambda: NOW.date())
    assert ":b@" not in str(told.value) and told.value.fix


def test_stopping_a_watch_ends_it(post: Post, tmp_path: Path) -> None:
    watch = Watch(post.parts, [Maildir(tmp_path / "box", pause=0.02), Listener("lmtp", "127.0.0.1", 0)], lambda: NOW)
    watch.start()
    drop(tmp_path / "box", "1.a.host", post.dsn(1))
    until(lambda: watch.counted["bounce"] == 1)
    watch.stop()
    assert not any(t.name.startswith("inbound-") and t.is_alive() for t in threading.enumerate())
