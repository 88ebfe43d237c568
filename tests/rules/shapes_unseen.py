"""Shapes that were written after the rules, from what is known of mail gateways, chat previews and people's own habits.

They ask whether the rules hold for what they were not made from. A shape told wrong stays here and is named.
"""

from __future__ import annotations

from tests.rules.shapes import (
    CHROME,
    CHROME_79,
    CLOUD,
    CLOUD_2,
    FIREFOX,
    HOME,
    IPHONE,
    MACHINE,
    MOBILE,
    OFFICE,
    Ask,
    Shape,
    bot,
    pixel,
    sweep,
)

OLD_IE = "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"
IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
    "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)
PREVIEWS = {
    "a chat of a company's suite": (
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com"
    ),
    "the pictures of a chat": "Slack-ImgProxy (+https://api.slack.com/robots)",
    "a game chat": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "a phone's own messages": IMESSAGE,
    "a messenger": "WhatsApp/2.23.20.0 A",
    "a professional network": "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "a search engine": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "another search engine": (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
    ),
}
PROGRAMS = (
    "Go-http-client/1.1", "Java/17.0.2", "Wget/1.21.4", "libwww-perl/6.67", "node-fetch/1.0", "axios/1.6.0",
    "Apache-HttpClient/4.5.14 (Java/11.0.20)", "python-httpx/0.27.0", "aiohttp/3.9.1", "Scrapy/2.11",
)
PEOPLES = {
    "a phone's other browser": (
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
        "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36"
    ),
    "a browser that keeps quiet": (
        "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile "
        "DuckDuckGo/5 Safari/537.36"
    ),
    "a network's own app": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Mobile/21B74 [LinkedInApp]/9.29.7"
    ),
    "a search app": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "GSA/290.0 Mobile/15E148 Safari/604.1"
    ),
    "a desk browser of a suite": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
        "Safari/537.36 Edg/131.0.0.0"
    ),
    "a mail program's own window": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 "
        "Safari/537.36 Edg/128.0.0.0 OneOutlook/1.2024.920.0"
    ),
}


def gateway(start: float, step: float, links: int, *, net: str = CLOUD, agent: str = CHROME) -> tuple[Ask, ...]:
    return tuple(bot(start + i * step, i, agent, net) for i in range(links))


UNSEEN: tuple[Shape, ...] = (
    Shape("gateway: each link with HEAD, then with GET", tuple(
        ask for i in range(5)
        for ask in (bot(40 + i, i, CHROME_79, method="HEAD"), bot(40.2 + i, i, CHROME_79))
    )),
    Shape("gateway: two links at once, the rest a minute later from other networks", (
        bot(120, 0, CHROME_79), bot(120.4, 1, CHROME_79), bot(170, 2, CHROME_79, CLOUD_2),
        bot(178, 3, CHROME_79, CLOUD_2),
    )),
    Shape("gateway: eight links, one every two and a half seconds", gateway(30, 2.5, 8), links=8),
    Shape("gateway: five links, one every four seconds", gateway(300, 4, 5)),
    Shape("gateway: twelve links, one a second, two hours later", gateway(7200, 1, 12), links=12),
    Shape("gateway sweeps at delivery and again the next night", (*sweep(20, 0.02), *sweep(60_000, 0.02))),
    Shape("antivirus at home: all links at once from the reader's own network", sweep(
        7000, 0.05, agent=OLD_IE, nets=(HOME,)
    )),
    Shape("sandbox: the picture, then every link, each from another network", (
        pixel(15, CHROME, label=MACHINE, net=CLOUD), *sweep(15.5, 0.4, nets=(CLOUD, CLOUD_2, OFFICE)),
    )),
    Shape("the suite asks what the address allows", (
        bot(60, 0, "Microsoft Office Protocol Discovery", method="OPTIONS"),
    )),
    Shape("one link fetched by twelve people's gateway within a minute", tuple(
        bot(900 + 4 * i, 2, CHROME, CLOUD, mail=i) for i in range(12)
    )),
    Shape("a phone looks ahead at a long press", (bot(4000, 0, IPHONE, MOBILE, headers={"purpose": "preview"}),)),
    *(Shape(f"preview by {name}", (bot(5000, 1, agent),)) for name, agent in PREVIEWS.items()),
    *(Shape(f"program {agent.split('/')[0]}", (bot(5000, 0, agent),)) for agent in PROGRAMS),
    # people
    *(Shape(f"click in {name}", (Ask(4000, 0, agent, MOBILE),)) for name, agent in PEOPLES.items()),
    Shape("a relay: each click from another network", (Ask(4000, 0, IPHONE, MOBILE), Ask(4040, 2, IPHONE, HOME))),
    Shape("a reader works through four links in three minutes", tuple(Ask(4000 + 45 * i, i) for i in range(4))),
    Shape("the same link three times in a minute", tuple(Ask(4000 + 20 * i, 1) for i in range(3))),
    Shape("gateway sweeps, the person clicks the next morning from the office", (
        *sweep(30, 0.02), Ask(60_000, 0, CHROME, OFFICE), Ask(60_060, 3, CHROME, OFFICE),
    )),
    Shape("a preview in a chat, then the colleague clicks", (
        bot(9000, 1, PREVIEWS["the pictures of a chat"]), Ask(9030, 1, FIREFOX, OFFICE),
    )),
    Shape("both links of a short mail, three seconds apart", (Ask(4000, 0), Ask(4003, 1)), links=2),
    # hard ones
    Shape("a gateway looks the moment a person clicks, then lets them through", (
        bot(4000, 1, CHROME_79), Ask(4002, 1, CHROME, OFFICE),
    )),
    Shape("gateway: one link, once, minutes later, with a browser's name", (bot(400, 1, CHROME),)),
)
