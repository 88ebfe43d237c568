"""`scoring.yaml` and `agreement.yaml`: do the numbers add up, and can every segment reach what is asked of it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from nurture.authoring.desk import did_you_mean, listing, nearest, problem
from nurture.authoring.lint.folder import Folder, facts, same
from nurture.authoring.lint.points import most_engagement, most_fit
from nurture.authoring.reading import File
from nurture.authoring.scoring import CELLS
from nurture.model.agreement import RecycleReason, RequiredEvents
from nurture.model.campaign import HandOff
from nurture.model.problem import Place, Problem
from nurture.model.scoring import Model, Rule
from nurture.model.words import EventKind


def scores(folder: Folder) -> Iterator[Problem]:
    file = folder.company_file("scoring")
    if file is None or file.noun is None:
        return
    models = file.noun.models
    for i, model in enumerate(models):
        last = i == len(models) - 1
        if last and model.applies_if is not None:
            yield problem("last-model-conditional", file.spot("model", model.id, "applies_if"),
                          f"leads to whom `{model.id}` does not apply have no score",
                          "end with a model without `applies_if`")
        if not last and model.applies_if is None and not model.shadow:
            yield problem("model-never-reached", models[i + 1].place,
                          f"`{model.id}` on line {model.place.line} applies to everybody before this", "put it last")
        yield from _model(folder, model, file)


def _model(folder: Folder, model: Model, file: File) -> Iterator[Problem]:
    yield from _matrix(model, file)
    yield from _order(model, file)
    yield from _tiers(model)
    yield from _criteria(folder, model, file)
    yield from _rules(folder, model, file)
    yield from _reach(folder, model, file)


def _matrix(model: Model, file: File) -> Iterator[Problem]:
    missing = [cell for cell in CELLS if cell not in model.matrix]
    if missing:
        yield problem("matrix-incomplete", file.spot("model", model.id, "matrix"),
                      f"the matrix of `{model.id}` does not say {', '.join(missing)}", "write all sixteen cells")
    for name, cell in model.matrix.items():
        if cell.action == "handoff" and (name[0] == "D" or name[1] == "4"):
            why = "does not fit" if name[0] == "D" else "has done nothing"
            yield problem("handoff-cell-forbidden", file.spot("cell", model.id, name),
                          f"{name} {why} and is handed to sales",
                          "take `nurture` or `hold`")


def _order(model: Model, file: File) -> Iterator[Problem]:
    fit, bands = model.fit_bands, model.engagement_bands
    if not fit["A"] > fit["B"] > fit["C"] > 0:
        yield problem("not-monotone", file.spot("model", model.id, "fit_bands"), "A must begin above B, and B above C",
                      "for example { A: 75, B: 50, C: 25 }")
    if not bands[1] > bands[2] > bands[3] > 0:
        yield problem("not-monotone", file.spot("model", model.id, "engagement"),
                      "band 1 must begin above 2, and 2 above 3",
                      "for example { 1: 75, 2: 50, 3: 25 }")
    silent = sorted(model.inactivity, key=lambda i: i.after_days)
    if any(later.points > earlier.points for earlier, later in pairwise(silent)):
        yield problem("not-monotone", file.spot("model", model.id, "inactivity"),
                      "a longer silence must not cost less than a shorter one", "let the points fall with the days")


def _tiers(model: Model) -> Iterator[Problem]:
    """Longer attendance and deeper content never give less than shorter and shallower ones of the same event."""
    for rule in model.rules:
        for other in model.rules:
            if other.event != rule.event or not rule.event or rule.points <= 0 or other.points >= rule.points:
                continue
            more = other.match.get("min_minutes", 0) > rule.match.get("min_minutes", 0)
            if more and _but(other, "min_minutes") == _but(rule, "min_minutes"):
                yield problem("not-monotone", other.place,
                              f"`{other.id}` asks for more than `{rule.id}` and gives less",
                              "let points rise with what is asked")


def _but(rule: Rule, key: str) -> dict[str, Any]:
    return {name: value for name, value in rule.match.items() if name != key}


def _criteria(folder: Folder, model: Model, file: File) -> Iterator[Problem]:
    known = folder.fields
    for criterion in model.fit:
        if "company" in folder.has and criterion.field not in known:
            yield problem("unknown-field", criterion.place,
                          f"a lead has no field `{criterion.field}`.{did_you_mean(criterion.field, known)}",
                          "add it to `lead_fields` in company.yaml")
        if criterion.rules and not any(rule.otherwise for rule in criterion.rules):
            yield problem("no-otherwise", criterion.place, f"`{criterion.field}` gives 0 points for every other value",
                          "end with `- otherwise: 20`")
        for i, rule in enumerate(criterion.rules[:-1]):
            if rule.otherwise:
                yield problem("rule-never-reached", criterion.place,
                              f"the rules of `{criterion.field}` after number {i + 1} are never asked",
                              "put `otherwise` last")
    for subtraction in model.subtract:
        if "company" in folder.has and subtraction.field not in known:
            yield problem("unknown-field", file.spot("subtract", subtraction.field),
                          f"a lead has no field `{subtraction.field}`.{did_you_mean(subtraction.field, known)}")
    for fact in facts(model.applies_if):
        if fact.op == "field" and "company" in folder.has and fact.value not in known:
            yield problem("unknown-field", fact.place,
                          f"a lead has no field `{fact.value}`.{did_you_mean(fact.value, known)}")


def _rules(folder: Folder, model: Model, file: File) -> Iterator[Problem]:
    for rule in model.rules:
        kinds = [(m.get("event"), rule.place) for m in rule.sequence] or [
            (rule.event, file.spot("rule", model.id, rule.id, "event"))]
        for kind, place in kinds:
            yield from _emitted(folder, kind, place)
        if rule.event == EventKind.OPEN and rule.points > 0:
            yield problem("opens-score", rule.place, f"`{rule.id}` gives points for opens", "give them 0 points")
        if rule.group is not None and rule.group not in model.groups:
            yield problem("unknown-group", file.spot("rule", model.id, rule.id, "group"),
                          f"no group `{rule.group}`.{did_you_mean(rule.group, model.groups)}",
                          "add it to `groups` with its cap")
    for kind in model.offered:
        yield from _emitted(folder, kind, file.spot("model", model.id, "offered"))
    for name, cell in model.matrix.items():
        tracks = folder.library.tracks.tracks
        if cell.track and "tracks" in folder.has and cell.track not in tracks:
            yield problem("unknown-track", file.spot("cell", model.id, name, "track"),
                          f"no track `{cell.track}`.{did_you_mean(cell.track, tracks)}", "tracks stand in tracks.yaml")


def _emitted(folder: Folder, kind: str | None, place: Place) -> Iterator[Problem]:
    if kind and "company" in folder.has and same(kind) not in folder.emitted:
        known = {*folder.library.company.emits, *folder.emitted}
        yield problem("unknown-event", place, f"nothing emits `{kind}`.{did_you_mean(kind, known)}",
                      "post it from your systems and name it under `emits` in company.yaml")


def _reach(folder: Folder, model: Model, file: File) -> Iterator[Problem]:
    possible = [name for name in model.matrix if name[0] != "D" and name[1] != "4"]
    handed = [name for name in possible if model.matrix[name].action == "handoff"]
    if not handed:
        return
    who = f"segment `{model.segment}`" if model.segment else f"model `{model.id}`"
    least = min(model.engagement_bands[int(name[1])] for name in handed)
    most = most_engagement(model, folder.emitted)
    if most < least:
        yield problem("threshold-out-of-reach", model.place,
                      f"{who} can gather {most} points with what it is offered, and is handed over from {least}",
                      "offer more, give more points, or lower the band")
    floor = min(model.fit_bands[name[0]] for name in handed)
    if most_fit(model) < floor:
        yield problem("fit-out-of-reach", file.spot("model", model.id, "fit"),
                      f"the best lead of {who} reaches a fit of {most_fit(model):.0f}, and is handed over from {floor}",
                      "give the best values 100 points")


def agreed(folder: Folder, today: date | None = None) -> Iterator[Problem]:
    file = folder.company_file("agreement")
    if file is None or file.noun is None:
        return
    agreement = file.noun
    unsigned = [role for role in agreement.signatories if role not in {s.role for s in agreement.signed}]
    if unsigned:
        yield problem("not-signed", file.spot("signed"), f"not signed by {', '.join(unsigned)}",
                      "add the signature, or take the role off `signatories`")
    yield from _dates(file, today)
    yield from _reasons(folder, file)
    for segment, required in agreement.required_events.items():
        yield from _required(folder, file, segment, required)
    for matcher in agreement.intent:
        yield from _emitted(folder, matcher.get("type"), file.spot("gate", "intent"))
    for name in agreement.required_fields:
        if "company" in folder.has and name not in folder.fields:
            yield problem("unknown-field", file.spot("gate", "required_fields"),
                          f"a lead has no field `{name}`.{did_you_mean(name, folder.fields)}",
                          "add it to `lead_fields`")


def _dates(file: File, today: date | None) -> Iterator[Problem]:
    agreement = file.noun
    period = timedelta(days=31 if agreement.review_every == "monthly" else 92)
    place = file.spot("next_review")
    if agreement.next_review > agreement.effective_from + period and file.whole:
        yield problem("review-too-far", place, f"{agreement.next_review} is more than {agreement.review_every} after "
                      f"{agreement.effective_from}", f"at the latest {agreement.effective_from + period}")
    if today is None or not file.whole:
        return
    if agreement.effective_from > today:
        yield problem("not-yet-effective", file.spot("effective_from"),
                      f"in force from {agreement.effective_from} only", "")
    if today > agreement.next_review + timedelta(days=agreement.grace_days):
        yield problem("agreement-expired", place,
                      f"the review was due on {agreement.next_review}, and the grace is over",
                      "hold the review and sign a new version")
    elif today > agreement.next_review:
        yield problem("review-overdue", place, f"the review was due on {agreement.next_review}", "hold the review")


def _reasons(folder: Folder, file: File) -> Iterator[Problem]:
    """Every way back leads somewhere. Said once per track, however many reasons lead there."""
    tracks, served = folder.library.tracks.tracks, {c.track for c, _ in folder.campaigns}
    if "tracks" not in folder.has:
        return
    ways: dict[str, list[RecycleReason]] = {}
    for reason in file.noun.recycle_reasons.values():
        if reason.track is not None:
            ways.setdefault(reason.track, []).append(reason)
    for track, reasons in ways.items():
        spots = [file.spots.get(("recycle_reasons", r.id, "track")) for r in reasons]
        place = next(filter(None, spots), file.spot("recycle_reasons"))
        first = reasons[0].id
        named = listing([r.id for r in reasons]) + (" lead" if len(reasons) > 1 else " leads")
        if track not in tracks:
            instead = nearest(track, tracks) or next(iter(tracks), "TRACK")
            yield problem("reason-without-way-back", place,
                          f"{named} to the track `{track}`, which is not there.{did_you_mean(track, tracks)}",
                          f"add it to tracks.yaml, or say under `recycle_reasons`: `{first}: {{ track: {instead} }}`")
        elif track not in served and any(r.kind != "passive" for r in reasons) and "campaign" not in folder.lost:
            yield problem("track-without-campaign", place, f"{named} to the track `{track}`, which has no campaign",
                          f"`nurture new recycled {track}-again --track {track}` writes one")


def _required(folder: Folder, file: File, segment: str, required: RequiredEvents) -> Iterator[Problem]:
    place = file.spot("required_events", segment)
    models = [m for m in folder.library.scoring.models if segment in (m.segment, m.id)]
    segments = [m.segment or m.id for m in folder.library.scoring.models]
    if segment != "default" and not models and "scoring" in folder.has:
        yield problem("unknown-segment", place, f"no segment `{segment}`.{did_you_mean(segment, segments)}",
                      "segments are named by the models of scoring.yaml")
    every = [*required.all_of, *required.ordered, *required.any_of]
    for matcher in every:
        yield from _emitted(folder, matcher.get("type"), place)
    for model in models:
        offered = {same(kind) for kind in model.offered}
        if offered and (not all(_offered(m, offered) for m in (*required.all_of, *required.ordered)) or (
                required.any_of and not any(_offered(m, offered) for m in required.any_of))):
            yield problem("required-event-not-offered", place,
                          f"`{segment}` must do what it is not offered: {', '.join(str(m.get('type')) for m in every)}",
                          "add it to `offered` in scoring.yaml, or demand something else")


def _offered(matcher: Mapping[str, Any], offered: set[str]) -> bool:
    return matcher.get("type") is None or same(matcher["type"]) in offered


def gate(folder: Folder) -> Iterator[Problem]:
    """What the gate asks besides a campaign's own `only_when`, said where the hand-off stands."""
    if "agreement" not in folder.has:
        return
    agreement = folder.agreement
    asked = [f"the lead's {', '.join(agreement.required_fields)}"] if agreement.required_fields else []
    asked += [f"{_segment(name)} {_events(required)}" for name, required in agreement.required_events.items()]
    for campaign, file in folder.campaigns:
        for step in campaign.walk():
            if isinstance(step.action, HandOff) and asked:
                yield problem("gate-adds", file.spot("step", step.id, "hand_off"),
                              f"`{step.id}` also needs what agreement.yaml asks: {'; '.join(asked)}", "")


def _segment(name: str) -> str:
    return "from everybody else" if name == "default" else f"from {name}"


def _events(required: RequiredEvents) -> str:
    parts = [(" or ", required.any_of), (" and ", required.all_of), (", then ", required.ordered)]
    return "; ".join(word.join(_event(m) for m in matchers) for word, matchers in parts if matchers)


def _event(matcher: Mapping[str, Any]) -> str:
    said = str(matcher.get("label") or matcher.get("type") or "something").replace("_", " ")
    about = [str(matcher[key]) for key in ("content", "topic", "url", "depth") if key in matcher]
    minutes = [f"of {matcher['min_minutes']} minutes"] if "min_minutes" in matcher else []
    days = [f"within {matcher['within_days']} days"] if "within_days" in matcher else []
    return " ".join([said, *about, *minutes, *days])
