"""What an SMTP reply means for a message, its address, the receiving domain group and our own route.

The class digit of the three-digit code wins over a contradicting enhanced code (RFC 5321 4.2.1); the enhanced code
(RFC 3463) says whose fault it is. Nothing here reads the clock: waits are counted from `now`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from nurture.model.delivery import OF_THE_ROUTE, Blame, Fate, Judgement, Phase, Reply

ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")

NO_SUCH_ADDRESS: Final = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
"""5.1.x codes that say the address will never work (RFC 3463, RFC 7505). 5.1.8 and 5.1.7 blame the sender."""
SENDERS_ADDRESS: Final = frozenset({"1.7", "1.8", "1.9"})
MAILBOX_TROUBLE: Final = frozenset({"2.2", "2.3", "2.4", "3.1"})
TOO_BIG: Final = frozenset({"2.3", "3.4"})
"""Too big for the mailbox's rules, or for the server's: it will not fit tomorrow either."""
DISABLED: Final = "2.1"
NEEDS_UTF8: Final = "6.7"

# Sites without enhanced codes say it in words. Only phrases that cannot mean anything else stand here: a wrong "hard"
# blocks a person for good.
_UNKNOWN_USER: Final = re.compile(
    r"user unknown|unknown user|no such (user|recipient|mailbox|address)|mailbox (not found|unavailable: not found)"
    r"|does not exist|unknown (recipient|address|mailbox)|recipient (not found|unknown)|invalid (recipient|mailbox)"
    r"|address (unknown|not found)|not a (known user|valid recipient)|user not exist|nonexistent user"
    r"|user doesn't have an? \S+ account",
    re.IGNORECASE,
)
_POLICY_WORDS: Final = re.compile(
    r"spam|block(ed|list)|black.?list|reputation|policy|dmarc|\bspf\b|\bdkim\b|unauthenticated|rate.?limit|too many"
    r"|reject(ed)? (due to|for) content|denied by|not authorized|\b(dns|r)bl\b|(dns)?[br]l\.|\blisted (at|in|by|on)\b"
    r"|\b(your|client|sending|invalid) ip\b|^ip[=:]|reverse dns|\bptr\b|throttl",
    re.IGNORECASE,
)
_SENDER_WORDS: Final = re.compile(
    r"sender (address )?(verif|rejected|callout|denied)|verification failed for|domain of sender"
    r"|(envelope )?sender\b[^.\n]{0,60}(not exist|unknown|must exist|resolve)",
    re.IGNORECASE,
)
"""A server that asks ours about the sender quotes our answer, and with it a code that is not about the recipient."""
_RELAY_WORDS: Final = re.compile(
    r"relay(ing)? (access )?(denied|not permitted|prohibited)|unable to relay|authentication required", re.IGNORECASE
)
_FULL_WORDS: Final = re.compile(
    r"mailbox (is )?full|full mailbox|over ?quota|quota exceeded|insufficient (system )?storage"
    r"|out of (storage )?space",
    re.IGNORECASE,
)
_TOO_BIG_WORDS: Final = re.compile(
    r"\b(message|mail|e-?mail|data)\b[^.\n]{0,40}\btoo (big|large|long)\b|\btoo much (mail |message )?data\b"
    r"|\b(message|mail|data)( file)? (size|length)\b[^.\n]{0,40}exceed|exceed[^.\n]{0,40}\b(message|mail) (size|length)"
    r"|size limit for (a |one )?(message|mail)",
    re.IGNORECASE,
)
_ROOM_WORDS: Final = re.compile(r"quota|mailbox|storage|space", re.IGNORECASE)
"""552 is both: a mail too big for the server, and a mailbox without room, which may be emptied."""
_MANY_WORDS: Final = re.compile(r"too many (\w+ ){0,3}(recipients|users|addresses|messages|mails)", re.IGNORECASE)
"""Said of what we did before, also where it speaks of unknown recipients."""
_RATE_WORDS: Final = re.compile(r"rate|too many|throttl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a message is tried, and how we slow down. Greylisting wants five minutes and more (RFC 6647 5)."""

    waits: tuple[timedelta, ...] = (
        timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=3),
    )
    give_up_after: timedelta = timedelta(days=2)
    group_pause: timedelta = timedelta(minutes=10)
    longest_group_pause: timedelta = timedelta(hours=6)
    route_pause: timedelta = timedelta(minutes=2)
    disabled_twice: int = 2


