"""Bounces that no standard describes: who is meant, and what became of the mail, told from prose."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from email import message_from_bytes
from typing import Final

from flufl.bounce import all_failures

from nurture.mail.inbound import status, words
from nurture.mail.inbound.message import Mail, addresses, mailbox
from nurture.model.inbound import Action, Reason, Struck
from nurture.model.tokens import normal_address

# Its detectors log a traceback for what they cannot read; we keep such mails for a human instead.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)

SCANNED: Final = 200_000
MOST: Final = 50
_RCPT: Final = re.compile(r"rcpt to:\s*<?([^\s<>]{1,64}@[A-Za-z0-9.-]{3,253})", re.IGNORECASE)


_TRANSCRIPT: Final = re.compile(
    r"^[45]\d\d[ -](?:[45]\.\d\.\d{1,3} )?(<?[^\s<>]{1,64}@[A-Za-z0-9.-]{3,253}>?)\.\.\. ", re.MULTILINE
)


def is_warning(text: str) -> bool:
    """It says that it has not arrived yet, and does not say that nobody will try again."""
    return words.WARNING.search(text) is not None and words.OVER.search(text) is None


def from_daemon(mail: Mail) -> bool:
    return any(words.DAEMON.match(_writer(mail.header(name))) for name in ("From", "Sender"))


def _writer(field: str) -> str:
    """The address of a From field; of one without any, what stands in its place."""
    named, _, inside = field.partition("<")
    return mailbox(field)[1] or inside.strip("> ") or named.strip('" ')


def by_mail_system(mail: Mail) -> bool:
    """Whether a mail system itself wrote, whatever it wants to say."""
    return _writer(mail.header("From")).lower().partition("@")[0] in (
        "mailer-daemon",
        "postmaster",
        "post_master",
        "mdaemon",
    )


def prose(mail: Mail, text: str, meant: list[str]) -> tuple[str, list[Struck]] | None:
    """What a mail without machine-readable blocks says of whom; None for one that is no bounce.

    `meant` are the recipients of the mail it returns. An empty address in the answer: it says what, but not of whom.
    """
    sign = _sign(mail, text)
    if sign is None:
        return None
    temporary, permanent = _flufl(mail)
    found = _named(mail, text, meant, [*permanent, *temporary])
    warning = is_warning(f"{mail.header('Subject')}\n{text}")
    struck = [
        _one(address, around_of(text, address, found), text, warning, address in temporary) for address in found[:MOST]
    ]
    if (
        len(struck) == 1
        and not struck[0].status
        and struck[0].reason is Reason.UNKNOWN
        and not words.SAYS_SO.search(text)
        and not temporary
        and not permanent
        and not warning
    ):
        return None
    return sign, struck


def _sign(mail: Mail, text: str) -> str | None:
    """By what it shows that a mail system speaks, and about a mail that did not arrive."""
    if mail.has("X-Failed-Recipients"):
        return "X-Failed-Recipients"
    subject = mail.header("Subject")
    # A person may answer a bounce, or ask about one; then it needs more than its subject.
    answers = words.ANSWER_SUBJECT.match(subject) and not from_daemon(mail)
    if words.BOUNCE_SUBJECT.match(subject) and (not answers or any(_flufl(mail))):
        return "subject of a bounce"
    report = (
        mail.root.get_content_type() == "multipart/report"
        and "disposition" not in str(mail.root.get("Content-Type", "")).lower()
    )
    if report and "feedback" not in str(mail.root.get("Content-Type", "")).lower():
        return "multipart/report"
    null = mail.header("Return-Path") == "<>"
    if (from_daemon(mail) or null) and (words.SAYS_SO.search(text[:5000]) or is_warning(text[:5000])):
        return "a mail system says that it did not arrive" if not null or from_daemon(mail) else _null(mail)
    if from_daemon(mail) and any(_flufl(mail)):
        return "a mail system, known to flufl.bounce"
    return None


def _null(mail: Mail) -> str | None:
    """An absence notice has a null sender too; what answers automatically is no bounce unless it says so elsewhere."""
    answers = mail.header("Auto-Submitted").lower().startswith("auto-replied") or mail.has(
        "X-Autoreply", "X-Autorespond"
    )
    return None if answers else "null sender, and it says that it did not arrive"


def _flufl(mail: Mail) -> tuple[list[str], list[str]]:
    """(temporary, permanent) addresses by the library's detectors; they crash on some mails, and then find nothing."""
    try:
        temporary, permanent = all_failures(message_from_bytes(mail.raw[:SCANNED]))
    except Exception:  # whatever a detector stumbles over, the mail is read by our own rules
        return [], []
    return _normal(temporary - permanent), _normal(permanent)


def _normal(found: Iterable[bytes]) -> list[str]:
    said = [a.decode("ascii", "replace") for a in found]
    return sorted({normal_address(a) for a in said if "@" in a})


def _named(mail: Mail, text: str, meant: list[str], detected: list[str]) -> list[str]:
    """Whom it is about, the surest source first; [""] where it does not say."""
    failed = addresses(mail.header("X-Failed-Recipients"))
    if failed:
        return failed
    ours = {mailbox(mail.header(name))[1] for name in ("From", "To", "Sender", "Reply-To")}
    told = list(dict.fromkeys([*detected, *_transcribed(text)]))
    if told:
        return [a for a in told if a in meant or _may_be(a, ours)] or told
    lines = [
        normal_address(m.group(1).strip("."))
        for line in text[:20_000].splitlines()[:400]
        if (m := words.ADDRESS_LINE.match(line[:400]))
    ]
    lines += [normal_address(a) for a in _RCPT.findall(text[:20_000])]
    at_lines = [a for a in dict.fromkeys(lines) if _may_be(a, ours)]
    anywhere = [a for a in addresses(text[:20_000]) if _may_be(a, ours)]
    for found in ([a for a in at_lines if a in meant], [a for a in anywhere if a in meant], at_lines):
        if found:
            return found
    if len(anywhere) == 1:
        return anywhere
    return meant if len(meant) == 1 else [""]


def _transcribed(text: str) -> list[str]:
    """Whom the transcript of a mail session says a refusal of."""
    return addresses(" ".join(_TRANSCRIPT.findall(text[:20_000])))


def _may_be(address: str, ours: set[str]) -> bool:
    local = address.partition("@")[0]
    return address not in ours and not words.DAEMON.match(address) and not re.match(r"[bu]\+[a-z2-7]{25,}", local)


def around_of(text: str, address: str, all_of_them: list[str]) -> str:
    """The lines that speak of this address: from where it stands to where the next one does."""
    if len(all_of_them) < 2 or not address:
        return text[:6000]
    low = text[:20_000].lower()
    start = low.find(address)
    if start < 0:
        return text[:6000]
    others = [at for other in all_of_them if other != address and (at := low.find(other, start + len(address))) > 0]
    return text[start : min([*others, start + 1200])]


def spoken(around: str) -> str:
    """The other server's own words inside prose: what an agent says of its own accord is weaker."""
    for pattern in words.SPOKEN:
        found = pattern.search(around)
        if found is not None:
            return " ".join(found.group(1).split())
    return ""


def _one(address: str, around: str, text: str, warning: bool, temporary: bool) -> Struck:
    action = Action.DELAYED if warning or temporary else Action.FAILED
    made = status.struck(address, action, said=spoken(around), around=around)
    if made.reason is Reason.UNKNOWN and around != text:
        made = status.struck(address, action, around=text[:6000])
    return made
