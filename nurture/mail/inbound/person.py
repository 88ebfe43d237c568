"""What a person wrote: without what they quote, and whether they want to be left alone."""

from __future__ import annotations

import re
from typing import Final

from nurture.mail.inbound import words
from nurture.mail.inbound.message import Mail

WRITTEN: Final = 20_000
SHORT: Final = 160


def written(text: str) -> str:
    """The person's own words: up to the first sign of a quotation, without quoted lines and signature."""
    kept: list[str] = []
    for line in text[: 4 * WRITTEN].splitlines()[:2000]:
        if words.QUOTE.match(line[:400]) and any(k.strip() for k in kept):
            break
        if words.SIGNATURE.match(line[:200]):
            break
        if not line.lstrip().startswith((">", "|")):
            kept.append(line.rstrip()[:2000])
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()[:WRITTEN]


def wants_to_stop(subject: str, text: str) -> bool:
    """A mail that asks for nothing else: its subject says so, or its first words do and it is short."""
    if words.ANSWER_SUBJECT.match(subject):
        return bool(words.STOP.match(text)) and len(text) <= SHORT and "?" not in text
    if words.STOP_SUBJECT.match(subject):
        return len(text) <= 4 * SHORT
    return bool(words.STOP.match(text)) and len(text) <= SHORT and "?" not in text


def speaks_of_stopping(subject: str, text: str) -> bool:
    """It may want that: worth a second look by a person."""
    return bool(words.SPEAKS_OF_IT.search(f"{subject}\n{text[:2000]}"))


def doubts(mail: Mail) -> tuple[str, ...]:
    """What the receiving servers say against taking this mail at its word."""
    found: list[str] = []
    if (
        mail.header("X-Spam-Flag").lower().startswith("yes")
        or mail.header("X-Spam-Status").lower().startswith("yes")
        or mail.header("Subject").upper().startswith(("***SPAM", "[SPAM", "*SPAM"))
    ):
        found.append("marked as spam")
    try:
        if int(mail.header("X-MS-Exchange-Organization-SCL") or 0) >= 5:
            found.append("marked as spam")
    except ValueError:
        pass
    # Only the topmost counts: our own server wrote it last, whatever the mail brought along.
    results = mail.headers("Authentication-Results")[:1]
    if any(re.search(r"\bdmarc=fail", r, re.IGNORECASE) for r in results):
        found.append("sender authentication failed")
    return tuple(dict.fromkeys(found))
