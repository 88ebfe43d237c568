"""A plan on paper: as tables for a person, as a document for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from nurture.cli.common import emit_json, out, plain, table

if TYPE_CHECKING:
    from nurture.acts.apply import CampaignPlan, Plan


def plan_json(made: Plan) -> dict[str, Any]:
    return {
        "plan": made.id, "config": made.config, "templates": made.templates, "gone": made.gone, "asks": made.asks,
        "remarks": [{"level": r.level, "code": r.code, "text": r.text, "fix": r.fix} for r in made.remarks],
        "campaigns": [
            {"campaign": one.campaign, "kind": one.kind, "base": one.base, "settings": one.change.settings,
             "tests_start_anew": one.change.epochs, "counts": one.effect.counts(),
             "visible": one.visible, "did_you_mean_was": dict(one.renames),
             "changes": [{"step": s.step, "what": s.what} for s in one.change.steps] if one.kind == "changed" else [],
             "steps": [{name: getattr(s, name) for name in type(s).__slots__} for s in one.effect.steps]}
            for one in made.campaigns
        ],
    }


def show_plan(made: Plan, *, as_json: bool, hint: bool = True) -> None:
    if as_json:
        emit_json(plan_json(made))
        return
    if made.empty:
        out.print(Text("Nothing to apply: this is what runs already.", style="green"))
    for one in made.campaigns:
        _show_campaign(one, made)
    for what, names in (("Company files", made.config), ("Templates", made.templates)):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            out.print(Text(f"{what} that change: {', '.join(names[:8])}{more}"))
    for name in made.gone:
        out.print(
            Text(
                f"The file of `{name}` is gone; it goes on as it is. To end it: --retire {name}=finish or {name}=leave",
                style="yellow",
            )
        )
    for remark in made.remarks:
        style = "bold red" if remark.level == "error" else "yellow"
        out.print(Text.assemble((remark.level, style), plain(f"[{remark.code}] {remark.text}")))
        if remark.fix:
            out.print(Text(plain(f"  fix: {remark.fix}")))
    if not made.empty:
        asks = ",".join(f"{what}={n}" for what, n in made.asks.items())
        if asks:
            out.print(
                Text(f'These are many people. To apply, say the numbers back: --accept "{asks}"', style="bold yellow")
            )
        if hint:
            out.print(
                Text.assemble(("plan ", "dim"), (made.id[:12], "bold"), ("   nurture apply " + made.id[:12], "dim"))
            )


def _show_campaign(one: CampaignPlan, made: Plan) -> None:
    people = one.effect.people
    head = {"new": "new", "changed": f"version {one.base} -> {one.base + 1}", "retired": "retired", "gone": "gone"}[
        one.kind
    ]
    out.print(Text.assemble((one.campaign, "bold"), f"  {head}, {people} people inside"))
    if one.kind != "new":
        for step in one.change.steps:
            out.print(Text(f"  {step.step}: {'; '.join(step.what)}"))
        for word in one.change.settings:
            out.print(Text(f"  {'changed: ' if one.kind == 'changed' else ''}{word}"))
        for fresh, gone in one.renames:
            hint = f"  {fresh}: did you mean `was: {gone}`? Without it people on `{gone}` move on"
            out.print(Text(hint, style="yellow"))
        for test in one.change.epochs:
            out.print(Text(f"  the test {test} starts anew; who drew keeps the variant"))
    if one.effect.steps:
        rows = [
            (
                s.step,
                s.people,
                s.stays or "",
                _goes(s),
                s.leaves or "",
                s.new_copy or "",
                s.earlier or "",
                s.at_once or "",
                s.later or "",
                s.asked or "",
            )
            for s in one.effect.steps
        ]
        columns = ("step", "people", "stay", "go to", "leave", "new copy", "earlier", "at once", "later", "asked again")
        out.print(table("", columns, rows, right=(1, 2, 4, 5, 6, 7, 8, 9)))
        if one.effect.total("at_once"):
            due = one.effect.total("at_once")
            out.print(Text(f"  {due} become due within an hour; they are spread over {made.spread_hours} hours"))
    if one.effect.pinned:
        out.print(Text(f"  {one.effect.pinned} stay on their version (in_flight: finish)"))
    if one.visible is not None and one.visible[1]:
        out.print(
            Text(f"  clicks are visible for {one.visible[0]} of {one.visible[1]}; the rest go the way of `if_unknown`")
        )
    if one.effect.by_rules:
        out.print(Text(f"  {one.effect.by_rules} leave by the new leave rules"))


def _goes(step: Any) -> str:
    if not step.to_step:
        return ""
    return f"{step.to_step} ({step.renamed or step.moved}{' renamed' if step.renamed else ''})"


def sum_up(made: Plan) -> str:
    kinds = [one.kind for one in made.campaigns]
    said = [
        f"{kinds.count(kind)} {word}"
        for kind, word in (("new", "new"), ("changed", "changed"), ("retired", "retired"))
        if kind in kinds
    ]
    return (f"Campaigns: {', '.join(said)}. " if said else "") + f"{made.people} people inside."
