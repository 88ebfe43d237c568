"""Ways through a campaign: what nobody reaches, what leads nowhere, what circles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from nurture.authoring.desk import listing, problem
from nurture.authoring.lint.folder import Folder, conditions, ends, facts, guaranteed, visits, words
from nurture.authoring.reading import File
from nurture.model.campaign import Campaign, Choose, Condition, HandOff, MoveTo, Notify, Send, Step, WaitFor
from nurture.model.problem import Problem
from nurture.model.words import BEYOND_MARKETING, CampaignStatus

RUNS = (CampaignStatus.LIVE, CampaignStatus.REHEARSE)


def flow(folder: Folder, today: date | None = None) -> Iterator[Problem]:
    for campaign, file in folder.campaigns:
        yield from _unreachable(campaign.steps)
        yield from _dead_end(campaign)
        yield from _twice(folder, campaign, file)
        yield from _was(campaign, file)
        yield from _contradictions(campaign)
        yield from _life(campaign, file, today)
    yield from _ping_pong(folder)
    yield from _same_entry(folder)


def _unreachable(steps: tuple[Step, ...]) -> Iterator[Problem]:
    stop: Step | None = None
    for step in steps:
        if stop is not None:
            how = "ends the campaign" if ends(stop) else "leaves in every branch,"
            yield problem("unreachable", step.place,
                          f"no lead can reach `{step.id}`: `{stop.id}` on line {stop.place.line} {how} for everyone",
                          "move it before that step, or delete it")
            return
        for inner in _inner(step):
            yield from _unreachable(inner)
        if not _goes_on(step):
            stop = step


def _inner(step: Step) -> list[tuple[Step, ...]]:
    match step.action:
        case WaitFor(then=then, otherwise=otherwise):
            return [then, otherwise]
        case Choose(branches=branches, otherwise=otherwise):
            return [*(b.steps for b in branches), otherwise]
    return []


def _goes_on(step: Step) -> bool:
    """Can a lead come to what stands after this step?"""
    if step.condition is not None:
        return True
    match step.action:
        case WaitFor(then=then, otherwise=otherwise):
            return step.if_unknown == "skip" or _through(then) or _through(otherwise)
        case Choose(branches=branches, otherwise=otherwise):
            return step.if_unknown == "skip" or any(_through(b.steps) for b in branches) or _through(otherwise)
    return not ends(step)


def _through(steps: tuple[Step, ...]) -> bool:
    return all(_goes_on(step) for step in steps)


def _dead_end(campaign: Campaign) -> Iterator[Problem]:
    last = campaign.steps[-1] if campaign.steps else None
    if last is not None and isinstance(last.action, WaitFor) and not last.action.then and not last.action.otherwise:
        yield problem("dead-end", last.place, f"`{last.id}` waits, and then nothing happens in any case",
                      "say what happens in `then` or `otherwise`, or delete it")


def _twice(folder: Folder, campaign: Campaign, file: File) -> Iterator[Problem]:
    first: dict[str, Step] = {}
    for visit in visits(campaign.steps, (), frozenset()):
        for template in folder.template_of(visit.step)[:1]:
            earlier = first.get(template.content)
            if earlier is not None and earlier.id in visit.before and template.repeat_after is None:
                yield problem("same-content", file.spot("step", visit.step.id, "send"),
                              f"`{earlier.id}` on line {earlier.place.line} sends `{template.content}` already",
                              "write another mail, or delete one of the steps")
            first.setdefault(template.content, visit.step)


def _was(campaign: Campaign, file: File) -> Iterator[Problem]:
    names = {step.id for step in campaign.walk()}
    for step in campaign.walk():
        if step.was in names:
            yield problem("was-still-there", file.spot("step", step.id, "was"), f"the step `{step.was}` is still there",
                          "remove `was`, or the old step")


def _contradictions(campaign: Campaign) -> Iterator[Problem]:
    for condition, _ in conditions(campaign):
        for block in _blocks(condition):
            yield from _both_ways(block)
            floor = max((f.value for f in block if f.op == "engagement_at_least"), default=None)
            ceiling = min((f.value for f in block if f.op == "engagement_below"), default=None)
            if floor is not None and ceiling is not None and floor >= ceiling:
                asked = next(f for f in block if f.op == "engagement_below")
                yield problem("contradiction", asked.place,
                              f"nobody has {floor} points or more and less than {ceiling}",
                              "ask for one of the two")


def _both_ways(block: list[Condition]) -> Iterator[Problem]:
    """A thing and its opposite, or two stages at once."""
    held = {_bare(part): part for part in block}
    for part in block:
        if part.op == "not" and _bare(part.parts[0]) in held:
            yield problem("contradiction", part.place, "this asks for a thing and for its opposite",
                          "ask for one of them")
    stages = [set(words(part.value)) for part in block if part.op == "lifecycle_is"]
    if len(stages) > 1 and not set.intersection(*stages):
        yield problem("contradiction", block[0].place, "nobody is in two stages at once", "name them in one list")


def _blocks(condition: Condition) -> Iterator[list[Condition]]:
    if condition.op == "all":
        yield list(condition.parts)
    for part in condition.parts:
        yield from _blocks(part)


def _life(campaign: Campaign, file: File, today: date | None) -> Iterator[Problem]:
    if file.whole and not campaign.enter.when:
        yield problem("nobody-enters", file.spot("enter", "when"), f"nobody can enter `{campaign.id}`", "add a trigger")
    stages = guaranteed(campaign.enter.only_if, "lifecycle_is")
    if stages and stages <= BEYOND_MARKETING:
        who = listing(sorted(stages))
        yield problem("nobody-enters", file.spot("enter", "only_if"),
                      f"nobody can enter `{campaign.id}`: marketing does not write to leads who are {who}",
                      "name an earlier stage")
    acts = (Send, HandOff, Notify)
    if campaign.status in RUNS and campaign.steps and not any(isinstance(s.action, acts) for s in campaign.walk()):
        yield problem("no-mail", file.spot("steps"), f"`{campaign.id}` sends nothing",
                      "add a mail, or set `status: draft`")
    for step in campaign.walk() if today else ():
        if step.send_on and today and date.fromisoformat(step.send_on[:10]) <= today + timedelta(days=1):
            yield problem("send-on-past", file.spot("step", step.id, "send_on"),
                          f"{step.send_on.replace('T', ' ')} has passed or is about to: `{step.id}` leaves at once",
                          "set a later date")
    for condition, _ in conditions(campaign):
        for fact in facts(condition):
            if fact.op == "opened":
                yield problem("opens-lie", fact.place, "opens lie: mail programs open, and people read without",
                              "ask for `clicked`, `visited` or `replied`")


def _moves(campaign: Campaign) -> set[str]:
    found = {rule.move_to for rule in campaign.leave_when if rule.move_to}
    for step in campaign.walk():
        match step.action:
            case MoveTo(track=track) | HandOff(if_not=MoveTo(track=track)):
                found.add(track)
    return found


def _ping_pong(folder: Folder) -> Iterator[Problem]:
    free = [(c, f, moves) for c, f in folder.campaigns if c.enter.again == "always" and (moves := _moves(c))]
    for campaign, file, moves in free:
        for other, _, back in free:
            if campaign.id <= other.id and other.track in moves and campaign.track in back:
                alone = campaign.id == other.id
                both = f"`{campaign.id}` can send a lead back to itself" if alone else (
                    f"`{campaign.id}` and `{other.id}` can pass a lead to and fro")
                yield problem("ping-pong", file.spot("enter", "when"), f"{both} without a pause",
                              "set `again: after 90 days`" + ("" if alone else " in one of them"))


def _same_entry(folder: Folder) -> Iterator[Problem]:
    seen: dict[tuple[object, ...], Campaign] = {}
    for campaign, _ in folder.campaigns:
        if campaign.status not in RUNS:
            continue
        for trigger in campaign.enter.when:
            key = (campaign.track, campaign.priority, trigger.kind, str(trigger.value), _bare(campaign.enter.only_if))
            other = seen.setdefault(key, campaign)
            if other.id != campaign.id:
                yield problem("same-entry", trigger.place,
                              f"`{other.id}` takes the same leads on the same track with the same priority",
                              f"give `{campaign.id}` or `{other.id}` a smaller `priority`")


def _bare(condition: Condition | None) -> str:
    """A condition without its places, for comparing."""
    if condition is None:
        return ""
    inner = ",".join(_bare(part) for part in condition.parts)
    return f"{condition.op}:{condition.value}:{sorted(condition.args.items())}:{condition.in_last}({inner})"
