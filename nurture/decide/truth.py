"""Was it a person? Verdicts on tracking hits, from their shape.

`judge` looks at a set of hits as a whole and keeps no memory, so any order of arrival gives the same verdicts, and a
hit that comes late can change an earlier one (the caller folds that back). Time after delivery alone says little:
scanners come seconds or minutes later, from changing networks with a browser's name. The shape of a burst is the sign.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final

from crawleruseragents import is_crawler

from nurture.model.hits import CLICK, HONEYPOT, OPEN, Hit, Judgement, Mailed
from nurture.model.words import Verdict

_ECHO: Final = "another program asked for the same link seconds apart"
Marks = dict[int, dict[str, str]]
"""Hit id -> sign -> what it says; any sign is certainty."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The thresholds, in one place so that a test can ask what each of them is worth."""

    burst: timedelta = timedelta(seconds=2)
    sweep: timedelta = timedelta(seconds=10)
    sweep_per_link: timedelta = timedelta(seconds=4)
    """A mail of many links takes a gateway longer; nobody looks at every page of one for four seconds each."""
    sweep_longest: timedelta = timedelta(seconds=60)
    """Also from two networks; from three or more, four links are a sweep within `sweep_wandering`."""
    sweep_wandering: timedelta = timedelta(minutes=10)
    let_through: timedelta = timedelta(seconds=3)
    """A gateway that is asked at the moment of a click looks first, and then lets the person through ..."""
    echo: timedelta = timedelta(seconds=30)
    """... or sends somebody after the person."""
    inherit: timedelta = timedelta(minutes=5)
    too_fast: timedelta = timedelta(seconds=5)
    fleet: timedelta = timedelta(seconds=60)
    fleet_leads: int = 5
    proof: timedelta = timedelta(minutes=30)


HOLD: Final = timedelta(seconds=90)
"""How long a click waits for the shape around it to show before it counts."""

_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH: Final = re.compile(r"\b(prefetch|prerender|preview)\b", re.IGNORECASE)
_BROWSERS: Final = (
    "Mozilla/", "Opera/", "Lynx/", "w3m/", "ELinks/", "Links (", "URL/Emacs", "Emacs-W3/", "Dillo/", "NetSurf/",
)
_BARE_MOZILLA: Final = re.compile(r"Mozilla/5\.0\s*")
_IMAGE_PROXIES: Final = re.compile(
    r"GoogleImageProxy|ggpht\.com|YahooCacheSystem|(E-?mail|Mail|Image)-?Proxy", re.IGNORECASE
)
_SAYS_SO: Final = re.compile(r"\(compatible;(?! *(MSIE|Konqueror))", re.IGNORECASE)
"""No browser of this century but these two calls itself compatible: robots do, and then say who they are."""
_GONE: Final = re.compile(r"MSIE (\d|10)\.(?!.*Trident/7)|Windows (NT 5\.|9[58]\b)")
"""Browsers that cannot speak today's TLS: nobody can have come with one."""
_SCANNERS: Final = re.compile(
    r"Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246 Mozilla/5\.0|Gmail-content-sampling"
    r"|Barracuda|Proofpoint|Mimecast|MessageLabs|Symantec|Trend ?Micro|IronPort|FireEye|Trellix|Sophos|Forcepoint"
    r"|Check ?Point|Trustwave|CiscoSecure|Fortinet|FortiMail|Hornetsecurity|Cofense|Avanan|Antivirus"
    r"|SafeLinks|ms-office.*existence|Microsoft Office Existence|BingPreview|SkypeUriPreview|HeadlessChrome|PhantomJS"
    r"|facebookexternalhit|Slackbot|TelegramBot|WhatsApp/|Twitterbot|LinkedInBot|urlscan|VirusTotal|Zscaler",
    re.IGNORECASE,
)
"""Our own list for mail: what the general data set misses, found in reports of mail senders."""
_MAIL_CLIENTS: Final = re.compile(
    r"Thunderbird|Microsoft Outlook|MSOffice|ms-office|Outlook-iOS|Outlook-Android|AirMail", re.IGNORECASE
)


