"""tracks.yaml, sales.yaml, forms and wordings: what they name exists, and nobody is lost on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from nurture.authoring.desk import did_you_mean, listing, problem
from nurture.authoring.lint.folder import Folder, facts, tracks_named, unknown
from nurture.authoring.reading import COMPANY_FILES, File
from nurture.authoring.template import CopyFile
from nurture.model import jurisdiction
from nurture.model.company import PAGE_LANGUAGES, USUAL_LABELS, Form
from nurture.model.problem import Place, Problem
from nurture.model.words import MAIL_PURPOSES, Purpose

_NEEDED = {"company": "who sends", "tracks": "which lanes there are", "scoring": "what points are for",
           "agreement": "what is handed to sales", "sales": "who takes leads"}


def company(folder: Folder) -> Iterator[Problem]:
    lost = {p.place.file for p in folder.reading.problems}
    for kind in COMPANY_FILES:
        name = f"campaigns/{kind}.yaml"
        if kind not in folder.has and name not in lost:
            yield problem("missing-file", Place(name),
                          f"there is no {kind}.yaml to say {_NEEDED[kind]}; defaults stand in",
                          "`nurture new company` writes what is missing")
    yield from _registration(folder)
    yield from _names_of_files(folder)
    yield from _tracks(folder)
    yield from _sales(folder)
    yield from _forms(folder)
    yield from _wordings(folder)


def _registration(folder: Folder) -> Iterator[Problem]:
    """What the law of the company's own country wants of it in every mail. Laws nobody has read say nothing here."""
    file = folder.company_file("company")
    if file is None or file.noun is None:
        return
    law = jurisdiction.of(file.noun.country)
    if law is not jurisdiction.STRICTEST and "registration" in law.footer and not file.noun.registration:
        yield problem("no-registration", file.spot("country"),
                      f"the law of {law.name} wants the company's register or tax number in its mails",
                      "write it to `registration`")


def _names_of_files(folder: Folder) -> Iterator[Problem]:
    seen: dict[tuple[str, str], File] = {}
    for kind in ("campaign", "form"):
        for file in folder.reading.of(kind):
            if file.noun is None:
                continue
            name, stem = file.noun.id, file.name.rsplit("/", 1)[-1].removesuffix(".yaml")
            first = seen.setdefault((kind, name), file)
            if first is not file:
                yield problem("same-campaign", file.noun.place, f"`{name}` stands in {first.name} too",
                              "give one of them another id")
            elif name != stem:
                yield problem("file-name", file.noun.place, f"this is `{name}`, and the file is `{stem}.yaml`",
                              f"name the file `{name}.yaml`")


def _tracks(folder: Folder) -> Iterator[Problem]:
    file = folder.company_file("tracks")
    if file is None or file.noun is None:
        return
    tracks = file.noun
    for role in ("welcome", "profiling", "repermission"):
        if getattr(tracks, role) not in tracks.tracks:
            yield unknown("unknown-track", "track", getattr(tracks, role), file.spot(role), tracks.tracks,
                          f"add it, or set `{role}`")
    for i, rule in enumerate(tracks.rules):
        if rule.track not in tracks.tracks:
            yield unknown("unknown-track", "track", rule.track, file.spot("rules", rule.id), tracks.tracks)
        for fact in facts(rule.when):
            if fact.op == "field" and "company" in folder.has and fact.value not in folder.fields:
                yield problem("unknown-field", fact.place,
                              f"a lead has no field `{fact.value}`.{did_you_mean(fact.value, folder.fields)}")
        if rule.when is None and i < len(tracks.rules) - 1:
            yield problem("rule-never-reached", file.spot("rules", tracks.rules[i + 1].id),
                          f"`{rule.id}` before it always holds", "put the rule without `when` last")
    if tracks.rules and tracks.rules[-1].when is not None:
        yield problem("no-fallback-rule", file.spot("rules", tracks.rules[-1].id),
                      "leads for whom no rule holds are on no track",
                      "end with a rule without `when`")
    yield from _exhausted(file)
    yield from _silent(folder, file)


