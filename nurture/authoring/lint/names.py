"""Names that lead nowhere: templates, steps, links, topics, tracks, queues, reasons, fields, forms, events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import tldextract

from nurture.authoring.addresses import split_address
from nurture.authoring.desk import did_you_mean, listing, problem
from nurture.authoring.lint.folder import (
    Folder,
    Visit,
    facts,
    same,
    templates_named,
    tracks_named,
    unknown,
    visits,
    words,
)
from nurture.authoring.reading import File
from nurture.model.campaign import Campaign, Condition, HandOff, Send, SetField, Step
from nurture.model.company import BUILT_IN_FIELDS, LeadField
from nurture.model.problem import Place, Problem

_EXTRACT: Final = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def names(folder: Folder) -> Iterator[Problem]:
    for campaign, file in folder.campaigns:
        yield from _around(folder, campaign, file)
        for visit in visits(campaign.steps, (), frozenset()):
            yield from _step(folder, campaign, file, visit)
        for condition in (campaign.enter.only_if, *(r.condition for r in campaign.leave_when),
                          campaign.goal.reached_when if campaign.goal else None):
            yield from _facts(folder, campaign, file, condition, None)


def _around(folder: Folder, campaign: Campaign, file: File) -> Iterator[Problem]:
    library = folder.library
    yield from _sender(folder, campaign, file)
    topic = campaign.sending.topic
    if "company" in folder.has and topic and topic not in library.company.topics:
        yield unknown("unknown-topic", "topic", topic, file.spot("sending", "topic"), library.company.topics,
                      "topics stand in company.yaml")
    if "tracks" in folder.has:
        for track, place in tracks_named(campaign, file):
            if track and track not in library.tracks.tracks:
                yield unknown("unknown-track", "track", track, place, library.tracks.tracks,
                              "tracks stand in tracks.yaml")
    for trigger in campaign.enter.when:
        for word in words(trigger.value):
            yield from _word(folder, trigger.kind, word, trigger)


def _sender(folder: Folder, campaign: Campaign, file: File) -> Iterator[Problem]:
    """Mail has to come from the company's own domain, or nobody can vouch for it."""
    company = folder.library.company
    address = split_address(campaign.sending.sender)
    host = company.website.removeprefix("https://").removeprefix("www.").split("/")[0]
    if "company" not in folder.has or address is None or f".{address[1].rpartition('@')[2]}".endswith(f".{host}"):
        return
    ours = {organisation(d) for d in (company.website, company.support_email, company.list_domain) if d}
    theirs = organisation(address[1])
    if ours and theirs not in ours:
        yield problem("unknown-sender-domain", file.spot("sending", "sender"),
                      f"`{theirs}` is not a domain of the company ({listing(sorted(ours))})",
                      "send from your own domain")


@lru_cache(maxsize=1024)
def organisation(said: str) -> str:
    """`https://www.example.co.uk/x` or `a@mail.example.co.uk` -> `example.co.uk`. Offline: the library has the list."""
    host = said.rpartition("@")[2]
    # A name outside the public list (an intranet, an example): its last two labels.
    bare = host.removeprefix("https://").split("/")[0]
    return _EXTRACT(host).top_domain_under_public_suffix or ".".join(bare.split(".")[-2:])


def _word(folder: Folder, kind: str, word: Any, asked: Any) -> Iterator[Problem]:
    """A fact's or a trigger's value that must be known elsewhere."""
    library, place = folder.library, asked.place
    company = "company" in folder.has
    match kind:
        case "form" if company and word not in library.forms:
            yield unknown("unknown-form", "form", word, place, library.forms, "forms stand in campaigns/forms")
        case "did" if company and same(word) not in folder.emitted:
            yield problem("unknown-event", place,
                          f"nothing emits `{word}`.{did_you_mean(str(word), _events(folder))}",
                          "post it from your systems and name it under `emits` in company.yaml")
        case "tag_added" | "tag" if company:
            yield from _added(folder, "tag", word, folder.brought.tags, place)
        case "list" if company:
            yield from _added(folder, "list", word, folder.brought.lists, place)
        case "recycled" if word not in folder.agreement.recycle_reasons:
            reasons = folder.agreement.recycle_reasons
            yield problem("unknown-reason", place,
                          f"sales has no reason `{word}`.{did_you_mean(str(word), reasons)}",
                          f"one of {listing(reasons, 14)}")
        case "track" | "in_track" if "tracks" in folder.has and word not in library.tracks.tracks:
            yield unknown("unknown-track", "track", word, place, library.tracks.tracks, "tracks stand in tracks.yaml")
        case "field" if company and word not in folder.fields:
            yield problem("unknown-field", place,
                          f"a lead has no field `{word}`.{did_you_mean(str(word), folder.fields)}",
                          "add it to `lead_fields` in company.yaml")


def _added(folder: Folder, what: str, word: Any, brought: frozenset[str], place: Place) -> Iterator[Problem]:
    """Where maps bring such words, one that none of them brings may be misspelt. Without any, nothing can be said."""
    by_hand = f"{what}_added" in {same(kind) for kind in folder.library.company.emits}
    if not brought or str(word) in brought or by_hand or "import" in folder.lost:
        return
    yield problem("nothing-adds", place, f"no import map adds the {what} `{word}`.{did_you_mean(str(word), brought)}",
                  f"add it to `{what}s` of a map in campaigns/imports, or name `{what}_added` under `emits` in "
                  f"company.yaml if it comes another way")


