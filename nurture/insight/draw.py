"""A campaign as a picture: Mermaid for a review, SVG for everything else; with counts per step where wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from nurture.decide.flow import flow_of
from nurture.model.campaign import (
    Campaign,
    Choose,
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
            return f"wait for {condition.op} {condition.value or ''}".strip() + f", {within}"
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
        case HandOff(queue=queue):
            return f"hand off to {queue}"
        case End(reason=reason):
            return f"end: {reason}"


def edges(campaign: Campaign) -> list[Edge]:
    """From step to step; `start` and `over` are the two ends."""
    flow = flow_of(campaign)
    found = [Edge("start", campaign.steps[0].id if campaign.steps else "over", "")]
    for node in flow.values():
        step, after = node.step, node.next_id or "over"
        match step.action:
            case WaitFor(then=then, otherwise=otherwise):
                found += [Edge(step.id, _first(then, after), "yes"), Edge(step.id, _first(otherwise, after), "no")]
            case Choose(branches=branches, otherwise=otherwise):
                found += [Edge(step.id, _first(b.steps, after), b.condition.op.replace("_", " ")) for b in branches]
                found.append(Edge(step.id, _first(otherwise, after), "else"))
            case End() | MoveTo():
                found.append(Edge(step.id, "over", ""))
            case _:
                found.append(Edge(step.id, after, ""))
    return [
        Edge(e.source, e.target, e.label or _wait(flow[e.target].step if e.target in flow else None)) for e in found
    ]


def _first(steps: Sequence[Step], after: str) -> str:
    return steps[0].id if steps else after


def _wait(step: Step | None) -> str:
    if step is None:
        return ""
    return str(step.after) if step.after else f"until {step.until.field}" if step.until else step.send_on or ""


def mermaid(campaign: Campaign, counts: Mapping[str, int] | None = None) -> str:
    """A Mermaid flowchart. Text from files is quoted; nothing in it is taken for syntax."""
    names = {step: f"s{i}" for i, step in enumerate(["start", *flow_of(campaign), "over"])}
    lines = ["flowchart TD", f'  {names["start"]}(["{_quoted(campaign.name)}"])', f'  {names["over"]}(["over"])']
    for node in flow_of(campaign).values():
        here = f" - {counts.get(node.step.id, 0)} here" if counts is not None else ""
        shape = '{{"%s"}}' if isinstance(node.step.action, WaitFor | Choose) else '["%s"]'
        lines.append(f"  {names[node.step.id]}" + shape % _quoted(f"{node.step.id}<br>{label_of(node.step)}{here}"))
    lines += [
        f"  {names[e.source]} -->" + (f'|"{_quoted(e.label)}"|' if e.label else "") + f" {names[e.target]}"
        for e in edges(campaign)
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return escape(text, quote=False).replace('"', "#quot;").replace("&lt;br&gt;", "<br>").replace("\n", " ")


ROW, STEP_WIDTH, INDENT, MARGIN = 64, 340, 48, 24


def svg(campaign: Campaign, counts: Mapping[str, int] | None = None) -> str:
    """A self-contained SVG: steps from top to bottom, branches indented, readable on light and dark ground."""
    rows: list[tuple[Step, int]] = []
    _lay(campaign.steps, 0, rows)
    depth = max((d for _, d in rows), default=0)
    width, height = MARGIN * 2 + STEP_WIDTH + depth * INDENT, MARGIN * 2 + 40 + ROW * len(rows)
    place = {step.id: (MARGIN + d * INDENT, MARGIN + 40 + i * ROW) for i, (step, d) in enumerate(rows)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(campaign.name)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="{MARGIN}" y="{MARGIN + 12}" class="title">{escape(campaign.name)}</text>',
    ]
    parts += [_line(place, e) for e in edges(campaign) if e.source in place and e.target in place]
    parts += [_box(step, place[step.id], None if counts is None else counts.get(step.id, 0)) for step, _ in rows]
    return "\n".join([*parts, "</svg>"]) + "\n"


_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2530}.title{font-weight:600;font-size:16px}"
    ".small{font-size:11px;fill:#5a6675}"
    ".box{fill:#f4f6f9;stroke:#9aa7b5}.fork{fill:#fff6e0;stroke:#c79a2b}.end{fill:#eef7ee;stroke:#5d9c68}.line{stroke:#7c8896;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6ebf1}.small{fill:#a5b1bf}.box{fill:#1d2630;stroke:#55626f}.fork{fill:#3a3013;stroke:#c79a2b}"
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


def _line(place: Mapping[str, tuple[int, int]], edge: Edge) -> str:
    (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
    start, end = x1 + 16, x2 + 16
    path = f'<path class="line" d="M{start} {y1 + 40} V{y2 - 10} H{end} V{y2}"/>'
    return path + (f'<text class="small" x="{end + 6}" y="{y2 - 4}">{escape(edge.label)}</text>' if edge.label else "")


def _box(step: Step, at: tuple[int, int], here: int | None) -> str:
    x, y = at
    kind = (
        "fork"
        if isinstance(step.action, WaitFor | Choose)
        else "end"
        if isinstance(step.action, End | MoveTo | HandOff)
        else "box"
    )
    label = label_of(step)
    shown = label if len(label) <= 46 else label[:45] + "…"
    count = (
        ""
        if here is None
        else f'<text class="small" x="{x + STEP_WIDTH - 10}" y="{y + 16}" text-anchor="end">{here} here</text>'
    )
    return (
        f"<g><title>{escape(step.id)}: {escape(label)}</title>"
        f'<rect class="{kind}" x="{x}" y="{y}" width="{STEP_WIDTH}" height="40" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 16}">{escape(step.id)}</text>'
        f'<text class="small" x="{x + 10}" y="{y + 32}">{escape(shown)}</text>{count}</g>'
    )
