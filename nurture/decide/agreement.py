"""What there is to say about an agreement: is it in force, what changed, who has yet to sign. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, Final, Literal

from nurture.decide.gate import in_force
from nurture.model.agreement import Agreement
from nurture.model.scoring import Scoring

PERIOD_DAYS: Final = {"monthly": 31, "quarterly": 92}
LONGEST_VALUE: Final = 160
_UNSIGNED: Final = frozenset({"sha", "signed", "place"})


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs. `path` as the file would say it: `sla.decision_minutes.A1`."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path}: new, {_brief(self.after)}"
        if self.after is None:
            return f"{self.path}: gone (was {_brief(self.before)})"
        return f"{self.path}: {_brief(self.before)} -> {_brief(self.after)}"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about an agreement. `error` stops hand-offs or the build, `warning` asks for attention."""

    level: Literal["error", "warning", "info"]
    code: str
    text: str
    fix: str = ""


def differences(before: Any, after: Any) -> list[Change]:
    """Every value that differs between two agreements, scorings or parts of them, in reading order."""
    return list(_differences("", plain(before), plain(after)))


def _differences(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(n for n in after if n not in before)]:
            yield from _differences(f"{path}.{name}" if path else str(name), before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and (_named(before) or _named(after)):
        yield from _differences(path, _by_name(before), _by_name(after))
    elif before != after:
        yield Change(path, before, after)


def _named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(i, Mapping) and ("id" in i or "field" in i) for i in items)


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {str(i.get("id", i.get("field"))): i for i in items if isinstance(i, Mapping)}


def plain(value: Any) -> Any:
    """A noun as plain JSON values, without places, signatures and digests."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in _UNSIGNED}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((plain(v) for v in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value


def content_sha(agreement: Agreement, scoring: Scoring | None = None) -> str:
    """Digest of what is agreed on, whoever has signed and however the file is laid out."""
    document = {"agreement": plain(agreement), "scoring": plain(scoring) if scoring is not None else None}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def remarks(
    agreement: Agreement, *, today: date, applied: Agreement | None = None, scoring: Scoring | None = None,
    applied_scoring: Scoring | None = None,
) -> list[Remark]:
    """Everything to say about the file as it is, against what is applied; with both scorings about those too."""
    if not agreement.version:
        text = "there is no agreement of marketing and sales; defaults stand in, and nobody signed them"
        found = [Remark("warning", "agreement-missing", text, "`nurture new company` writes a first agreement.yaml")]
    else:
        found = [*_force(agreement, today), *_period(agreement)]
    if applied is not None and applied.version:
        found += _against(agreement, applied)
        if scoring is not None and applied_scoring is not None:
            found += _points(agreement, applied, scoring, applied_scoring)
    return found


def _points(agreement: Agreement, applied: Agreement, scoring: Scoring, before: Scoring) -> Iterator[Remark]:
    """Weights and thresholds are signed with the agreement (S2-21). A shadow model decides nothing and is free."""
    if agreement.version != applied.version:
        return
    changed = [c for c in differences(_deciding(before), _deciding(scoring)) if c.path != "version"]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield Remark("warning", "scoring-not-signed", f"version {agreement.version} was signed with other points: "
                     f"{changed[0]}{more}", f"version: {agreement.version + 1}, and new signatures")


def _deciding(scoring: Scoring) -> Scoring:
    return Scoring(tuple(model for model in scoring.models if not model.shadow))


def _force(agreement: Agreement, today: date) -> Iterator[Remark]:
    standing = in_force(agreement, on_day=today)
    unsigned = standing.evidence.get("unsigned")
    if unsigned:
        fix = f"nurture agreement sign --role {unsigned[0]} --name NAME"
        yield Remark("error", "agreement-unsigned", standing.text, fix)
    elif standing.evidence.get("overdue"):
        stops = "nothing is handed over" if agreement.enforce == "block" else "hand-offs go on, because it says `warn`"
        yield Remark("error", "agreement-overdue", f"{standing.text}; {stops}", "meet, change what has to change, sign")
    elif standing.outcome != "pass":
        yield Remark("warning", "agreement-future", standing.text)
    elif standing.evidence.get("review_overdue"):
        yield Remark("warning", "agreement-review", standing.text, "meet, change what has to change, sign")


def _period(agreement: Agreement) -> Iterator[Remark]:
    longest = PERIOD_DAYS[agreement.review_every]
    if (agreement.next_review - agreement.effective_from).days > longest and agreement.next_review != date.max:
        yield Remark("error", "agreement-period",
                     f"next_review {agreement.next_review} is more than a {agreement.review_every[:-2]} away from "
                     f"effective_from {agreement.effective_from}", "bring the review forward")
    early = [s for s in agreement.signed if s.on_date > agreement.next_review]
    for signature in early:
        text = f"{signature.name} signed as {signature.role} after the next review"
        yield Remark("error", "agreement-signature-late", text, "raise next_review")


def _against(agreement: Agreement, applied: Agreement) -> Iterator[Remark]:
    changed = content_sha(agreement) != content_sha(applied)
    if changed and agreement.version == applied.version:
        text = f"the content changed and the version is still {applied.version}"
        yield Remark("error", "agreement-same-version", text, f"version: {applied.version + 1}")
    if agreement.version < applied.version:
        yield Remark("error", "agreement-older", f"version {applied.version} is applied already",
                     f"version: {applied.version + 1}")
    if changed and agreement.version > applied.version:
        for signature in agreement.signed:
            if signature in applied.signed:
                yield Remark("error", "agreement-old-signature",
                             f"{signature.name} signed version {applied.version}, not {agreement.version}",
                             f"nurture agreement sign --role {signature.role} --name {signature.name!r}")



def _brief(value: Any) -> str:
    said = _say(value)
    return said if len(said) <= LONGEST_VALUE else said[:LONGEST_VALUE].rstrip() + " ..."


def _say(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_say(v)}" for k, v in value.items() if v not in (None, [], {}, False)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_say(v) for v in value) + "]"
    return str(value)
