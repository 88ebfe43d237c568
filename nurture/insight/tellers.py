"""The rows of a lead's logs, told as lines a marketer reads. Names of steps and fields stay as the files write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from nurture.model.words import MessageState

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story. `kind` names its log, `text` says it; `campaign` and `step` where it belongs to one."""

    at: datetime
    kind: str
    text: str
    campaign: str | None = None
    step: str | None = None


_DONE: Final = {
    "webinar_registered": "registered for webinar", "webinar_attended": "attended webinar",
    "webinar_missed": "did not come to webinar",
}
_FLAGS: Final = {"late": "learnt on {:%d %b %Y}", "future": "dated ahead, learnt on {:%d %b %Y}"}
"""A fact that came long after it happened is no person who was late."""


def _event(row: Row) -> Iterator[Entry]:
    what = row["content"] or row["link"] or row["path"] or row["touchpoint"] or ""
    text = f"{_DONE.get(row['kind'], row['kind'].replace('_', ' '))} {what}".strip()
    if row["minutes"] is not None:
        text += f", {row['minutes']} minutes"
    if row["kind"] == "auto_reply" and (back := (row["data"] or {}).get("back_on")):
        text += f", away until {back}"
    if row["points"] is not None:
        text = f"{row['points'] / 1000:+g} points: {(row['data'] or {}).get('because', '')}"
    marks = [mark for mark, on in (("a machine", row["machine"]), ("void", row["void"])) if on]
    if row["flags"]:
        marks.append(_FLAGS.get(row["flags"], str(row["flags"])).format(row["recorded_at"]))
    yield Entry(
        row["occurred_at"], "event", text + (f" ({', '.join(marks)})" if marks else ""), row["campaign"], row["step"]
    )


_CONSENT: Final = {
    "request": "was asked to confirm",
    "grant": "agreed to",
    "import": "agreed to",
    "confirm": "confirmed",
    "withdraw": "took back",
    "object": "objected",
    "expire": "ran out",
    "erase": "was erased",
}


def _consents(rows: Sequence[Row]) -> Iterator[Entry]:
    """What one click or one file said is one line."""
    for (at, action, actor), found in groupby(rows, key=lambda row: (row["at"], row["action"], row["actor"])):
        together = list(found)
        wordings = {row["wording"] for row in together}
        shared = wordings.pop() if len(wordings) == 1 else None
        told = ", ".join(_purpose(row, told=shared) for row in together)
        where = [part for part in (shared and f"wording {shared}", actor != "person" and f"by {actor}") if part]
        said = f"{_CONSENT.get(action, action)}: {told}"
        yield Entry(at, "consent", said + (f" ({', '.join(where)})" if where else ""))


def _purpose(row: Row, *, told: str | None) -> str:
    way = "" if row["channel"] == "email" else f" by {row['channel']}"
    wording = f" [{row['wording']}]" if row["wording"] and row["wording"] != told else ""
    return _words(row["purpose"]) + way + wording


def _words(name: object) -> str:
    return str(name).replace("_", " ")


_ACTORS: Final = {"person": "the lead", "system": "the rules"}


def _transition(row: Row) -> Iterator[Entry]:
    actor = row["actor_id"] or _ACTORS.get(row["actor_kind"], row["actor_kind"])
    why = _words(row["reason"] or row["trigger"])
    yield Entry(
        row["occurred_at"], "stage", f"{row['from_stage']} -> {row['to_stage']}: {why} (by {actor}, {row['rule']})"
    )


_MAIL_TELLS: Final = {"sent", "refused", "failed"}
"""Ends of a step that the line of its mail tells already, with the reason."""


def whys(journal: Iterable[Row]) -> dict[tuple[int, str], str]:
    """(enrollment, step) -> why its mail left when it did, as it was written down when the step was passed."""
    told = ((row, row["text"].partition(": ")) for row in journal if row["kind"] == "step")
    return {(row["enrollment_id"], row["step"]): why for row, (end, _, why) in told if end == "sent" and why}


