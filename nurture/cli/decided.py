"""What the commands of sales share: who decides about what, in which words, and how a decision is shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from nurture.cli.common import emit_json, out, plain
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.acts.desk import Decided

Handoff = Annotated[int, typer.Argument(help="The number of the hand-off (`nurture sales list`).")]
As = Annotated[str, typer.Option("--as", help="Who decides: a seller of sales.yaml.", envvar="NURTURE_SELLER")]
Reason = Annotated[str | None, typer.Option("--reason", help="A reason of agreement.yaml (`nurture sales reasons`).")]
Note = Annotated[str | None, typer.Option("--note", help="In your own words.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def tell(decided: Decided, as_json: bool) -> None:
    if as_json:
        emit_json({"decision": decided.decision, "handoff": decided.handoff_id, "lead": decided.lead_id,
                   "stage": decided.stage, "reason": decided.reason, "repeated": decided.repeated, **decided.more})
        return
    again = " (was decided already)" if decided.repeated else ""
    reason = f", {decided.reason}" if decided.reason else ""
    what = f"hand-off {decided.handoff_id}, lead {decided.lead_id} is {decided.stage}"
    out.print(Text(plain(f"{decided.decision}{reason}: {what}{again}")))
    for name, value in decided.more.items():
        if value not in (None, [], {}, "", False) and name not in ("type", "lead", "cycle"):
            out.print(Text(plain(f"  {name.replace('_', ' ')}: {_said(value)}")))


def _said(value: Any) -> str:
    """A part of a report as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_said(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_said(one) for one in value)
    if isinstance(value, str) and value[10:11] == "T":
        return f"{datetime.fromisoformat(value):%d %b %Y}"
    return str(value)


def read_day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{text}` is not a date", fix=f"{option} 2027-03-01") from None


def pairs(given: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign:
            raise UsageError(f"`{one}` has no `=`", fix=f"{option} name=value")
        pairs[name.strip()] = value.strip()
    return pairs
