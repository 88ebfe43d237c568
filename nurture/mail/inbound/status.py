"""Why a mail did not arrive: a status code and the words around it, read together.

Neither alone tells hard from soft: five-hundreds are mostly about policy and space, and servers that know no better say
`5.0.0` for everything. A precise code counts unless the words plainly say something else; a vague one leaves it to
them. In doubt the answer is soft: a wrong "hard" blocks a person for good.
"""

from __future__ import annotations

import re
from typing import Final

from nurture.mail.inbound import words
from nurture.mail.inbound.message import ADDRESS
from nurture.model.inbound import HARD, Action, Reason, Struck

ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?!\d|\.\d)")
FAILING: Final = re.compile(ENHANCED.pattern.replace("[245]", "[45]"))
_REPLY: Final = re.compile(r"(?<![\d.\-/:])([45][0-5]\d)(?=[ \-#,;:]|$)(?!\.\d)")
_LABEL: Final = re.compile(r"^[245]\.\d\.\d{1,3} - [^'\n]{3,60} (?:[45]\d\d[ -])?'([^'\n]*[45]\.\d\.\d[^\n]*)'")
"""Some agents put a name of their own before the code that the other side really gave."""
SAID: Final = 400

_CODES: Final = {
    "1.1": Reason.NO_ADDRESS,
    "1.2": Reason.NO_DOMAIN,
    "1.3": Reason.NO_ADDRESS,
    "1.6": Reason.MOVED,
    "1.10": Reason.NO_DOMAIN,
    "1.7": Reason.SENDER,
    "1.8": Reason.SENDER,
    "1.9": Reason.SENDER,
    "2.1": Reason.DISABLED,
    "2.2": Reason.FULL,
    "2.3": Reason.TOO_BIG,
    "3.1": Reason.FULL,
    "3.4": Reason.TOO_BIG,
    "4.1": Reason.NETWORK,
    "4.2": Reason.NETWORK,
    "4.3": Reason.NETWORK,
    "4.5": Reason.NETWORK,
    "4.6": Reason.LOOP,
    "4.7": Reason.EXPIRED,
    "6.7": Reason.UTF8,
    "6.8": Reason.UTF8,
}
_SUBJECTS: Final = {"6": Reason.CONTENT, "7": Reason.POLICY}
VAGUE: Final = frozenset(
    {Reason.UNKNOWN, Reason.NETWORK, Reason.POLICY, Reason.SENDER, Reason.DISABLED, Reason.EXPIRED}
)
"""What a code may say while the words know better."""


_ORDER: Final = (
    (Reason.FULL, words.FULL),
    (Reason.TOO_BIG, words.TOO_BIG),
    (Reason.LOOP, words.LOOP),
    (Reason.SENDER, words.SENDER_UNKNOWN),
    (Reason.SPAM, words.SPAM),
    (Reason.DISABLED, words.DISABLED),
    (Reason.POLICY, words.HEDGED),
    (Reason.NO_DOMAIN, words.NO_DOMAIN),
    (Reason.NO_ADDRESS, words.NO_ADDRESS),
    (Reason.MOVED, words.MOVED),
    (Reason.POLICY, words.RELAY),
    (Reason.POLICY, words.POLICY),
    (Reason.CONTENT, words.CONTENT),
    (Reason.EXPIRED, words.EXPIRED),
    (Reason.NETWORK, words.NETWORK),
)
"""The surest words first. Those that would block an address stand behind those that excuse it."""


def by_words(text: str) -> Reason:
    """What the words alone say."""
    # An address has dots and words of its own; here it only matters that it is one.
    text = ADDRESS.sub("somebody", " ".join(text[:4000].split()))
    for reason, pattern in _ORDER:
        if pattern.search(text):
            if reason is Reason.NO_DOMAIN and words.TRY_AGAIN.search(text):
                return Reason.NETWORK
            return reason
    return Reason.UNKNOWN


def by_code(code: str) -> Reason:
    """What an enhanced status code alone says; UNKNOWN for the vague ones."""
    found = ENHANCED.search(code)
    if found is None:
        return Reason.UNKNOWN
    _, subject, detail = found.groups()
    if f"{subject}.{detail}" == "0.0":
        return Reason.UNKNOWN
    return _CODES.get(f"{subject}.{detail}") or _SUBJECTS.get(subject, Reason.UNKNOWN)


def reply_code(text: str) -> int | None:
    found = _REPLY.search(text)
    return int(found.group(1)) if found else None


def struck(
    address: str, action: Action, *, status: str = "", said: str = "", around: str = "", original: str = ""
) -> Struck:
    """One recipient's fate. `said` is the server's diagnosis; `around` is prose that speaks where that is empty."""
    said = _LABEL.sub(r"\1", " ".join(said.split()))
    given = ENHANCED.search(status)
    spoken = FAILING.search(said) or (None if said else FAILING.search(around))
    code = _best(given.group(0) if given else "", spoken.group(0) if spoken else "")
    reply = reply_code(said) or (None if said else reply_code(around))
    reason = _reason(code, said, around)
    if reason in HARD and words.BEFORE_RECIPIENT.search(f"{said}\n{around}"):
        # Whoever refuses the sender or the connection has not yet looked at the recipient.
        reason = Reason.SENDER
    # Who was let in as a recipient and is unknown once the mail has been read was turned away by a filter.
    filtered = words.AFTER_DATA.search(f"{said}\n{around}") and not (spoken and spoken.group(2) == "1")
    return Struck(
        address,
        action,
        reason,
        code,
        _permanent(code, reply) and not filtered,
        (said or " ".join(around.split()))[:SAID],
        original,
    )


def _best(given: str, spoken: str) -> str:
    """The more telling of two codes: agents put `5.0.0` over what the other side really said."""
    if not given or (spoken and by_code(given) is Reason.UNKNOWN and by_code(spoken) is not Reason.UNKNOWN):
        return spoken or given
    return given


def _reason(code: str, said: str, around: str) -> Reason:
    coded = by_code(code)
    worded = by_words(said) if said else Reason.UNKNOWN
    if worded is Reason.UNKNOWN and coded is Reason.UNKNOWN:
        worded = by_words(around)
    if coded is Reason.NO_ADDRESS or coded is Reason.NO_DOMAIN or coded is Reason.MOVED:
        # Some servers answer 5.1.1 to spam, to a full box and to haste alike; then the words excuse the address.
        if coded is Reason.NO_DOMAIN and worded is Reason.NO_ADDRESS:
            return worded
        excused = bool(said) and worded not in (Reason.UNKNOWN, *HARD)
        return worded if worded is Reason.SENDER or (excused and not words.NO_ADDRESS.search(said)) else coded
    if coded in VAGUE and worded is not Reason.UNKNOWN:
        if coded is Reason.POLICY and worded in (Reason.NO_DOMAIN, Reason.EXPIRED, Reason.NETWORK):
            return coded
        if coded is Reason.SENDER and worded in HARD:
            return coded
        return worded
    return coded if coded is not Reason.UNKNOWN else worded


def _permanent(code: str, reply: int | None) -> bool:
    """The class digit of the three-digit code wins over a contradicting enhanced code (RFC 5321 4.2.1)."""
    if reply is not None:
        return reply >= 500
    return not code.startswith("4")
