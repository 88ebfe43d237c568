"""What becomes of two records that are one: accounts and contacts that may be meant, fields, consents. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import tldextract

from nurture.model.facts import Consents, ConsentState, Value
from nurture.model.words import Channel, ConsentStatus, Purpose

_FREE: Final = (
    "gmail.com googlemail.com outlook.com hotmail.com hotmail.co.uk hotmail.fr hotmail.de live.com msn.com yahoo.com "
    "yahoo.co.uk yahoo.de yahoo.fr ymail.com icloud.com me.com mac.com aol.com proton.me protonmail.com pm.me gmx.net "
    "gmx.de gmx.at gmx.ch web.de t-online.de freenet.de mail.com posteo.de zoho.com fastmail.com hey.com tutanota.com "
    "tuta.com wp.pl o2.pl onet.pl onet.eu op.pl interia.pl interia.eu poczta.fm gazeta.pl vp.pl seznam.cz email.cz "
    "post.cz centrum.cz volny.cz atlas.cz azet.sk zoznam.sk orange.fr free.fr laposte.net wanadoo.fr sfr.fr libero.it "
    "virgilio.it tiscali.it alice.it telefonica.net telia.com online.no bluewin.ch sunrise.ch ukr.net mail.ru "
    "yandex.ru yandex.com bk.ru list.ru inbox.ru qq.com 163.com 126.com naver.com daum.net rediffmail.com abv.bg "
    "freemail.hu citromail.hu btinternet.com sky.com talktalk.net comcast.net verizon.net att.net sbcglobal.net cox.net"
)
FREE_MAIL: Final = frozenset(_FREE.split())
"""Domains that say nothing about an employer. One giant account is worse than a missing one."""

_LEGAL: Final = re.compile(
    r"\b(gmbh( & co kg)?|ag|kg|ohg|ug|se|e k|ltd|limited|llc|llp|plc|inc|incorporated|corp|corporation|co|company|"
    r"s r o|spol s r o|a s|as|asa|sp z o o|spolka z ograniczona odpowiedzialnoscia|s a|sa|spolka akcyjna|sarl|sas|srl|"
    r"spa|s p a|s r l|bv|b v|nv|n v|ab|oy|oyj|aps|a p s|kft|zrt|doo|d o o)\b"
)
_extract = tldextract.TLDExtract(suffix_list_urls=())
STRICTNESS: Final = {
    ConsentStatus.GRANTED: 0, ConsentStatus.PENDING: 1, ConsentStatus.NONE: 2, ConsentStatus.EXPIRED: 3,
    ConsentStatus.WITHDRAWN: 4, ConsentStatus.OBJECTED: 5,
}


def corporate_domain(email: str | None) -> str | None:
    """The registered domain of an employer, or None (no address, free mail, no public suffix)."""
    if not email or "@" not in email:
        return None
    host = email.rpartition("@")[2].strip().casefold().rstrip(".")
    # A suffix the list does not know is one label long: the list's own default rule.
    domain = _extract(host).top_domain_under_public_suffix or ".".join(host.split(".")[-2:])
    if host in FREE_MAIL or domain in FREE_MAIL or "." not in domain:
        return None
    return domain


def name_key(name: str | None) -> str:
    """A company's name without legal form, accents, case and punctuation; empty where nothing is left."""
    if not name:
        return ""
    plain = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "L")).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9&]+", " ", plain.casefold())
    short = re.sub(r"\s+", " ", _LEGAL.sub(" ", plain)).strip()
    return short or re.sub(r"\s+", " ", plain).strip() or name.strip().casefold()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field both records have: what stays, and what was not taken."""

    field: str
    kept: Any
    offered: Any
    origin: str
    at: str | None

    def as_dict(self) -> dict[str, Any]:
        return {"field": self.field, "kept": self.kept, "offered": self.offered, "origin": self.origin, "at": self.at}


def fill(
    target: Mapping[str, Any], source: Mapping[str, Value], *, overrides: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Conflict]]:
    """Fill empty fields of `target` from a lead's values; what is there stays, and differences are listed.

    `overrides` are what the seller typed during the conversion: those win, and are listed no more.
    """
    merged, conflicts = dict(target), []
    for name, value in source.items():
        if value.value in (None, ""):
            continue
        held = merged.get(name)
        if held in (None, ""):
            merged[name] = value.value
        elif held != value.value and name not in (overrides or {}):
            conflicts.append(
                Conflict(name, held, value.value, value.origin, value.at.isoformat() if value.at else None)
            )
    merged.update({name: value for name, value in (overrides or {}).items() if value not in (None, "")})
    return merged, conflicts


@dataclass(frozen=True, slots=True)
class Stricter:
    """A purpose and channel for which one of two records is stricter than the other."""

    purpose: Purpose
    channel: Channel
    status: ConsentStatus
    """What both become."""
    looser: str
    """`lead` or `contact`: whose state changes."""


def most_restrictive(lead: Consents, contact: Consents) -> list[Stricter]:
    """Where a person with two records refused on one of them, the refusal holds for both."""
    found = []
    for purpose, channel in sorted(set(lead) | set(contact)):
        mine = lead.get((purpose, channel), ConsentState()).status
        theirs = contact.get((purpose, channel), ConsentState()).status
        strictest = max(mine, theirs, key=STRICTNESS.__getitem__)
        if strictest not in (ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED) or mine is theirs:
            continue
        found.append(Stricter(purpose, channel, strictest, "contact" if mine is strictest else "lead"))
    return found


def close_date(timeline: str | None, now: datetime, *, days: int = 90) -> date:
    """When a new deal should close: the date sales wrote under timeline, else so many days from now."""
    match = re.search(r"\d{4}-\d{2}-\d{2}", timeline or "")
    if match:
        try:
            return date.fromisoformat(match.group())
        except ValueError:
            pass
    return (now + timedelta(days=days)).date()


def roles_covered(people: Iterable[Mapping[str, Any]], roles: Iterable[str]) -> dict[str, bool]:
    """Which roles of the buying committee we know somebody for. Roles match inside titles, without case."""
    titles = [str(p.get("role") or "").casefold() for p in people]
    return {role: any(role.casefold() in title for title in titles) for role in roles}