@lru_cache(maxsize=4096)
def agent_kind(agent: str) -> str:
    """`empty`, `proxy`, `scanner`, `bare`, `client` or `browser`."""
    if not agent.strip():
        return "empty"
    if _SCANNERS.search(agent):
        return "scanner"
    if _IMAGE_PROXIES.search(agent):
        return "proxy"
    if _BARE_MOZILLA.fullmatch(agent):
        return "bare"
    if _MAIL_CLIENTS.search(agent):
        return "client"
    return "scanner" if _SAYS_SO.search(agent) or is_crawler(agent) else "browser"


def judge(
    hits: Iterable[Hit],
    messages: Mapping[int, Mailed],
    *,
    proofs: Mapping[int, Sequence[datetime]] | None = None,
    tuning: Tuning = Tuning(),
) -> dict[int, Judgement]:
    """A verdict for every hit, by hit id.

    `messages` says when each message was handed over; `proofs` gives, by lead, moments at which the person surely was
    there (a form, a second page, a reply). A hit without `net` came from our own network and says nothing of a fleet.
    """
    ordered = sorted(hits, key=lambda h: (h.at, h.kind, h.link or 0, h.method, h.agent, h.net, h.id))
    by_message: dict[int, list[Hit]] = defaultdict(list)
    by_source: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for hit in ordered:
        by_message[hit.message_id].append(hit)
        if hit.net:
            by_source[hit.net, hit.agent].append(hit)
    marks: Marks = {hit.id: _by_itself(hit) for hit in ordered}
    own = {hit_id: dict(found) for hit_id, found in marks.items()}
    for message_id, group in by_message.items():
        _bursts([h for h in group if "prefetch" not in marks[h.id]], messages.get(message_id), marks, tuning)
    _inherit(ordered, by_message, by_source, marks, tuning)
    doubts = _fleets(by_source, tuning)
    for group in by_message.values():
        _echoes([h for h in group if h.kind == CLICK and h.net and not own[h.id]], doubts, tuning)
    return {
        hit.id: _verdict(hit, marks[hit.id], doubts.get(hit.id, ()), messages.get(hit.message_id), proofs or {}, tuning)
        for hit in ordered
    }


def _by_itself(hit: Hit) -> dict[str, str]:
    """What one hit betrays on its own."""
    found: dict[str, str] = {}
    kind = agent_kind(hit.agent)
    if hit.kind == HONEYPOT:
        found["honeypot"] = "followed the link that no person sees"
    if hit.method != "GET":
        found["method"] = f"asked with {hit.method}"
    if any(_PREFETCH.search(hit.headers.get(name, "")) for name in _PREFETCH_HEADERS):
        found["prefetch"] = "said it was fetching ahead"
    if kind == "empty":
        found["agent"] = "named no program"
    elif kind == "scanner":
        found["agent"] = "a known scanner"
    elif kind == "proxy" and hit.kind == CLICK:
        found["agent"] = "an image proxy followed a link"
    elif kind == "browser" and hit.kind == CLICK and not hit.agent.startswith(_BROWSERS):
        found["agent"] = "no browser calls itself that"
    return found


def _bursts(group: Sequence[Hit], mailed: Mailed | None, marks: Marks, tuning: Tuning) -> None:
    """Two different links within two seconds, or every link of the message (three or more) in a few seconds each."""
    total = mailed.links if mailed else 0
    span = tuning.sweep if total < 4 else min(max(tuning.sweep, total * tuning.sweep_per_link), tuning.sweep_longest)
    spans: tuple[tuple[int, timedelta], ...] = ()
    if total >= 3 and len({h.link for h in group if h.kind == CLICK}) >= total:
        spans = ((1, span), (2, tuning.sweep_longest), (3, tuning.sweep_wandering))
    for start, first in enumerate(group):
        quick = _until(group, start, first.at + tuning.burst)
        links = {h.link for h in quick if h.kind == CLICK}
        if len(links) >= 2:
            _mark(marks, quick, f"{len(links)} links within {tuning.burst.seconds} s")
        for networks, long in spans:
            within = _until(group, start, first.at + long)
            clicks = [h for h in within if h.kind == CLICK]
            wide = networks == 1 or len({h.net for h in clicks if h.net}) >= networks
            if wide and total > networks and len({h.link for h in clicks}) >= total:
                _mark(marks, within, _swept(total, long, networks))
                break


def _swept(total: int, span: timedelta, networks: int) -> str:
    told = f"all {total} links within {span.seconds} s"
    return told if networks == 1 else f"{told}, from {networks} networks or more"


