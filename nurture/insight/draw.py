"""A campaign as a picture: Mermaid for a review, SVG for everything else; with counts per step where wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from nurture.decide.flow import flow_of
from nurture.model.campaign import (
    Campaign,
    Choose,
    Condition,
    End,
    HandOff,
    MoveTo,
    Notify,
    Score,
    Send,
    SetField,
    Step,
    WaitFor,
)


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    label: str = ""


def label_of(step: Step) -> str:
    """What a step does, in a few words."""
    match step.action:
        case Send(template=template, test=test):
            return f"send {template}" + (f" ({len(test.variants)} variants)" if test else "")
        case WaitFor(condition=condition, within=within):
            return f"wait for {told(condition)}, at most {within}"
        case Choose():
            return "choose"
        case Score(points=points, because=because):
            return f"score {points / 1000:+g}: {because}"
        case SetField(field=name, value=value):
            return f"set {name} = {value}"
        case Notify(to=to):
            return f"notify {to}"
        case MoveTo(track=track):
            return f"move to {track}"
        case HandOff(queue=queue, try_for=try_for, if_not=if_not):
            late = {MoveTo: "move to ", End: "end: "}.get(type(if_not), "")
            other = f", else {late}{getattr(if_not, 'track', None) or getattr(if_not, 'reason', '')}" if if_not else ""
            return f"hand off to {queue}" + (f", trying for {try_for}" if try_for else "") + other
        case End(reason=reason):
            return f"end: {reason}"


def told(condition: Condition) -> str:
    """A condition in words: `clicked case-study (read-the-story) or replied any`."""
    match condition.op:
        case "all" | "any":
            word = " and " if condition.op == "all" else " or "
            return word.join(f"({told(p)})" if p.op in ("all", "any") else told(p) for p in condition.parts)
        case "not":
            return "not " + ", ".join(told(p) for p in condition.parts)
        case "field":
            asked = [f"{name.replace('_', ' ')} {_listed(value)}" for name, value in condition.args.items()]
            return f"{condition.value} {' and '.join(asked)}"
    more = [str(value) for value in condition.args.values()]
    more += [f"in the last {condition.in_last}"] if condition.in_last else []
    return f"{condition.op.replace('_', ' ')} {_listed(condition.value)}" + (f" ({', '.join(more)})" if more else "")


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list, frozenset)) else str(value)


def entry(campaign: Campaign) -> str:
    """What brings a lead in, and for whom."""
    doors = " or ".join(f"{t.kind.replace('_', ' ')} {_listed(t.value)}" for t in campaign.enter.when)
    return doors + (f"; only if {told(campaign.enter.only_if)}" if campaign.enter.only_if else "")


def edges(campaign: Campaign) -> list[Edge]:
    """From step to step; `start` and `over` are the two ends. Labels are answers: yes, no, a branch's condition."""
    flow = flow_of(campaign)
    found = [Edge("start", campaign.steps[0].id if campaign.steps else "over", "")]
    for node in flow.values():
        step, after = node.step, node.next_id or "over"
        match step.action:
            case WaitFor(then=then, otherwise=otherwise):
                found += [Edge(step.id, _first(then, after), "yes"), Edge(step.id, _first(otherwise, after), "no")]
            case Choose(branches=branches, otherwise=otherwise):
                found += [Edge(step.id, _first(b.steps, after), told(b.condition)) for b in branches]
                found.append(Edge(step.id, _first(otherwise, after), "else"))
            case End() | MoveTo():
                found.append(Edge(step.id, "over", ""))
            case _:
                found.append(Edge(step.id, after, ""))
    return found


def _first(steps: Sequence[Step], after: str) -> str:
    return steps[0].id if steps else after


def wait(step: Step) -> str:
    """How long a step waits before it happens."""
    said = [f"after {step.after}"] if step.after else []
    said += [f"until {step.until.field}, at most {step.until.or_after}"] if step.until else []
    said += [f"on {step.send_on.replace('T', ' ')}"] if step.send_on else []
    return ", ".join(said)


