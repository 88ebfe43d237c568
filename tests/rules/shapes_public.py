"""Shapes written from public descriptions of gateways, proxies, previews and readers, before the rules were read.

They were judged first as the rules stood, then the rules learnt what was general in the misses. What cannot be told
from a person's habit stays here under `AMBIGUOUS`, named.
"""

from __future__ import annotations

from tests.rules.shapes import (
    BARE,
    CHROME,
    CHROME_79,
    CLOUD,
    CLOUD_2,
    FIREFOX,
    GMAIL,
    HOME,
    HUMAN,
    IPHONE,
    MACHINE,
    MOBILE,
    OFFICE,
    YAHOO,
    Ask,
    Shape,
    bot,
    pixel,
    sweep,
)

EDGE = CHROME + " Edg/142.0.0.0"
CHROME_MAC = CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 "
    "Safari/605.1.15"
)
MAC_MAIL = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
OLD_EXPLORER = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)"
OUTLOOK_PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "Outlook-iOS/4.2520.0"
)
OUTLOOK_NEW = EDGE + " OneOutlook/1.2026.1016.400"
SEZNAM = "SeznamEmailProxy/2.0.92"
HEADLESS = CHROME.replace("Chrome/", "HeadlessChrome/")
NAMED = {
    "a gateway that says who it is": "Mozilla/5.0 (compatible; CiscoSecureEmail/1.0)",
    "a gateway of three letters": "TMES/2.0 (Trend Micro Email Security)",
    "a mail provider's safety robot": "Mozilla/5.0 (compatible; Google-Safety; +http://www.google.com/bot.html)",
    "an assistant that reads for somebody": (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)"
    ),
    "a watch over addresses": "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "a messenger's preview": "TelegramBot (like TwitterBot)",
    "a company chat's preview": "Mattermost-Bot/1.1",
    "a federated chat's preview": "Synapse (bot; +https://github.com/matrix-org/synapse)",
    "an embedding service": "Iframely/1.3.1 (+https://iframely.com/docs/about)",
    "an antivirus program's own fetcher": "Avast Antivirus",
}
TEXT_BROWSERS = (
    "Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8",
    "w3m/0.5.3+git20230121",
    "ELinks/0.16.1.1 (textmode; Linux; 80x24-2)",
    "Links (2.29; Linux 6.1.0 x86_64; GNU C 12.2; text)",
    "URL/Emacs Emacs/29.1 (X11; x86_64-pc-linux-gnu)",
)


def click(after: float, link: int = 0, agent: str = CHROME, net: str = HOME, mail: int = 0) -> Ask:
    return Ask(after, link, agent, net, mail=mail)


def seen(after: float, agent: str, net: str = HOME, mail: int = 0) -> Ask:
    return pixel(after, agent, label=HUMAN, net=net, mail=mail)


def fetched(after: float, agent: str, net: str = CLOUD, mail: int = 0) -> Ask:
    return pixel(after, agent, label=MACHINE, net=net, mail=mail)