_OURS: Final = {
    Phase.GREETING: "the mail server turns us away",
    Phase.HELLO: "the mail server and we do not agree on a greeting or on encryption",
    Phase.AUTH: "the mail server does not let us in",
}
PATIENCE: Final = Patience()
SENT: Final = Judgement(Fate.SENT, "the server took it")


def enhanced_code(text: str) -> str | None:
    """The enhanced status code in a reply (`5.1.1`), or None."""
    found = ENHANCED.search(text)
    return found.group(0) if found else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try this was. `number` counts from 1; `jitter` in 0..1 spreads retries (a hash, not chance)."""

    number: int
    first_at: datetime
    jitter: float = 0.0


def took(reply: Reply) -> bool:
    """A yes to the whole message: nothing is left to judge."""
    return reply.phase is Phase.BODY and reply.code is not None and 200 <= reply.code < 300


def judge(reply: Reply, *, attempt: Attempt, now: datetime, patience: Patience = PATIENCE) -> Judgement:
    """Read one reply by the table of RFC 5321, 3463 and 6647: what becomes of the message, and who else is affected."""
    if reply.phase in OF_THE_ROUTE:
        return _of_the_route(reply, now=now, patience=patience)
    if reply.phase is Phase.BODY and (reply.code is None or not (200 <= reply.code < 300 or 400 <= reply.code < 600)):
        return Judgement(Fate.UNKNOWN, f"no answer after the message: {reply.text or 'connection lost'}")
    if took(reply):
        return SENT
    if reply.code is None:
        verdict = Judgement(Fate.RETRY, _said(reply))
    elif _never_fits(reply):
        verdict = Judgement(Fate.FAILED, _said(reply), Blame.MAILBOX)
    elif reply.code >= 500 and reply.code != 552:
        verdict = _permanent(reply, attempt.number, patience)
    else:
        verdict = _temporary(reply, attempt.number, patience)
    return _later(verdict, attempt=attempt, now=now, patience=patience) if verdict.fate is Fate.RETRY else verdict


def _of_the_route(reply: Reply, *, now: datetime, patience: Patience) -> Judgement:
    """Before MAIL nothing was said about any lead: the message waits, the route rests. Never counts as an attempt."""
    permanent = reply.code is not None and reply.code >= 500
    pause = patience.route_pause * (15 if permanent else 1)
    return Judgement(Fate.RETRY, told(reply), Blame.SENDER, retry_at=now + pause, pause_route=pause)


def _never_fits(reply: Reply) -> bool:
    """Is the mail too big for good? The enhanced code says it, or without one the words, if none speak of room."""
    if reply.code is None or reply.code < 500 or _FULL_WORDS.search(reply.text):
        return False
    subject = _subject(reply.text)
    if subject in TOO_BIG:
        return True
    told = subject in MAILBOX_TROUBLE or subject.startswith("7.") or _ROOM_WORDS.search(reply.text)
    return reply.code == 552 and not told and _TOO_BIG_WORDS.search(reply.text) is not None


def told(reply: Reply) -> str:
    """What an operator reads whose route is out."""
    said = _said(reply)
    return f"{_OURS[reply.phase]}: {said.partition(': ')[2]}" if reply.phase in _OURS else said


def _permanent(reply: Reply, attempt: int, patience: Patience) -> Judgement:
    """5yz. Only a no about the address itself is final at once; a no about us is tried again after a pause."""
    why, subject = _said(reply), _subject(reply.text)
    ours = reply.phase is Phase.MAIL or subject in SENDERS_ADDRESS or reply.code in (530, 535)
    if ours or _RELAY_WORDS.search(reply.text):
        return Judgement(Fate.RETRY, why, Blame.SENDER, pause_route=patience.route_pause)
    if excused := _excused(reply, why, attempt, patience):
        return excused
    if subject in NO_SUCH_ADDRESS:
        return Judgement(Fate.FAILED, why, Blame.ADDRESS, suppress="hard_bounce")
    if subject == DISABLED:
        return _disabled(reply, attempt, patience)
    if subject in MAILBOX_TROUBLE:
        return Judgement(Fate.RETRY, why, Blame.MAILBOX)
    if subject == NEEDS_UTF8:
        return Judgement(Fate.FAILED, why, Blame.ADDRESS)
    if reply.phase is Phase.RCPT and _UNKNOWN_USER.search(reply.text):
        return Judgement(Fate.FAILED, why, Blame.ADDRESS, suppress="hard_bounce")
    if subject.startswith("7."):
        return Judgement(Fate.RETRY, why, Blame.POLICY, pause_group=_growing(patience, attempt))
    return Judgement(Fate.FAILED, why, Blame.ADDRESS if reply.phase is Phase.RCPT else Blame.NOBODY)


def _excused(reply: Reply, why: str, attempt: int, patience: Patience) -> Judgement | None:
    """What the words say against a code that would blame the address: some servers answer 5.1.1 to everything."""
    unknown = reply.phase is Phase.RCPT and _UNKNOWN_USER.search(reply.text)
    sender = _SENDER_WORDS.search(reply.text)
    if sender or _MANY_WORDS.search(reply.text) or (_POLICY_WORDS.search(reply.text) and not unknown):
        return Judgement(Fate.RETRY, why, Blame.POLICY, pause_group=_growing(patience, attempt))
    if _FULL_WORDS.search(reply.text):
        return Judgement(Fate.RETRY, why, Blame.MAILBOX)
    return None


def _disabled(reply: Reply, attempt: int, patience: Patience) -> Judgement:
    """5.2.1 is a switched-off mailbox, at one large provider also a rate limit: soft first, hard the second time."""
    if attempt >= patience.disabled_twice:
        return Judgement(Fate.FAILED, _said(reply), Blame.ADDRESS, suppress="hard_bounce")
    return Judgement(Fate.RETRY, _said(reply), Blame.MAILBOX)


def _temporary(reply: Reply, attempt: int, patience: Patience) -> Judgement:
    """4yz, and the odd reply that is neither yes nor no (a 250 where 354 belongs): not delivered, try again."""
    why, subject = _said(reply), _subject(reply.text)
    if subject.startswith("7.") and not _greylisted(reply):
        return Judgement(Fate.RETRY, why, Blame.POLICY, pause_group=_growing(patience, attempt))
    if reply.code == 421:
        return Judgement(Fate.RETRY, why, Blame.POLICY, pause_group=patience.group_pause)
    if subject == DISABLED or (reply.code in (450, 451) and _RATE_WORDS.search(reply.text)):
        return Judgement(Fate.RETRY, why, Blame.POLICY, pause_group=patience.group_pause)
    if subject in MAILBOX_TROUBLE or reply.code in (452, 552):
        return Judgement(Fate.RETRY, why, Blame.MAILBOX)
    return Judgement(Fate.RETRY, why)


def _greylisted(reply: Reply) -> bool:
    """4.7.1 is also how greylisting speaks; one address waits then, not its whole domain."""
    return reply.phase is Phase.RCPT and re.search(r"gr[ea]y.?list", reply.text, re.IGNORECASE) is not None


def _later(verdict: Judgement, *, attempt: Attempt, now: datetime, patience: Patience) -> Judgement:
    wait = patience.waits[min(attempt.number, len(patience.waits)) - 1]
    at = now + wait + wait * (attempt.jitter / 4)
    if at - attempt.first_at > patience.give_up_after:
        why = f"given up after {attempt.number} attempts: {verdict.why}"
        return replace(verdict, fate=Fate.FAILED, why=why, retry_at=None)
    return replace(verdict, retry_at=at)


def _growing(patience: Patience, attempt: int) -> timedelta:
    return min(patience.group_pause * (1 << min(attempt - 1, 10)), patience.longest_group_pause)


def _subject(text: str) -> str:
    """`1.1` of `5.1.1`: what it is about, whatever class digit stands before it."""
    found = enhanced_code(text)
    return found.split(".", 1)[1] if found else ""


def _said(reply: Reply) -> str:
    text = " ".join(reply.text.split())[:400]
    code = f"{reply.code} " if reply.code is not None else ""
    return f"{reply.phase}: {code}{text}".strip() if text or code else f"{reply.phase}: no answer"