def mermaid(campaign: Campaign, counts: Mapping[str, int] | None = None) -> str:
    """A Mermaid flowchart. Text from files is quoted; nothing in it is taken for syntax."""
    names = {step: f"s{i}" for i, step in enumerate(["start", *flow_of(campaign), "over"])}
    start = _quoted(f"{campaign.name}<br>{entry(campaign)}")
    lines = ["flowchart TD", f'  {names["start"]}(["{start}"])', f'  {names["over"]}(["over"])']
    for node in flow_of(campaign).values():
        here = f" - {counts.get(node.step.id, 0)} here" if counts is not None else ""
        shape = '{{"%s"}}' if isinstance(node.step.action, WaitFor | Choose) else '["%s"]'
        first = f"{wait(node.step)}: {node.step.id}" if wait(node.step) else node.step.id
        skips = f"<br>only if {told(node.step.condition)}" if node.step.condition else ""
        said = f"{first}<br>{label_of(node.step)}{skips}{here}"
        lines.append(f"  {names[node.step.id]}" + shape % _quoted(said))
    lines += [
        f"  {names[e.source]} -->" + (f'|"{_quoted(e.label)}"|' if e.label else "") + f" {names[e.target]}"
        for e in edges(campaign)
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return escape(text, quote=False).replace('"', "#quot;").replace("&lt;br&gt;", "<br>").replace("\n", " ")


ROW, HIGH, STEP_WIDTH, INDENT, MARGIN = 74, 48, 460, 40, 24


def svg(campaign: Campaign, counts: Mapping[str, int] | None = None) -> str:
    """A self-contained SVG, readable on light and dark ground: steps from top to bottom, branches indented.

    Who comes out of a branch goes down a rail on the right to the step where the branches meet again.
    """
    rows: list[tuple[Step, int]] = []
    _lay(campaign.steps, 0, rows)
    depth = max((d for _, d in rows), default=0)
    width, top = MARGIN * 2 + STEP_WIDTH + depth * INDENT + 24 * (depth + 1), MARGIN + 56
    height = top + MARGIN + ROW * len(rows)
    place = {step.id: (MARGIN + d * INDENT, top + i * ROW) for i, (step, d) in enumerate(rows)}
    rail = MARGIN + STEP_WIDTH + depth * INDENT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(campaign.name)}">',
        f"<style>{_STYLE}</style>{_ARROW}",
        f'<text x="{MARGIN}" y="{MARGIN + 10}" class="title">{escape(_cut(campaign.name, 60))}</text>',
        f'<text x="{MARGIN}" y="{MARGIN + 30}" class="small">{escape(_cut("starts: " + entry(campaign), 90))}</text>',
    ]
    parts += [_line(place, e, rail) for e in edges(campaign) if e.source in place and e.target in place]
    parts += [_box(step, place[step.id], None if counts is None else counts.get(step.id, 0)) for step, _ in rows]
    return "\n".join([*parts, "</svg>"]) + "\n"


_ARROW = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2530}.title{font-weight:600;font-size:16px}"
    ".small{font-size:11px;fill:#5a6675}.wait{font-size:11px;fill:#7a5a00}.tip{fill:#7c8896}"
    ".box{fill:#f4f6f9;stroke:#9aa7b5}.fork{fill:#fff6e0;stroke:#c79a2b}.end{fill:#eef7ee;stroke:#5d9c68}.line{stroke:#7c8896;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6ebf1}.small{fill:#a5b1bf}.wait{fill:#e3bf62}.tip{fill:#8a97a5}.box{fill:#1d2630;stroke:#55626f}.fork{fill:#3a3013;stroke:#c79a2b}"
    ".end{fill:#17301c;stroke:#5d9c68}.line{stroke:#8a97a5}}"
)


def _lay(steps: Sequence[Step], depth: int, rows: list[tuple[Step, int]]) -> None:
    for step in steps:
        rows.append((step, depth))
        match step.action:
            case WaitFor(then=then, otherwise=otherwise):
                _lay(then, depth + 1, rows)
                _lay(otherwise, depth + 1, rows)
            case Choose(branches=branches, otherwise=otherwise):
                for branch in branches:
                    _lay(branch.steps, depth + 1, rows)
                _lay(otherwise, depth + 1, rows)


def _line(place: Mapping[str, tuple[int, int]], edge: Edge, rail: int) -> str:
    (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
    if x2 > x1:  # into a branch
        way, label = f"M{x1 + 16} {y1 + HIGH} V{y2 + HIGH // 2} H{x2}", (x2 + 2, y2 - 7)
    elif x2 == x1 and (y2 - y1 == ROW or edge.label):
        way, label = f"M{x1 + 16} {y1 + HIGH} V{y2}", (x1 + 24, y2 - 7)
    else:  # out of a branch
        right = rail + 14 + 24 * ((x1 - x2) // INDENT - 1)
        edge_of, middle = x1 + STEP_WIDTH, y1 + HIGH // 2
        way, label = f"M{edge_of} {middle} H{right} V{y2 + 14} H{x2 + STEP_WIDTH}", (edge_of + 4, middle - 5)
    words = escape(_cut(edge.label, 80))
    said = f'<text class="small" x="{label[0]}" y="{label[1]}">{words}</text>' if words else ""
    return f'<path class="line" marker-end="url(#tip)" d="{way}"/>{said}'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _box(step: Step, at: tuple[int, int], here: int | None) -> str:
    x, y = at
    forks, ends = (WaitFor, Choose), (End, MoveTo, HandOff)
    kind = "fork" if isinstance(step.action, forks) else "end" if isinstance(step.action, ends) else "box"
    label = label_of(step) + (f"; only if {told(step.condition)}" if step.condition else "")
    right = f'<text class="small" x="{x + STEP_WIDTH - 12}" y="{y + 34}" text-anchor="end">{here} here</text>'
    waits = f'<text class="wait" x="{x + STEP_WIDTH - 12}" y="{y + 19}" text-anchor="end">{escape(wait(step))}</text>'
    room = 78 if here is None else 66
    return (
        f"<g><title>{escape(step.id)}: {escape(label)}</title>"
        f'<rect class="{kind}" x="{x}" y="{y}" width="{STEP_WIDTH}" height="{HIGH}" rx="6"/>'
        f'<text x="{x + 12}" y="{y + 19}">{escape(_cut(step.id, 34))}</text>{waits if wait(step) else ""}'
        f'<text class="small" x="{x + 12}" y="{y + 37}">{escape(_cut(label, room))}</text>'
        f"{right if here is not None else ''}</g>"
    )