def _until(group: Sequence[Hit], start: int, end: datetime) -> list[Hit]:
    return list(takewhile(lambda hit: hit.at <= end, islice(group, start, None)))


def _mark(marks: Marks, hits: Iterable[Hit], why: str) -> None:
    for hit in hits:
        marks[hit.id].setdefault("burst", why)


def _inherit(
    ordered: Sequence[Hit],
    by_message: Mapping[int, Sequence[Hit]],
    by_source: Mapping[tuple[str, str], Sequence[Hit]],
    marks: Marks,
    tuning: Tuning,
) -> None:
    """A machine's other hits: same message and program, or same network and program elsewhere, within five minutes."""
    seeds = [h for h in ordered if "burst" in marks[h.id] or "honeypot" in marks[h.id]]
    for seed in seeds:
        same = [h for h in by_message[seed.message_id] if h.agent == seed.agent or (h.net and h.net == seed.net)]
        for hit in (*same, *by_source.get((seed.net, seed.agent), ())):
            if abs(hit.at - seed.at) <= tuning.inherit and not marks[hit.id]:
                marks[hit.id]["source"] = "same source as a machine minutes away"


def _fleets(by_source: Mapping[tuple[str, str], Sequence[Hit]], tuning: Tuning) -> dict[int, tuple[str, ...]]:
    """One network and program that visits many people's messages within a minute."""
    found: dict[int, tuple[str, ...]] = {}
    for group in by_source.values():
        clicks = [h for h in group if h.kind != OPEN]
        left = right = 0
        near: Counter[int] = Counter()
        for hit in clicks:
            while right < len(clicks) and clicks[right].at - hit.at <= tuning.fleet:
                near[clicks[right].lead_id] += 1
                right += 1
            while hit.at - clicks[left].at > tuning.fleet:
                near[clicks[left].lead_id] -= 1
                left += 1
            leads = sum(1 for n in near.values() if n)
            if leads >= tuning.fleet_leads:
                found[hit.id] = (f"its source visited {leads} people's mails within a minute",)
    return found


def _echoes(clicks: Sequence[Hit], doubts: dict[int, tuple[str, ...]], tuning: Tuning) -> None:
    """One link asked for from two networks by two programs within seconds: one is a gateway, and one click stays.

    `clicks` of one message, without those that betray themselves.
    """
    for start, first in enumerate(clicks):
        for other in _until(clicks, start, first.at + tuning.echo):
            if other.link == first.link and other.net != first.net and other.agent != first.agent:
                echo = first if other.at - first.at <= tuning.let_through else other
                doubts[echo.id] = tuple(dict.fromkeys((*doubts.get(echo.id, ()), _ECHO)))


def _verdict(
    hit: Hit,
    marks: Mapping[str, str],
    fleet: Sequence[str],
    mailed: Mailed | None,
    proofs: Mapping[int, Sequence[datetime]],
    tuning: Tuning,
) -> Judgement:
    if marks:
        return Judgement(Verdict.MACHINE, tuple(marks.values()))
    if hit.kind == OPEN:
        return _opened(hit)
    doubts = list(fleet)
    sent_at = mailed.sent_at if mailed else None
    if sent_at is None or hit.at < sent_at:
        doubts.append("came before the mail was handed over")
    elif hit.at - sent_at < tuning.too_fast:
        doubts.append(f"came {(hit.at - sent_at).total_seconds():.1f} s after the mail was handed over")
    if agent_kind(hit.agent) == "bare":
        doubts.append("named no more than Mozilla/5.0")
    if _GONE.search(hit.agent):
        doubts.append("came with a browser that can no longer come")
    if not doubts:
        return Judgement(Verdict.HUMAN, ("nothing speaks against a person",))
    if any(timedelta(0) <= there - hit.at <= tuning.proof for there in proofs.get(hit.lead_id, ())):
        return Judgement(Verdict.HUMAN, ("the person did something else right afterwards", *doubts))
    return Judgement(Verdict.MACHINE_PROBABLE, tuple(doubts))


def _opened(hit: Hit) -> Judgement:
    kind = agent_kind(hit.agent)
    if kind == "bare":
        return Judgement(Verdict.PREFETCH, ("fetched ahead by a mail service: delivered, not read",))
    if kind == "proxy":
        return Judgement(Verdict.PROXY_OPEN, ("fetched by a mail service when somebody opened it first",))
    return Judgement(Verdict.HUMAN, ("opened in a mail program",))
