"""Machines that answer: disposition notices, absences, tickets. None of them is a person who reads."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from nurture.mail.inbound import words
from nurture.mail.inbound.message import Mail
from nurture.model.inbound import Envelope

_RE: Final = re.compile(r"^\s*(re|aw|odp|sv|tr|antw)\s*:", re.IGNORECASE)


AWAY_WITHIN: Final = 400


def receipt(mail: Mail) -> str | None:
    """By what it is a disposition notice (RFC 8098), or None."""
    if mail.of_type("message/disposition-notification"):
        return "message/disposition-notification"
    if (
        mail.root.get_content_type() == "multipart/report"
        and mail.root.get_param("report-type") == "disposition-notification"
    ):
        return "report-type=disposition-notification"
    return None


def automatic(mail: Mail, envelope: Envelope, sender: str, text: str) -> str | None:
    """By what a mail shows that no person wrote it to us (RFC 3834 and what was there before it), or None."""
    submitted = mail.header("Auto-Submitted").lower().split(";")[0].strip()
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted[:40]}"
    for name in words.AUTOMATIC_FIELDS:
        if mail.has(name) and mail.header(name).lower() not in ("no", "false", "0"):
            return name
    precedence = mail.header("Precedence").lower()
    if precedence in ("auto_reply", "auto-reply") or mail.header("Preference").lower() == "auto_reply":
        return "Precedence: auto_reply"
    if (
        "autorespond" in mail.header("Delivered-To").lower()
        or "autorespond" in mail.header("X-POST-MessageClass").lower()
    ):
        return "an autoresponder's header"
    subject = mail.header("Subject")
    if words.AWAY_SUBJECT.match(subject) and not _RE.match(subject):
        return "subject of an automatic answer"
    if words.AWAY_TEXT.search(text[:AWAY_WITHIN]) and not words.ANSWER_SUBJECT.match(subject):
        return "its first words say that it is automatic"
    if words.CHALLENGE.search(text[:AWAY_WITHIN]):
        return "asks for a confirmation before anybody reads"
    if envelope.sender == "" or mail.header("Return-Path") == "<>":
        return "null sender"
    return "nobody reads its sender" if words.NOBODY.match(sender) else None


def mailing(mail: Mail) -> str | None:
    """By what it is one of many: a list, a newsletter."""
    if mail.header("Precedence").lower() in ("bulk", "list", "junk"):
        return f"Precedence: {mail.header('Precedence').lower()}"
    return next((name for name in ("List-Id", "List-Unsubscribe", "List-Post") if mail.has(name)), None)


def back_on(text: str, *, seen: date) -> date | None:
    """The day an absence ends, where the text names one that cannot be misread and lies in the year after `seen`."""
    found = {
        day
        for pattern, order in words.RETURN_DATES
        for m in pattern.finditer(text[:3000])
        if (day := _day(m.groups(), order, seen))
    }
    return found.pop() if len(found) == 1 else None


def _day(groups: tuple[str | None, ...], order: str, seen: date) -> date | None:
    part = dict(zip(order, groups, strict=True))
    month = words.MONTHS.get((part.get("M") or "").lower()) if "M" in part else int(part["m"] or 0)
    if not month:
        return None
    for year in (int(part["y"]),) if part["y"] else (seen.year, seen.year + 1):
        try:
            day = date(year, month, int(part["d"] or 0))
        except ValueError:
            return None
        if 0 <= (day - seen).days <= 366:
            return day
    return None