PUBLIC: tuple[Shape, ...] = (
    # machines
    Shape("a cloud suite looks at one link after another, each from another network", tuple(
        bot(20 + 24 * i, i, EDGE, (CLOUD, CLOUD_2, "198.18.7.0/24", "198.19.9.0/24", "198.18.99.0/24")[i])
        for i in range(5)
    )),
    Shape("a sandbox opens each link twice, three seconds apart", tuple(
        bot(300 + 3 * i, i // 2, CHROME, (CLOUD, CLOUD_2)[i % 2]) for i in range(10)
    )),
    Shape("a gateway before the 250, and all over again a day later", (
        bot(-3, 0), bot(-2.5, 1, net=CLOUD_2), *sweep(86_400, 0.05, nets=(CLOUD_2,)),
    )),
    Shape("a gateway that changes its browser with every link", tuple(
        bot(130 + 1.1 * i, i, (CHROME, FIREFOX, SAFARI)[i % 3]) for i in range(8)
    ), links=8),
    Shape("a gateway that looks at half of the links", tuple(bot(70 + 0.25 * i, 2 * i) for i in range(4)), links=8),
    Shape("a gateway with a browser nobody has any more", (bot(600, 0, OLD_EXPLORER),)),
    *(Shape(f"{name}: one link, late", (bot(4000, 1, agent),)) for name, agent in NAMED.items()),
    Shape("a privacy relay fetches ten people's pictures", tuple(
        fetched(400 + 31 * i, BARE, mail=i) for i in range(10)
    )),
    Shape("a browser's own relay fetches ahead", (
        bot(5000, 0, IPHONE, headers={"sec-purpose": "prefetch;anonymous-client-ip"}),
    )),
    Shape("a sandbox shows itself: picture, then a link, headless", (
        fetched(80, HEADLESS), bot(82, 0, HEADLESS),
    )),
    Shape("one fleet, one link each in six mails, twenty minutes apart", tuple(
        bot(3000 + 1200 * i, 0, CHROME_79, CLOUD, mail=i) for i in range(6)
    )),
    # people, with machines beside them
    Shape("a suite looks twelve seconds after the person, from elsewhere, as another computer", (
        click(5400, 1, CHROME_MAC, HOME), bot(5412, 1, CHROME, CLOUD),
    )),
    Shape("a gateway asks with HEAD, then lets the person through", (
        bot(7200, 2, method="HEAD"), click(7201, 2, CHROME, OFFICE),
    )),
    Shape("a browser fetches two links ahead, the person takes one", (
        Ask(3600, 0, CHROME, HOME, headers={"sec-purpose": "prefetch"}, label=MACHINE),
        Ask(3600.4, 1, CHROME, HOME, headers={"sec-purpose": "prefetch"}, label=MACHINE),
        click(3602, 1),
    )),
    Shape("a preview in a messenger, the colleague half a minute later", (
        bot(9000, 1, NAMED["a messenger's preview"]), click(9030, 1, IPHONE, MOBILE),
    )),
    Shape("an antivirus program beside the browser, both from the desk", (
        click(4000, 1), Ask(4000.3, 1, "Avast Antivirus", HOME, label=MACHINE),
    )),
    Shape("a browser's helper rates every link, the person takes one twenty seconds later", (
        *sweep(8000, 0.3, nets=(HOME,)), click(8021.5, 2),
    )),
    Shape("a relay fetched at night, the phone clicks in the morning", (
        fetched(900, BARE), click(30_000, 0, IPHONE, MOBILE),
    )),
    # people
    Shape("six people leave through one relay within ten minutes", tuple(
        click(1800 + 95 * i, i % 3, IPHONE.replace("19_0", f"19_{i}"), CLOUD, mail=i) for i in range(6)
    )),
    Shape("ten people read through a mailbox provider's proxy within a minute", tuple(
        seen(3600 + 5 * i, GMAIL, CLOUD, mail=i) for i in range(10)
    )),
    Shape("six people read through another provider's proxy", tuple(
        seen(700 + 4 * i, YAHOO, CLOUD, i) for i in range(6)
    )),
    Shape("a reader at a Czech mailbox provider", (seen(5000, SEZNAM, CLOUD), click(5040, 0))),
    Shape("a phone's Outlook shows the mail and opens the link itself", (
        seen(2000, OUTLOOK_PHONE, MOBILE), click(2020, 0, OUTLOOK_PHONE, MOBILE),
    )),
    Shape("the new Outlook on a desk", (seen(2000, OUTLOOK_NEW, OFFICE), click(2031, 0, EDGE, OFFICE))),
    Shape("a Mac's mail program without the relay", (seen(2000, MAC_MAIL), click(2015, 3, SAFARI))),
    Shape("nine colleagues, one managed browser, one office, a quarter of an hour", tuple(
        click(300 + (70, 130, 95)[i % 3] * i, i % 2, EDGE, OFFICE, mail=i) for i in range(9)
    )),
    Shape("six colleagues in three minutes after somebody said: read this", tuple(
        click(1500 + after, 0, EDGE, OFFICE, mail=i) for i, after in enumerate((0, 21, 52, 88, 131, 174))
    )),
    Shape("eight phones behind one carrier within a minute", tuple(
        click(2400 + (0, 6, 15, 21, 30, 41, 49, 58)[i], i % 4, IPHONE.replace("19_0", f"18_{i}"), MOBILE, mail=i)
        for i in range(8)
    )),
    Shape("three links in twenty seconds, out of five", (click(3600, 0), click(3608, 2), click(3619, 4))),
    Shape("all three links in twenty seconds", (click(3600, 0), click(3608, 1), click(3619, 2)), links=3),
    Shape("four tabs out of twelve links, one every three seconds", tuple(
        click(18_000 + 3 * i, 3 * i) for i in range(4)
    ), links=12),
    *(Shape(f"a text browser: {agent.split(' ')[0]}", (click(7000, 0, agent),)) for agent in TEXT_BROWSERS),
    Shape("the picture at home, the click from the road", (seen(600, IPHONE, HOME), click(4600, 1, IPHONE, MOBILE))),
    Shape("comes back through the browser's memory, days later", (
        click(3000, 1), click(260_000, 1), click(880_000, 1), click(881_000, 1),
    )),
    Shape("asks not to be followed, by both headers", (
        Ask(2500, 1, FIREFOX, HOME, headers={"sec-gpc": "1", "dnt": "1"}),
    )),
)

AMBIGUOUS = {
    "one fleet, one link each in six mails, twenty minutes apart",
    "a browser's helper rates every link, the person takes one twenty seconds later",
}
"""The first looks like an office behind one address; the second like a machine that comes back. Both lose little."""
