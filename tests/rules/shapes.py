"""Labelled shapes of tracking traffic, and how well the judge tells them apart (printed by `make bench`).

A shape is a story of one delivered mail (or of a few): who asked for what, when, with which program, and whether it was
a person. Agents are as they appear in the wild; addresses are from documentation ranges.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nurture.decide.truth import judge
from nurture.model.hits import Hit, Judgement, Mailed
from nurture.model.words import Verdict

SENT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
CHROME_79 = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1"
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"
OUTLOOK = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0.17928; ms-office)"
BARE = "Mozilla/5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
GMAIL_SCANNER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/42.0.2311.135 Safari/537.36 "
    "Edge/12.246 Mozilla/5.0"
)
SAMPLER = "Mozilla/5.0 (compatible; Gmail-content-sampling)"
HOME, OFFICE, MOBILE, CLOUD, CLOUD_2 = (
    "198.51.100.0/24",
    "203.0.113.0/24",
    "192.0.2.0/24",
    "198.18.0.0/24",
    "198.19.0.0/24",
)

HUMAN = "human"
MACHINE = "machine"


@dataclass(frozen=True)
class Ask:
    """One request `after` seconds behind delivery. `link` None with kind click never happens; opens have none."""

    after: float
    link: int | None = None
    agent: str = CHROME
    net: str = HOME
    kind: str = "click"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    label: str = HUMAN
    mail: int = 0


@dataclass(frozen=True)
class Shape:
    name: str
    asks: tuple[Ask, ...]
    links: int = 5
    proofs: tuple[float, ...] = ()
    """Seconds after delivery at which the person did something else."""


def pixel(after: float, agent: str, *, label: str, net: str = HOME, mail: int = 0) -> Ask:
    return Ask(after, None, agent, net, "open", label=label, mail=mail)


def bot(after: float, link: int | None = 0, agent: str = CHROME, net: str = CLOUD, **more: object) -> Ask:
    return Ask(after, link, agent, net, label=MACHINE, **more)


def sweep(
    start: float, step: float, *, agent: str = CHROME, nets: Sequence[str] = (CLOUD,), n: int = 5
) -> tuple[Ask, ...]:
    return tuple(bot(start + i * step, i, agent, nets[i % len(nets)]) for i in range(n))


SHAPES: tuple[Shape, ...] = (
    # machines
    Shape("all links in 40 ms, browser name, 45 s after delivery", sweep(45, 0.008)),
    Shape("all links in 40 ms, two hours after delivery", sweep(7200, 0.008)),
    Shape("all links over nine seconds", sweep(60, 2.2)),
    Shape("all links from changing networks", sweep(50, 0.3, nets=(CLOUD, CLOUD_2, OFFICE))),
    Shape("two links half a second apart, 20 s after delivery", (bot(20, 0), bot(20.5, 3))),
    Shape("picture and two links at once", (pixel(30, CHROME, label=MACHINE, net=CLOUD), bot(30.1, 0), bot(30.2, 1))),
    Shape("HEAD on every link, slowly", tuple(bot(100 + 60 * i, i, method="HEAD") for i in range(5))),
    Shape("HEAD on one link", (bot(3600, 2, method="HEAD"),)),
    Shape("the link nobody sees", (Ask(200, None, CHROME, CLOUD, "honeypot", label=MACHINE),)),
    Shape(
        "the hidden link, then one more by the same program",
        (Ask(200, None, CHROME_79, CLOUD, "honeypot", label=MACHINE), bot(230, 1, CHROME_79)),
    ),
    Shape(
        "the hidden link, and another network's click before",
        (bot(150, 1, CHROME_79, CLOUD_2), Ask(200, None, CHROME_79, CLOUD, "honeypot", label=MACHINE)),
    ),
    Shape("gateway asks for one link a second after delivery", (bot(1, 0),)),
    Shape("gateway asks before our server heard the 250", (bot(-2, 0),)),
    Shape("scanner of a mailbox provider opens at delivery", (pixel(2, GMAIL_SCANNER, label=MACHINE, net=CLOUD),)),
    Shape("sampler of a mailbox provider opens", (pixel(600, SAMPLER, label=MACHINE, net=CLOUD),)),
    Shape("sampler follows a link", (bot(600, 0, SAMPLER),)),
    Shape("Apple fetches the picture after twenty minutes", (pixel(1200, BARE, label=MACHINE, net=CLOUD),)),
    Shape("Apple fetches at night, nobody reads", (pixel(30000, BARE, label=MACHINE, net=CLOUD_2),)),
    Shape("click by a program called Mozilla/5.0", (bot(4000, 0, BARE),)),
    Shape("no name at all", (bot(4000, 0, ""),)),
    Shape("curl", (bot(4000, 0, "curl/8.5.0"),)),
    Shape("python program", (bot(4000, 1, "python-requests/2.32.3"),)),
    Shape(
        "chat preview of a forwarded link",
        (bot(9000, 1, "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),),
    ),
    Shape("headless browser", (bot(90, 1, CHROME.replace("Chrome/", "HeadlessChrome/")),)),
    Shape("link checker of a security vendor", (bot(15, 2, "BarracudaCentral 1.0"),)),
    Shape("prefetch by a browser", (bot(5000, 0, headers={"sec-purpose": "prefetch;prerender"}),)),
    Shape("prefetch, older header", (bot(5000, 0, headers={"x-moz": "prefetch"}),)),
    Shape("Outlook looks whether the file exists", (bot(40, 0, "Microsoft Office Existence Discovery"),)),
    Shape(
        "fleet: one network visits eight people's mails in a minute",
        tuple(bot(1800 + 5 * i, 0, CHROME_79, CLOUD, mail=i) for i in range(8)),
    ),
    Shape(
        "burst in one mail, single link of the same fleet in another",
        (*sweep(50, 0.01, agent=CHROME_79), bot(80, 2, CHROME_79, mail=1)),
    ),
    Shape("burst, and a late single hit of the same program", (*sweep(50, 0.01), bot(200, 2))),
    Shape("single hit first, the burst later", (bot(20, 2), *sweep(50, 0.01))),
    Shape("sweep of a mail with three links in eight seconds", (bot(60, 0), bot(64, 1), bot(68, 2)), links=3),
    Shape("image proxy that follows a link", (bot(900, 0, GMAIL),)),
    # people
    Shape(
        "opens by Gmail's proxy, clicks after three hours", (pixel(10800, GMAIL, label=HUMAN, net=CLOUD), Ask(10830, 0))
    ),
    Shape("opens by Yahoo's proxy", (pixel(8000, YAHOO, label=HUMAN, net=CLOUD),)),
    Shape("opens in Thunderbird, clicks in Firefox", (pixel(5000, THUNDERBIRD, label=HUMAN), Ask(5020, 1, FIREFOX))),
    Shape("opens in Outlook", (pixel(5000, OUTLOOK, label=HUMAN, net=OFFICE),)),
    Shape("double click, 0.3 s apart", (Ask(4000, 1), Ask(4000.3, 1))),
    Shape("two tabs four seconds apart", (Ask(4000, 0), Ask(4004, 3))),
    Shape("three links over two minutes", (Ask(4000, 0), Ask(4050, 1), Ask(4110, 2))),
    Shape("click on the phone, again at the desk", (Ask(900, 0, IPHONE, MOBILE), Ask(30000, 0, CHROME, OFFICE))),
    Shape("forwarded: two people, two networks, minutes apart", (Ask(4000, 0), Ask(4300, 0, FIREFOX, OFFICE))),
    Shape("quick reader: click after nine seconds", (Ask(9, 0, IPHONE, MOBILE),)),
    Shape("click a week later", (Ask(604800, 2),)),
    Shape("scanner sweeps, the person clicks an hour later", (*sweep(50, 0.01), Ask(3700, 1, FIREFOX))),
    Shape(
        "scanner sweeps, the person clicks seven minutes later with the same browser name",
        (*sweep(50, 0.01), Ask(500, 1)),
    ),
    Shape(
        "four colleagues behind one office network within a minute",
        tuple(Ask(4000 + 12 * i, i, CHROME, OFFICE, mail=i) for i in range(4)),
    ),
    Shape("very quick, and a form right after", (Ask(4, 0, IPHONE, MOBILE),), proofs=(60,)),
    Shape(
        "Apple fetches ahead, the person clicks",
        (pixel(300, BARE, label=MACHINE, net=CLOUD), Ask(9000, 0, IPHONE, MOBILE)),
    ),
    Shape("reader with do-not-track", (Ask(4000, 1, FIREFOX, headers={"dnt": "1", "sec-gpc": "1"}),)),
    Shape("mail with two links, both opened five seconds apart", (Ask(4000, 0), Ask(4005, 1)), links=2),
    # hard ones: known to be told wrong, kept so that the numbers stay honest
    Shape("scanner that asks for one link, once, an hour later, as a browser", (bot(3600, 0),)),
    Shape("person who opens two tabs within a second", (Ask(4000, 0), Ask(4001, 3))),
)


def hits_of(shape: Shape, start: int = 1) -> tuple[list[Hit], dict[int, str], dict[int, Mailed]]:
    """(hits, labels by hit id, messages). Each mail of a shape goes to a lead of its own."""
    ids = itertools.count(start)
    base = start * 1000
    hits, labels = [], {}
    for ask in shape.asks:
        number = next(ids)
        mail = base + ask.mail
        at = SENT + timedelta(seconds=ask.after)
        hits.append(Hit(number, mail, mail, ask.kind, at, ask.method, ask.link, ask.agent, ask.net, dict(ask.headers)))
        labels[number] = ask.label
    return hits, labels, {h.message_id: Mailed(h.message_id, SENT, shape.links) for h in hits}


def verdicts(shape: Shape, hits: Iterable[Hit] | None = None) -> tuple[dict[int, Judgement], dict[int, str]]:
    made, labels, mails = hits_of(shape)
    proofs = {mail: [SENT + timedelta(seconds=s) for s in shape.proofs] for mail in mails}
    return judge(made if hits is None else hits, mails, proofs=proofs), labels


def is_machine(verdict: Verdict) -> bool:
    return verdict in (Verdict.MACHINE, Verdict.MACHINE_PROBABLE, Verdict.PREFETCH)


@dataclass(frozen=True)
class Score:
    """Of machines: precision (called machine and is one), recall (is one and called so). Counted per hit."""

    shapes: int
    hits: int
    precision: float
    recall: float
    wrong: tuple[str, ...]


def score(shapes: Sequence[Shape] = SHAPES) -> Score:
    right = called = machines = total = 0
    wrong = []
    for shape in shapes:
        judged, labels = verdicts(shape)
        for number, judgement in judged.items():
            is_one, said = labels[number] == MACHINE, is_machine(judgement.verdict)
            total += 1
            right += is_one and said
            called += said
            machines += is_one
            if is_one != said:
                wrong.append(shape.name)
    return Score(len(shapes), total, right / called, right / machines, tuple(dict.fromkeys(wrong)))


if __name__ == "__main__":
    told = score()
    print(f"{told.shapes} shapes, {told.hits} hits: precision {told.precision:.3f}, recall {told.recall:.3f}")
    for name in told.wrong:
        print(f"  told wrong: {name}")