_ENTRY: Final = {"not_entered": "did not enter", "entered": "entered", "left": "left", "finished": "finished"}


def _journal(row: Row) -> Iterator[Entry]:
    if row["kind"] == "step" and row["text"].partition(":")[0] in _MAIL_TELLS:
        return
    text = f"{_ENTRY[row['kind']]} {row['campaign']}: {row['text']}" if row["kind"] in _ENTRY else row["text"]
    yield Entry(row["at"], row["kind"], text, row["campaign"], row["step"])


def _message(row: Row) -> Iterator[Entry]:
    variant = f" [{row['variant']}]" if row["variant"] else ""
    why = row["reason_text"] or row["reason"] or ""
    match row["state"]:
        case MessageState.SENT:
            then = f": {row['when']}" if row.get("when") else ""
            text = f"SENT {row['template']}{variant}{then}"
            yield Entry(row["sent_at"], "sent", text, row["campaign"], row["step_id"])
        case MessageState.REFUSED | MessageState.FAILED as state:
            yield Entry(
                row["ended_at"] or row["planned_at"],
                state,
                f"{state} {row['template']}{variant}: {why}",
                row["campaign"],
                row["step_id"],
            )
        case state:
            when = (
                f", due {row['due_at']:%Y-%m-%d %H:%M}"
                if state in (MessageState.PLANNED, MessageState.DEFERRED)
                else ""
            )
            yield Entry(
                row["planned_at"],
                state,
                f"{state} {row['template']}{variant}{when}" + (f": {why}" if why else ""),
                row["campaign"],
                row["step_id"],
            )


def _gate(row: Row) -> Iterator[Entry]:
    """The rules by their words; whoever wants their numbers finds them in the table of what is missing."""
    open_ = [r for r in row["results"] if r.get("outcome") != "pass" and not r.get("skipped")]
    said = "; ".join(str(r.get("text") or r.get("title") or r["id"]) for r in open_)
    if row["outcome"] == "pass":
        yield Entry(row["at"], "gate", "ready for sales")
    else:
        held = "not ready for sales" if row["outcome"] == "fail" else f"not handed to sales ({row['outcome']})"
        yield Entry(row["at"], "gate", held + (f": {said}" if said else ""))


def _handoff(row: Row) -> Iterator[Entry]:
    owner = f" ({row['owner']})" if row["owner"] else ""
    text = f"handed to {row['queue']}{owner}, cell {row['cell']}, by {_words(row['via'])}"
    yield Entry(row["opened_at"], "hand_off", text)


def _decision(row: Row) -> Iterator[Entry]:
    reason = f", {_words(row['reason'])}" if row["reason"] else ""
    note = f": {row['note']}" if row["note"] else ""
    yield Entry(row["at"], "sales", f"{row['actor_id']}: {_words(row['decision'])}{reason}{note}")


def _activity(row: Row) -> Iterator[Entry]:
    yield Entry(
        row["at"], "sales", f"{row['actor_id']}: {row['kind']} {row['outcome'] or ''} {row['note'] or ''}".strip()
    )


def _timer(row: Row) -> Iterator[Entry]:
    if row["breached_at"] is not None:
        yield Entry(row["breached_at"], "sla", f"{row['kind']} was due {row['due_at']:%Y-%m-%d %H:%M} and was missed")


def _each(teller: Callable[[Row], Iterator[Entry]]) -> Callable[[Sequence[Row]], Iterator[Entry]]:
    return lambda rows: (entry for row in rows for entry in teller(row))


TELLERS: Final[Mapping[str, Callable[[Sequence[Row]], Iterator[Entry]]]] = {
    "event": _each(_event),
    "consent": _consents,
    "transition": _each(_transition),
    "journal": _each(_journal),
    "message": _each(_message),
    "gate": _each(_gate),
    "handoff": _each(_handoff),
    "decision": _each(_decision),
    "activity": _each(_activity),
    "timer": _each(_timer),
}
"""By the name of the log, as `store.stories.read` gives them."""
