"""Scoring everybody again after the rules changed: streamed by lead, in as many processes as there are cores.

Incremental scoring needs none of this. Only leads whose cell changed are woken, and the daily limit of the agreement
ramps what newly qualifies: a new model cannot flood sales.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from typing import Any, Final

from nurture.decide import score
from nurture.decide.fit import verdict
from nurture.decide.scored import HANDOFF, Holds, action, choose_model, holding, profile
from nurture.errors import Refused
from nurture.model.campaign import Condition
from nurture.model.facts import Lead, Snapshot, Value
from nurture.model.library import Library
from nurture.model.scoring import Model
from nurture.model.words import ENGAGED, EventKind, Stage
from nurture.parts import Parts
from nurture.store import Connection, Store, open_store
from nurture.store.audience import snapshots
from nurture.store.facts import wakeups
from nurture.store.sales import rescoring, scores
from nurture.store.sales.rescoring import RawLead

CHUNK: Final = 20_000
"""Leads per transaction."""
SLICE: Final = 10_000
"""Leads per look of the running system, between its other stages."""
ASKED: Final = frozenset({Stage.EARLY, Stage.NURTURING, Stage.RECYCLED, Stage.DORMANT})
_PLAIN_FACTS: Final = frozenset({"field", "lifecycle_is", "in_track", "all", "any", "not"})

Progress = Callable[[int, int], None]
"""Called with leads done and leads in all (by id, so the second is an upper bound)."""


@dataclass(frozen=True, slots=True)
class Rescored:
    leads: int
    changed: int
    woken: int


def rescore(
    store: Store, library: Library, *, now: datetime, workers: int = 1, progress: Progress | None = None,
    wake: bool = True,
) -> Rescored:
    """Score every lead again with the models of `library`.

    Raises:
        Refused: `needs_events` where a model applies by what a lead did: such leads are scored one by one instead.
    """
    for model in library.scoring.models:
        if model.applies_if is not None and not _plain(model.applies_if):
            raise Refused(f"Model {model.id} applies by what a lead did.", code="needs_events",
                          fix="let `applies_if` ask for fields, or wake the leads instead")
    with store.read() as conn:
        first, last = rescoring.span(conn)
    parts = [(a, min(a + CHUNK - 1, last)) for a in range(first, last + 1, CHUNK)]
    done = leads = changed = woken = 0
    for result in _results(store, library, parts, now, workers, wake):
        done, leads, changed, woken = done + CHUNK, leads + result.leads, changed + result.changed, woken + result.woken
        if progress is not None:
            progress(min(done, last - first + 1), last - first + 1)
    return Rescored(leads, changed, woken)


def _results(
    store: Store, library: Library, parts: list[tuple[int, int]], now: datetime, workers: int, wake: bool
) -> Iterator[Rescored]:
    if workers <= 1 or len(parts) <= 1:
        for a, b in parts:
            yield _part(store, library, a, b, now, wake)
        return
    url = store.engine.url.render_as_string(hide_password=False)
    # Spawned and not forked: a forked process would share the parent's database connections.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(url, library)) as pool:
        for future in as_completed([pool.submit(_in_worker, a, b, now, wake) for a, b in parts]):
            yield future.result()


def after_a_change(parts: Parts, *, now: datetime) -> int:
    """One slice of rescoring, where the company's files, or our way to count, changed since everybody was scored.

    Returns leads looked at.

    Two workers at once do the same slice twice, which changes nothing; none is left out when one of them dies.
    """
    rules = _rules(parts.library)
    with parts.store.read() as conn:
        before = rescoring.position(conn)
        start, last = _span_left(conn, before, rules)
    if before == (rules, -1):
        return 0
    end = start + SLICE - 1
    done = _slice(parts, start, end, now)
    with parts.store.begin() as conn:
        rescoring.advance(conn, before=before, rules=rules, upto=-1 if end >= last else end + 1, now=now)
    return done


def waiting(parts: Parts, conn: Connection) -> int:
    """How many leads wait to be scored again by the rules now in force (by id, so an upper bound).

    0 before anything was scored at all: whoever comes in is woken, and the first of them starts the count.
    """
    before = rescoring.position(conn)
    start, last = _span_left(conn, before, _rules(parts.library)) if before[0] else (0, -1)
    return max(0, last - start + 1)


def _rules(library: Library) -> str:
    return f"{library.config_sha}/{score.EDITION}"


def _span_left(conn: Connection, before: tuple[str, int], rules: str) -> tuple[int, int]:
    if before == (rules, -1):
        return 0, -1
    first, last = rescoring.span(conn)
    return (before[1] if before[0] == rules else first), last


def _slice(parts: Parts, first: int, last: int, now: datetime) -> int:
    if all(m.applies_if is None or _plain(m.applies_if) for m in parts.library.scoring.models):
        return _part(parts.store, parts.library, first, last, now, True, ready=True).leads
    with parts.store.begin() as conn:
        ids = rescoring.ids(conn, first, last)
        wakeups.wake(conn, ids, now=now)
    return len(ids)


_held: dict[str, Any] = {}


def _begin(url: str, library: Library) -> None:
    _held["store"], _held["library"] = open_store(url), library


def _in_worker(first: int, last: int, now: datetime, wake: bool) -> Rescored:
    return _part(_held["store"], _held["library"], first, last, now, wake)


def _part(
    store: Store, library: Library, first: int, last: int, now: datetime, wake: bool, *, ready: bool = False
) -> Rescored:
    """Score one span of leads. `ready` wakes those in a hand-off cell too: the gate itself may have changed."""
    holds = holding(library.company)
    kinds = wanted_kinds(library)
    changed, moved, beside, seen = [], [], [], 0
    tried = [model for model in library.scoring.models if model.shadow]
    with store.read() as conn:
        for raw in rescoring.leads(conn, first, last, kinds=kinds, at=now):
            seen += 1
            row = score_raw(raw, library, holds, now)
            if tried:
                beside += _shadow_rows(raw, tried, holds, now)
            after = tuple(row[name] for name in rescoring.WRITTEN)
            if after != raw.before:
                changed.append({"id": raw.id, **row})
            if row["action"] != raw.before[8] or (ready and row["action"] == HANDOFF and raw.stage in ASKED):
                moved.append(raw.id)
    with store.begin() as conn:
        scores.write_shadows(conn, beside)
        rescoring.write(conn, changed, at=now, scored_with=library.scoring.sha)
        rescoring.mark(conn, first, last, at=now, scored_with=library.scoring.sha)
        if wake:
            wakeups.wake(conn, moved, now=now)
    return Rescored(seen, len(changed), len(moved) if wake else 0)


def wanted_kinds(library: Library) -> frozenset[str]:
    """Kinds of events that any live model may use."""
    kinds: set[str] = {EventKind.POINTS}
    for model in library.scoring.models:
        kinds |= {rule.event for rule in model.rules if not rule.sequence}
        kinds |= {str(m.get("type", m.get("event"))) for rule in model.rules for m in rule.sequence}
        if model.inactivity:
            kinds |= ENGAGED
    return frozenset(kinds)


def score_raw(raw: RawLead, library: Library, holds: Holds, now: datetime) -> dict[str, Any]:
    """The cached columns of one lead, from raw rows: the same arithmetic as `decide.scored`, without explanations."""
    fields = snapshots.values(raw.fields)
    return _scored_by(_model(raw, fields, library, holds, now), raw, fields, now)


def _shadow_rows(raw: RawLead, tried: list[Model], holds: Holds, now: datetime) -> list[dict[str, Any]]:
    """What shadow models that apply say of one lead."""
    fields, rows = snapshots.values(raw.fields), []
    for model in tried:
        if model.applies_if is None or holds(model.applies_if, _snapshot(raw, fields), now):
            found = _scored_by(model, raw, fields, now)
            rows.append({name: found[name] for name in ("model", "engagement", "fit_low", "cell", "action")}
                        | {"lead_id": raw.id, "at": now})
    return rows


def _scored_by(model: Model, raw: RawLead, fields: Mapping[str, Value], now: datetime) -> dict[str, Any]:
    points = score.total(raw.events, model, at=now, baseline_at=raw.baseline_at, carryover=raw.carryover)
    fitted = verdict(profile(raw.email, raw.country, fields), model, at=now)
    band = score.engagement_band(points, model)
    return {
        "model": model.id, "engagement": points, "fit_low": fitted.low, "fit_high": fitted.high,
        "coverage": fitted.coverage, "fit_band": fitted.band, "engagement_band": band, "cell": f"{fitted.band}{band}",
        "action": action(fitted, band, model),
    }


def _model(
    raw: RawLead, fields: Mapping[str, Value], library: Library, holds: Holds, now: datetime
) -> Model:
    models = library.scoring.models
    if len(models) == 1 and models[0].applies_if is None:
        return models[0]
    return choose_model(_snapshot(raw, fields), library.scoring, now=now, holds=holds)


def _snapshot(raw: RawLead, fields: Mapping[str, Value]) -> Snapshot:
    """The lead as far as a plain condition asks."""
    return Snapshot(Lead(
        raw.id, Stage(raw.stage), raw.email, fields=fields, country=raw.country, track=raw.track, cycle=raw.cycle,
        baseline_at=raw.baseline_at, carryover=raw.carryover, source=raw.source, language=raw.language,
        timezone=raw.timezone,
    ))


def _plain(condition: Condition) -> bool:
    return condition.op in _PLAIN_FACTS and all(_plain(part) for part in condition.parts)
