"""A mailbox read over IMAP: each mail is marked (or moved) only once it has been dealt with; IDLE brings new ones."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from threading import Event
from typing import Any, Final

from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted

from nurture.errors import Unavailable, UsageError
from nurture.mail.inbound.message import LARGEST
from nurture.model.inbound import Arrived

KEYWORD: Final = "NurtureTaken"
"""Our own mark: what people read in the same mailbox stays ours to read, and what we read stays unread for them."""
TIMEOUT: Final = 60.0
IDLE: Final = 240.0
"""Seconds; servers and routers forget silent connections after half an hour and less."""
RETRY: Final = (2.0, 5.0, 15.0, 60.0, 300.0)
_AWAY: Final = (OSError, imaplib.IMAP4.error, ImapToolsError)


class Imap:
    """One folder. `move_to`: put what is done there; else it is marked with a keyword, or `\\Seen` where those are
    not allowed. Only mails of the last `days` are looked at: an old mailbox is not a crowd of strangers.
    """

    def __init__(
        self, scheme: str, host: str, port: int, user: str, password: str, *, folder: str = "INBOX", move_to: str = "",
        days: int = 14, verify: bool = True, idle: float = IDLE, today: Callable[[], date],
    ) -> None:
        self.scheme, self.host, self.port = scheme, host, port
        self._user, self._password = user, password
        self.folder, self.move_to, self.days, self.verify, self.idle = folder, move_to, days, verify, idle
        self.today = today
        self.name = "imap"

    def look(self) -> str:
        """What is there, in one sentence. Raises Unavailable or UsageError where nobody gets in."""
        with self._open() as box:
            return f"{self.host} lets us into `{self.folder}`: {len(self._new(box))} to take in"

    def once(self, handle: Callable[[Arrived], None]) -> int:
        with self._open() as box:
            return self._take(box, handle)

    def watch(self, handle: Callable[[Arrived], None], stop: Event, say: Callable[[str], None]) -> None:
        failures = 0
        while not stop.is_set():
            try:
                with self._open() as box:
                    while not stop.is_set():
                        self._take(box, handle)
                        failures = 0
                        self._wait(box, stop)
            except (Unavailable, UsageError) as away:
                say(away.message)
                stop.wait(RETRY[min(failures, len(RETRY) - 1)])
                failures += 1

    @contextmanager
    def _open(self) -> Iterator[BaseMailBox]:
        """Raises Unavailable for a server that is away, UsageError for one that does not let us in."""
        try:
            box = self._connect()
        except _AWAY as away:
            raise Unavailable(f"The mailbox at {self.host} does not answer: {_said(away)}.") from None
        try:
            try:
                box.login(self._user, self._password, initial_folder=self.folder)
            except _AWAY as no:
                raise UsageError(
                    f"The mailbox at {self.host} does not open `{self.folder}` for this user: {_said(no)}.",
                    fix="Look at user, password and folder in NURTURE_INBOUND.",
                ) from None
            try:
                yield box
            except _AWAY as lost:
                raise Unavailable(f"The connection to the mailbox at {self.host} was lost: {_said(lost)}.") from None
        finally:
            _close(box)

    def _connect(self) -> BaseMailBox:
        if self.scheme == "imap":
            return MailBoxUnencrypted(self.host, self.port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        kind = MailBox if self.scheme == "imaps" else MailBoxStartTls
        return kind(self.host, self.port, timeout=TIMEOUT, ssl_context=context)

    def _new(self, box: BaseMailBox) -> list[str]:
        """Numbers (UIDs) of mails nobody has dealt with."""
        own = self._own_marks(box)
        asked = ["SINCE", (self.today() - timedelta(days=self.days)).strftime("%d-%b-%Y"), "UNDELETED"]
        if not self.move_to:
            asked += ["UNKEYWORD", KEYWORD] if own else ["UNSEEN"]
        return list(box.uids(" ".join(asked)))

    def _take(self, box: BaseMailBox, handle: Callable[[Arrived], None]) -> int:
        taken = 0
        for uid in self._new(box):
            raw = _fetch(box, uid)
            if raw is None:
                continue
            handle(Arrived(raw, self.name))
            if self.move_to:
                box.move(uid, self.move_to)
            else:
                box.flag(uid, KEYWORD if self._own_marks(box) else r"\Seen", True)
            taken += 1
        return taken

    @staticmethod
    def _own_marks(box: BaseMailBox) -> bool:
        """Whether the folder takes keywords of our own (RFC 3501: PERMANENTFLAGS with `\\*`)."""
        told = box.client.untagged_responses.get("PERMANENTFLAGS") or [b""]
        return any(rb"\*" in t or KEYWORD.encode() in t for t in told if isinstance(t, bytes))

    def _wait(self, box: BaseMailBox, stop: Event) -> None:
        """Until something comes, somebody asks us to stop, or the connection wants to be used."""
        if "IDLE" not in box.client.capabilities:
            stop.wait(min(30.0, self.idle))
            box.client.noop()
            return
        idle: Any = box.idle
        idle.start()
        waited = 0.0
        while waited < self.idle and not stop.is_set():
            if idle.poll(timeout=1):
                break
            waited += 1
        idle.stop()


def _fetch(box: BaseMailBox, uid: str) -> bytes | None:
    """The first bytes of a mail as they are, without marking it as read."""
    _, found = box.client.uid("fetch", uid, f"(BODY.PEEK[]<0.{LARGEST + 1}>)")
    return next((bytes(part[1]) for part in found or () if isinstance(part, tuple)), None)


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text.rstrip(".")


def _close(box: Any) -> None:
    try:
        box.logout()
    except (*_AWAY, AttributeError):
        return