def _silent(folder: Folder, file: File) -> Iterator[Problem]:
    """Tracks that leads are sent to and that have no campaign."""
    tracks = file.noun
    sent: dict[str, str] = {getattr(tracks, role): f"`{role}`" for role in ("welcome", "profiling", "repermission")}
    sent |= {rule.track: f"rule `{rule.id}`" for rule in tracks.rules}
    sent |= {t.on_exhausted.removeprefix("move_to "): f"track `{t.id}`" for t in tracks.tracks.values()}
    for campaign, own in folder.campaigns:
        sent |= {track: f"campaign `{campaign.id}`" for track, _ in tracks_named(campaign, own)}
    served = {campaign.track for campaign, _ in folder.campaigns}
    for track, by in sent.items():
        if track in tracks.tracks and track not in served and "campaign" not in folder.lost:
            yield problem("silent-track", tracks.tracks[track].place,
                          f"{by} sends leads to `{track}`, which has no campaign",
                          f"write one: `nurture new awareness {track}-first --track {track}`")


def _exhausted(file: File) -> Iterator[Problem]:
    tracks = file.noun.tracks
    moving = [t for t in tracks.values() if t.on_exhausted.startswith("move_to ")]
    onward = {t.id: t.on_exhausted.removeprefix("move_to ") for t in moving}
    for name, target in onward.items():
        place = file.spot("track", name, "on_exhausted")
        if target not in tracks:
            yield unknown("unknown-track", "track", target, place, tracks)
            continue
        way, at = [name], target
        while at in onward and at not in way:
            way.append(at)
            at = onward[at]
        if at == name and name == min(way):
            yield problem("track-loop", place, f"exhausted leads circle: {' -> '.join([*way, name])}",
                          "let one of them say `stay` or `dormant`")


def _sales(folder: Folder) -> Iterator[Problem]:
    file = folder.company_file("sales")
    if file is None or file.noun is None:
        return
    sales = file.noun
    if sales.default_queue and sales.default_queue not in sales.queues:
        yield unknown("unknown-queue", "queue", sales.default_queue, file.spot("default_queue"), sales.queues)
    for queue in sales.queues.values():
        named = [*((m, "members") for m in queue.members), *((s, "territories") for s in queue.territories.values())]
        named += [(queue.manager, "manager")] if queue.manager else []
        for seller, key in named:
            if seller not in sales.sellers:
                yield unknown("unknown-seller", "seller", seller, file.spot("queue", queue.id, key), sales.sellers)
        if not queue.members:
            yield problem("empty-queue", file.spot("queues", queue.id), f"nobody takes leads from `{queue.id}`",
                          "add a member")
    yield from _undecided(file)
    for seller in sales.sellers.values():
        if seller.deputy and seller.deputy not in sales.sellers:
            yield unknown("unknown-seller", "seller", seller.deputy, file.spot("seller", seller.id, "deputy"),
                          sales.sellers)


def _undecided(file: File) -> Iterator[Problem]:
    """Leads that would come to somebody who may not decide on them."""
    sellers = file.noun.sellers
    for queue in file.noun.queues.values():
        gets = [(who, ("queue", queue.id, "members")) for who in queue.members]
        gets += [(who, ("queue", queue.id, "territories")) for who in queue.territories.values()]
        stand_in = [(sellers[who].deputy or "", ("seller", who, "deputy")) for who, _ in gets if who in sellers]
        for who, spot in dict(reversed([*gets, *stand_in])).items():
            if who in sellers and sellers[who].role == "marketing":
                yield problem("member-cannot-decide", file.spot(*spot),
                              f"`{who}` gets leads of `{queue.id}`, and marketing does not decide on leads",
                              "give them `role: sdr`, which may also be who does the marketing")


def _forms(folder: Folder) -> Iterator[Problem]:
    wanted = _spoken(folder)
    for file in folder.reading.of("form"):
        form = file.noun
        if not isinstance(form, Form):
            continue
        names = {f.name for f in form.fields}
        if form.fields and "email" not in names:
            yield problem("form-without-email", file.spot("fields"), f"`{form.id}` does not ask for the address",
                          "add `{ field: email, label: E-mail, type: email, required: true }`")
        if Purpose.PRIVACY_NOTICE not in {c.purpose for c in form.consents}:
            yield problem("form-without-privacy", file.spot("consents"),
                          f"`{form.id}` does not show the privacy notice",
                          "add `{ purpose: privacy_notice, wording: privacy, required: true }`")
        for name in names if "company" in folder.has else ():
            if name not in folder.fields:
                yield problem("unknown-field", file.spot("field", name),
                              f"a lead has no field `{name}`.{did_you_mean(name, folder.fields)}",
                              "add it to `lead_fields` in company.yaml")
        if form.topic and "company" in folder.has and form.topic not in folder.library.company.topics:
            yield unknown("unknown-topic", "topic", form.topic, file.spot("topic"), folder.library.company.topics)
        yield from _consents(folder, file, form)
        yield from _languages(file, form, wanted)


