"""`company.yaml`, `tracks.yaml` and `sales.yaml` -> nouns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.campaign import read_window
from nurture.authoring.conditions import read_condition
from nurture.authoring.desk import Desk
from nurture.authoring.shapes import ANY, DAY, EMAIL, SLUG, TEXT, URL, YES_NO, array, choice, ref, several, table, whole
from nurture.authoring.tree import Node
from nurture.model.company import Company, LeadField, Queue, Sales, Seller, Topic, Track, TrackRule, Tracks
from nurture.model.words import ContentKind, Purpose

FIELD_TYPES: Final = ("text", "number", "date", "yes_no", "choice")

COMPANY: Final[Words] = {
    "name": Word("The short name: in footers and in {{ company.name }}.", TEXT, True, ("Acme",)),
    "legal_name": Word("The name in the register.", TEXT, True, ("Acme sp. z o.o.",)),
    "postal_address": Word("Stands in every mail; the law of most countries wants it.", TEXT, True,
                           ("ul. Dobra 1, 00-001 Warszawa, Poland",)),
    "website": Word("The company's site.", URL, True, ("https://www.example.com",)),
    "timezone": Word("For leads and campaigns without one; scoring counts its days.", TEXT, True, ("Europe/Warsaw",)),
    "country": Word("Two letters; its law and public holidays are the last resort.", TEXT, True, ("PL",)),
    "language": Word("The language of last resort.", TEXT, True, ("en",)),
    "registration": Word("What the law of the country wants in a mail: register and tax number.", TEXT),
    "privacy_url": Word("The privacy notice.", URL),
    "support_email": Word("Where a person answers.", EMAIL),
    "list_domain": Word("The domain in List-Id.", TEXT, False, ("lists.example.com",)),
    "topics": Word("What people may subscribe to and leave: id -> name and purpose.", table(ref("topic"))),
    "lead_fields": Word("What a lead can hold besides the built-in fields.", table(ref("lead_field"))),
    "purposes": Word("Content kind -> the consent a mail of that kind needs; none: operational mail.",
                     table(choice([*Purpose, "none"]))),
    "at_most": Word("Caps over all campaigns.", several(ref("cap"))),
    "quiet": Word("When nobody is mailed, whatever a campaign says.", ref("window")),
    "holidays": Word("Closed days on top of the public ones, by country.", table(array(DAY))),
    "emits": Word("Events that your own systems post.", array(SLUG)),
    "dormant_after": Word("Silent for so long: dormant.", ref("duration"), False, ("180 days",)),
    "spread": Word("Over this long people are spread whom an edit, or resuming, makes due at once.", ref("duration"),
                   False, ("6 hours",)),
    "site_snippet": Word("The website carries our script, so a tracked click may tell it which visitor comes.", YES_NO),
    "hygiene_opens": Word("Keep only the date of the last open, also without open_tracking.", YES_NO),
    "sunset_after": Word("So many unanswered mails of the re-permission series end it.", TEXT, False, ("3 emails",)),
}
TOPIC: Final[Words] = {
    "name": Word("What the unsubscribe page shows.", TEXT, True, ("Guides and how-tos",)),
    "names": Word("The same in other languages: language -> name.", table(TEXT), False, ({"pl": "Poradniki"},)),
    "purpose": Word("The consent it rests on.", choice(Purpose), False, ("nurture_email",)),
}
LEAD_FIELD: Final[Words] = {
    "type": Word("What it holds.", choice(FIELD_TYPES), False, ("text",)),
    "label": Word("What people see.", TEXT),
    "choices": Word("With type choice: what may be chosen.", array({"type": ["string", "number"]}, 1)),
    "personal": Word("Does it tell something about a person (true) or about a company (false)?", YES_NO),
}
TRACKS: Final[Words] = {
    "tracks": Word("Id -> track.", table(ref("track")), True),
    "welcome": Word("Where early leads start.", SLUG),
    "profiling": Word("Where leads go of whom too little is known.", SLUG),
    "repermission": Word("Where dormant leads go.", SLUG),
    "rules": Word("The first rule whose condition holds names the track.", array(ref("track_rule"))),
}
TRACK: Final[Words] = {
    "name": Word("What colleagues call it.", TEXT, True, ("Education",)),
    "priority": Word("1 goes before 2; a track that goes before may take a lead away at once.", whole(1, 1000)),
    "kind": Word("marketing needs consent; operational does not.", choice(("marketing", "operational"))),
    "at_most": Word("Mails on this track.", ref("cap")),
    "min_stay": Word("Before another track may take the lead away.", ref("duration"), False, ("7 days",)),
    "early_leads": Word("May identified and early leads be on it? Then it carries no offer.", YES_NO),
    "on_exhausted": Word("When there is nothing left to send: stay, dormant, move_to TRACK.",
                         {"type": "string", "pattern": f"^(stay|dormant|move_to {v.SLUG})$"}, False,
                         ("move_to education",)),
    "holdout": Word("So many percent get nothing, to measure what the track is worth.", ref("share")),
}
TRACK_RULE: Final[Words] = {
    "rule": Word("Its name, as explanations say it.", SLUG, True, ("everybody-else",)),
    "track": Word("The track it names.", SLUG, True, ("education",)),
    "when": Word("Without it: always.", ref("condition")),
}
SALES: Final[Words] = {
    "default_queue": Word("Where hand-offs go that name no queue.", SLUG, False, ("inside-sales",)),
    "sellers": Word("Id -> person.", table(ref("seller")), True),
    "queues": Word("Id -> queue.", table(ref("queue")), True),
    "assist": Word("Content that sellers may send themselves.", array(ref("assist"))),
}
SELLER: Final[Words] = {
    "name": Word("First and last name.", TEXT, True),
    "email": Word("Where hand-offs are announced.", EMAIL, True),
    "role": Word("What they sign and decide.", choice(("sdr", "account_executive", "manager", "marketing"))),
    "deputy": Word("Who stands in.", SLUG),
    "timezone": Word("Their own.", TEXT),
    "country": Word("Whose public holidays are theirs, where not those of the agreement's calendar.", TEXT, False,
                    ("DE",)),
    "away": Word("First and last day away.", several({"type": "string", "pattern": " to "}), False,
                 (["2026-12-21 to 2026-12-31"],)),
}
QUEUE: Final[Words] = {
    "name": Word("What colleagues call it.", TEXT, True),
    "members": Word("Sellers, by id.", array(SLUG, 1), True),
    "assign": Word("How an owner is found.", choice(("round_robin", "territory", "pull"))),
    "territories": Word("Country -> seller.", table(SLUG)),
    "manager": Word("Who hears of missed deadlines.", SLUG),
    "deliver": Word("How a hand-off reaches sales.", array({"type": "object"})),
}
ASSIST: Final[Words] = {
    "content": Word("The content's id; it counts as received.", SLUG, True),
    "title": Word("What the seller sees.", TEXT, True),
    "url": Word("Where it is.", URL, True),
    "when": Word("When it is suggested: topic, depth.", ANY),
}
_PURPOSES: Final[Mapping[ContentKind, Purpose | None]] = {
    ContentKind.EDUCATIONAL: Purpose.NURTURE_EMAIL, ContentKind.PRODUCT: Purpose.NURTURE_EMAIL,
    ContentKind.OFFER: Purpose.COMMERCIAL_OFFERS, ContentKind.OPERATIONAL: None,
    ContentKind.SALES_ASSIST: Purpose.SALES_CONTACT,
}


def read_company(root: Node, desk: Desk) -> Company:
    """Who sends, about what, and what a lead can hold."""
    block = Block(root, desk, COMPANY)
    _remember(block)
    return Company(
        name=block.get("name", v.line, ""),
        legal_name=block.get("legal_name", v.line, ""),
        postal_address=block.get("postal_address", v.line, ""),
        website=block.get("website", addresses.web_address, ""),
        timezone=block.get("timezone", v.zone, "UTC"),
        country=block.get("country", v.country, ""),
        language=block.get("language", v.language, "en"),
        registration=block.get("registration", v.line, ""),
        privacy_url=block.get("privacy_url", addresses.web_address, ""),
        support_email=block.get("support_email", addresses.email, ""),
        list_domain=block.get("list_domain", v.line, ""),
        topics={name: _topic(name, node, desk) for name, node in named(block, "topics")},
        lead_fields={name: _lead_field(name, node, desk) for name, node in named(block, "lead_fields")},
        purposes=_purposes(block),
        at_most=block.get("at_most", v.many(v.cap), ()),
        quiet=block.get("quiet", read_window),
        holidays=_holidays(block),
        emits=frozenset(block.get("emits", v.many(v.slug), ())),
        dormant_after_days=block.get("dormant_after", v.days, 180),
        sunset_after_mails=block.get("sunset_after", _emails, 3),
        spread=block.get("spread", _hours, timedelta(hours=6)),
        site_snippet=block.get("site_snippet", v.yes_no, False),
        hygiene_opens=block.get("hygiene_opens", v.yes_no, False),
    )


def _remember(block: Block) -> None:
    for key in block.words:
        block.desk.spots[(key,)] = block.place(key)


def named(block: Block, key: str) -> list[tuple[str, Node]]:
    """The entries of a block of named things, with a finding for names that are no ids."""
    made = []
    for name, name_node, value in block.pairs(key):
        block.desk.spots[key, name] = name_node.place
        if v.slug(name_node, block.desk) is not None:
            made.append((name, value))
    return made


def _topic(name: str, node: Node, desk: Desk) -> Topic:
    block = Block(node, desk, TOPIC)
    return Topic(
        name, block.get("name", v.line, ""), block.get("purpose", v.one_of(Purpose), Purpose.NURTURE_EMAIL),
        block.get("names", v.by_language(v.line), {}),
    )


def _hours(node: Node, desk: Desk) -> timedelta | None:
    """Exact hours: from one to three days of them."""
    found = v.duration(node, desk)
    hours = {"hours": 1, "days": 24}.get(found.unit, 0) * found.amount if found else 0
    if found is not None and not 1 <= hours <= 72:
        v.not_like(node, desk, "6 hours", "2 days")
        return None
    return timedelta(hours=hours) if found else None


def _lead_field(name: str, node: Node, desk: Desk) -> LeadField:
    block = Block(node, desk, LEAD_FIELD)
    choices = tuple(str(c) for c in block.get("choices", v.many(v.scalar), ()))
    kind: Any = block.get("type", v.choice(*FIELD_TYPES), "text")
    if (kind == "choice") != bool(choices):
        desk.find("bad-form", node.place,
                  f"`{name}` has {'no choices' if kind == 'choice' else 'choices, but another type'}",
                  "write `{ type: choice, choices: [small, big] }`")
    return LeadField(name, kind, block.get("label", v.line, ""), choices, block.get("personal", v.yes_no, True))


def _purposes(block: Block) -> dict[ContentKind, Purpose | None]:
    made = dict(_PURPOSES)
    for _, name_node, value in block.pairs("purposes"):
        kind = v.one_of(ContentKind)(name_node, block.desk)
        purpose = v.choice(*Purpose, "none")(value, block.desk)
        if kind is None or purpose is None:
            continue
        if purpose == "none" and kind is not ContentKind.OPERATIONAL:
            block.desk.find("consent-not-optional", value.place, f"a mail of kind `{kind}` cannot go without consent",
                            "only operational mail may: a receipt, a download, a change of terms")
            continue
        made[kind] = None if purpose == "none" else Purpose(purpose)
    return made


def _holidays(block: Block) -> dict[str, tuple[str, ...]]:
    made = {}
    for country, name_node, value in block.pairs("holidays"):
        days = v.many(v.day)(value, block.desk)
        if v.country(name_node, block.desk) and days is not None:
            made[country] = tuple(d.isoformat() for d in days)
    return made


def _emails(node: Node, desk: Desk) -> int | None:
    found = re.fullmatch(r"([0-9]{1,2}) emails?", node.text) if node.kind == "text" else None
    if not found:
        v.not_like(node, desk, "3 emails")
        return None
    return int(found.group(1))


def read_tracks(root: Node, desk: Desk) -> Tracks:
    """The lanes and the rules that choose one."""
    block = Block(root, desk, TRACKS)
    _remember(block)
    rules = tuple(_track_rule(node, desk) for node in block.items("rules"))
    return Tracks(
        tracks={name: _track(name, node, desk) for name, node in named(block, "tracks")},
        rules=rules,
        welcome=block.get("welcome", v.slug, "welcome"),
        profiling=block.get("profiling", v.slug, "profiling"),
        repermission=block.get("repermission", v.slug, "repermission"),
    )


def _track(name: str, node: Node, desk: Desk) -> Track:
    block = Block(node, desk, TRACK)
    desk.spots["track", name, "on_exhausted"] = block.place("on_exhausted")
    return Track(
        id=name,
        name=block.get("name", v.line, name),
        priority=block.get("priority", v.whole(1, 1000), 100),
        kind=block.get("kind", v.choice("marketing", "operational"), "marketing"),
        at_most=block.get("at_most", v.cap),
        min_stay_days=block.get("min_stay", v.days, 7),
        early_leads=block.get("early_leads", v.yes_no, True),
        on_exhausted=block.get("on_exhausted", _on_exhausted, "stay"),
        holdout=block.get("holdout", v.part, 0),
        place=desk.spots["tracks", name],
    )


def _on_exhausted(node: Node, desk: Desk) -> str | None:
    if node.kind != "text" or not re.fullmatch(rf"stay|dormant|move_to {v.SLUG}", node.text):
        v.not_like(node, desk, "stay", "dormant", "move_to education")
        return None
    return node.text


def _track_rule(node: Node, desk: Desk) -> TrackRule:
    block = Block(node, desk, TRACK_RULE)
    name = block.get("rule", v.slug, "")
    desk.spots["rules", name] = block.place("track")
    return TrackRule(name, block.get("track", v.slug, ""), block.get("when", read_condition))


def read_sales(root: Node, desk: Desk) -> Sales:
    """Who is who in sales, and how a lead reaches them."""
    block = Block(root, desk, SALES)
    _remember(block)
    return Sales(
        sellers={name: _seller(name, node, desk) for name, node in named(block, "sellers")},
        queues={name: _queue(name, node, desk) for name, node in named(block, "queues")},
        default_queue=block.get("default_queue", v.slug, ""),
        assist=tuple(_assist(node, desk) for node in block.items("assist")),
    )


def _seller(name: str, node: Node, desk: Desk) -> Seller:
    block = Block(node, desk, SELLER)
    role = v.choice("sdr", "account_executive", "manager", "marketing")
    desk.spots["seller", name, "deputy"] = block.place("deputy")
    return Seller(name, block.get("name", v.line, name), block.get("email", addresses.email, ""),
                  block.get("role", role, "sdr"),
                  block.get("deputy", v.slug), block.get("timezone", v.zone), block.get("away", v.many(_span), ()),
                  block.get("country", v.country))


def _span(node: Node, desk: Desk) -> tuple[str, str] | None:
    """`2026-12-21 to 2026-12-31`."""
    ends = node.text.split(" to ") if node.kind == "text" else []
    days = [v.day(Node("text", node.at, end.strip()), desk) for end in ends] if len(ends) == 2 else []
    if len(days) != 2:
        v.not_like(node, desk, "2026-12-21 to 2026-12-31")
        return None
    first, last = days
    if first is None or last is None:
        return None
    if last < first:
        desk.find("bad-form", node.place, "the last day away is before the first", "swap them")
        return None
    return first.isoformat(), last.isoformat()


def _queue(name: str, node: Node, desk: Desk) -> Queue:
    block = Block(node, desk, QUEUE)
    for key in ("members", "manager", "territories"):
        desk.spots["queue", name, key] = block.place(key)
    territories = {code: value.text for code, key, value in block.pairs("territories") if v.country(key, desk)}
    return Queue(name, block.get("name", v.line, name), block.get("members", v.many(v.slug), ()),
                 block.get("assign", v.choice("round_robin", "territory", "pull"), "round_robin"),
                 territories, block.get("manager", v.slug),
                 tuple(_delivery(n, desk) for n in block.items("deliver")))


def _delivery(node: Node, desk: Desk) -> Mapping[str, Any]:
    found = v.anything(node, desk)
    if not isinstance(found, dict) or len(found) != 1 or next(iter(found)) not in ("mail", "webhook", "csv", "crm"):
        v.not_like(node, desk, "mail: owner", "webhook: https://crm.example.com/in", "csv: var/handoffs",
                   "crm: salesforce")
        return {}
    if "webhook" in found and addresses.web_address_fault(str(found["webhook"])):
        desk.find("not-https", next(iter(node))[1].place, "a webhook needs an absolute https address", "")
    return found


def _assist(node: Node, desk: Desk) -> Mapping[str, Any]:
    block = Block(node, desk, ASSIST)
    made = {"content": block.get("content", v.slug), "title": block.get("title", v.line),
            "url": block.get("url", addresses.web_address), "when": block.get("when", v.anything)}
    return {key: value for key, value in made.items() if value is not None}