def _events(folder: Folder) -> list[str]:
    return sorted({*folder.library.company.emits, *folder.emitted})


def _step(folder: Folder, campaign: Campaign, file: File, visit: Visit) -> Iterator[Problem]:
    step = visit.step
    match step.action:
        case Send():
            yield from _templates(folder, file, step)
        case HandOff(queue=queue) if "sales" in folder.has and queue not in folder.library.sales.queues:
            yield unknown("unknown-queue", "queue", queue, file.spot("step", step.id, "hand_off"),
                          folder.library.sales.queues, "queues stand in sales.yaml")
        case SetField(field=name, value=value) if "company" in folder.has:
            place = file.spot("set", name, step.place)
            if name not in folder.fields:
                yield problem("unknown-field", place,
                              f"a lead has no field `{name}`.{did_you_mean(name, folder.fields)}",
                              "add it to `lead_fields` in company.yaml")
            yield from _choices(folder, name, (value,), place)
    if "company" in folder.has and step.until and step.until.field not in folder.fields:
        place = file.spot("step", step.id, "until")
        yield problem("unknown-field", place,
                      f"a lead has no field `{step.until.field}`.{did_you_mean(step.until.field, folder.fields)}",
                      "add it to `lead_fields` in company.yaml")
    for condition in _asked_on(step):
        yield from _facts(folder, campaign, file, condition, visit)


def _asked_on(step: Step) -> list[Condition]:
    action = step.action
    found = [step.condition, getattr(action, "condition", None), getattr(action, "only_when", None)]
    found += [branch.condition for branch in getattr(action, "branches", ())]
    return [condition for condition in found if condition is not None]


def _templates(folder: Folder, file: File, step: Step) -> Iterator[Problem]:
    known = folder.library.templates
    for name in templates_named(step):
        if name not in known and name not in folder.unread_templates:
            yield problem("unknown-template", file.spot("step", step.id, "send"),
                          f"no template `{name}`.{did_you_mean(name, known)}", f"write templates/{name}.en.md")


def _facts(
    folder: Folder, campaign: Campaign, file: File, condition: Condition | None, visit: Visit | None
) -> Iterator[Problem]:
    for fact in facts(condition):
        for word in words(fact.value):
            yield from _word(folder, fact.op, word, fact)
        if fact.op in ("clicked", "opened", "replied"):
            yield from _mail(folder, campaign, file, fact, visit)
        if fact.op == "field":
            asked = [*words(fact.args.get("one_of", ())), *([fact.args["is"]] if "is" in fact.args else [])]
            yield from _choices(folder, fact.value, asked, fact.place)


def _choices(folder: Folder, name: str, asked: Any, place: Any) -> Iterator[Problem]:
    field = folder.library.company.lead_fields.get(name) or BUILT_IN_FIELDS.get(name)
    if isinstance(field, LeadField) and field.kind == "choice":
        for value in asked:
            if str(value) not in field.choices:
                yield problem("unknown-choice", place,
                              f"`{name}` is never `{value}`.{did_you_mean(str(value), field.choices)}",
                              f"its choices are {listing(field.choices)}")


def _mail(folder: Folder, campaign: Campaign, file: File, fact: Condition, visit: Visit | None) -> Iterator[Problem]:
    """`clicked: STEP, link: NAME`: the step exists, sends, was before, and its mail has the link."""
    steps = {s.id: s for s in campaign.walk()}
    asked: list[Step] = []
    for word in words(fact.value):
        step = steps.get(word)
        if word == "any":
            asked += [s for s in steps.values() if isinstance(s.action, Send)]
        elif step is None and word in folder.contents:
            continue
        elif step is None:
            yield unknown("unknown-step", "step", word, fact.place, steps)
        elif not isinstance(step.action, Send):
            yield problem("not-a-mail", fact.place, f"`{word}` sends no mail, so nobody can have {fact.op} in it",
                          "name a step with `send`")
        elif visit is not None and word not in visit.before:
            yield problem("not-yet-sent", fact.place,
                          f"`{word}` on line {step.place.line} was not sent yet when this is asked",
                          "ask after the step that sends it")
        else:
            asked.append(step)
    yield from _link(folder, file, fact, asked)


def _link(folder: Folder, file: File, fact: Condition, asked: list[Step]) -> Iterator[Problem]:
    link = fact.args.get("link")
    templates = [t for step in asked for t in folder.template_of(step)]
    if link is None or not templates or any(link in t.links for t in templates):
        return
    known = [name for t in templates for name in t.links]
    mail = f"the email `{templates[0].name}` has no link" if len(templates) == 1 else "none of these emails has a link"
    yield problem("unknown-link", file.spot(fact.place, "link"), f"{mail} `{link}`.{did_you_mean(link, known)}",
                  f"its links are {listing(known)}" if known else "name the links of the copy")