def _spoken(folder: Folder) -> frozenset[str]:
    """Languages of readers: of mails, consent texts and forms, as far as our pages speak them, and not the company's.

    Nothing where the company's own language is unknown.
    """
    if "company" not in folder.has:
        return frozenset()
    said = {copy.language for f in folder.reading.of("copy") if isinstance(copy := f.noun, CopyFile)}
    said |= {text.language for text in folder.library.wordings.values()}
    for form in folder.library.forms.values():
        said |= {language for _, texts in _texts(form) for language in texts}
    return frozenset(PAGE_LANGUAGES) & said - {folder.library.company.language}


def _texts(form: Form) -> Iterator[tuple[str, Collection[str]]]:
    """What a visitor reads of a form, and in which other languages it is there."""
    yield "title", form.titles
    if form.thank_you:
        yield "thank_you", form.thanks
    for asked in form.fields:
        if asked.label not in USUAL_LABELS:
            yield f"the label of {asked.name}", asked.labels
        if asked.choices:
            yield f"the choices of {asked.name}", asked.choices_in


def _languages(file: File, form: Form, wanted: frozenset[str]) -> Iterator[Problem]:
    lacks = {what: tuple(sorted(wanted - set(texts))) for what, texts in _texts(form)}
    for missing in sorted({m for m in lacks.values() if m}):
        what = [name for name, without in lacks.items() if without == missing]
        yield problem("form-language", file.spot("title"),
                      f"`{form.id}` does not say {listing(what, 6)} in {', '.join(missing)}",
                      "write it under `titles`, `thanks`, `labels` and `choices_in`")
    unheard = sorted({language for _, texts in _texts(form) for language in texts} - set(PAGE_LANGUAGES))
    if unheard:
        yield problem("form-language", file.spot("title"),
                      f"`{form.id}` has words in {', '.join(unheard)}, and no page speaks that",
                      f"pages speak {', '.join(sorted(PAGE_LANGUAGES))}")


def _consents(folder: Folder, file: File, form: Form) -> Iterator[Problem]:
    texts = folder.library.wordings.values()
    known = {text.id for text in texts}
    for asked in form.consents:
        place = file.spot("consent", asked.purpose, asked.channel)
        own = [text for text in texts if text.id == asked.wording]
        if not own:
            yield unknown("unknown-wording", "consent text", asked.wording, place, known,
                          f"write campaigns/wordings/{asked.wording}.1.{folder.library.company.language}.md")
        elif not any(asked.purpose in text.purposes for text in own):
            yield problem("wording-purpose", place, f"`{asked.wording}` says nothing about {asked.purpose}",
                          "use the right text")
        # A newsletter form may require the newsletter: it is what is asked for. A download may not.
        free = asked.purpose in MAIL_PURPOSES and form.asset is not None or asked.purpose is Purpose.PROFILING
        if asked.required and (free or (asked.purpose is Purpose.SALES_CONTACT and not form.hand_raise)):
            yield problem("forced-consent", file.spot("required", asked.purpose, asked.channel),
                          f"consent to {asked.purpose} is the price of this form", "remove `required`")
        used = {*folder.agreement.channels, "email"}
        if asked.purpose is Purpose.SALES_CONTACT and asked.channel not in used:
            yield problem("forms-channel", place, f"sales does not use `{asked.channel}`",
                          f"one of {', '.join(sorted(used))}")
    sales = [c.channel for c in form.consents if c.purpose is Purpose.SALES_CONTACT]
    if sales == ["email"] and "phone" in folder.agreement.channels:
        yield problem("purpose-channel", file.spot("consent", Purpose.SALES_CONTACT, "email"),
                      f"`{form.id}` asks for sales contact by mail only", "add a box with `channel: phone`")


def _wordings(folder: Folder) -> Iterator[Problem]:
    newest: dict[str, int] = {}
    for text in folder.library.wordings.values():
        newest[text.id] = max(newest.get(text.id, 0), text.version)
    spoken: dict[str, set[str]] = {}
    for text in folder.library.wordings.values():
        if text.version == newest[text.id]:
            spoken.setdefault(text.id, set()).add(text.language)
    every = set().union(*spoken.values()) if spoken else set()
    for text in folder.library.wordings.values():
        missing = sorted(every - spoken.get(text.id, set()))
        first = min(t.key for t in folder.library.wordings.values() if t.id == text.id and t.version == newest[text.id])
        if missing and text.key == first:
            yield problem("wording-language", text.place, f"`{text.id}` has no text in {', '.join(missing)}",
                          "translate it")
