"""The reports: read the store, compute, and give text tables, documents, CSV rows and pictures of one and the same."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from nurture.decide import benchmark
from nurture.decide import report as rules
from nurture.decide.interval import Share
from nurture.decide.sla import DEADLINES
from nurture.insight.pictures import Bar, bars
from nurture.model.agreement import Agreement
from nurture.model.report import Journey
from nurture.model.words import Stage
from nurture.store import Store
from nurture.store.sales import reports, scores

VIEWS: Final = {
    "acquired": "marketing", "early": "marketing", "fit": "marketing", "mql": "marketing", "sal": "sales",
    "sql": "sales", "opportunity": "sales", "won": "both", "recycled": "sales", "disqualified": "both",
    "dormant": "marketing",
}
"""Whose view each number is: who decides that a lead enters the stage."""
FEW: Final = 10
"""Below so many a share is drawn pale: it says little yet."""
BARE: Final = Agreement(0, date(2000, 1, 1), date(2199, 1, 1))
"""What holds where no agreement is applied: no benchmarks, the limits we propose."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a report: what a person reads, what a program reads, and what a spreadsheet gets."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    numbers: tuple[int, ...] = ()
    """Columns that are numbers, for alignment."""


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    title: str
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    document: Mapping[str, Any]
    picture: str
    view: str = "both"
    """Whose view the numbers are, where one report has one: marketing, sales or both."""


def funnel(
    store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None,
    until: datetime | None = None, by: str = "month",
) -> Report:
    """The funnel by cohort (`by`: month or source), each rate of the stage before and of all acquired, and beside the
    benchmarks of `agreement`.
    """
    with store.read() as conn:
        journeys = reports.journeys(conn, since=since, until=until)
        moves = reports.levels(conn)
    found = rules.funnel(journeys, now=now, by=rules.by_source if by == "source" else rules.by_month)
    compared = benchmark.compare(journeys, agreement.benchmarks)
    quality = benchmark.quality(journeys)
    inside = {(j.lead_id, j.cycle) for j in journeys}
    levels = benchmark.by_level(
        [m for m in moves if (m.lead_id, m.cycle) in inside], list(agreement.levels), found.total.step("sal").reached
    )
    sheets = [_funnel_sheet(found.total), *_compared_sheets(compared, quality, levels, agreement)]
    if len(found.cohorts) > 1:
        sheets.append(_cohort_sheet(found, by))
    matured = "measured: nine tenths of the won leads were won by then" if found.known_mature else "assumed"
    notes = [f"A cohort is young for {found.mature_days} days ({matured}); the rates of young ones will still rise.",
             "Marketing's view up to MQL, sales' view from SAL on; won is both's.",
             *_worth_notes(journeys, quality, agreement)]
    document = {
        "as_of": now, "by": by, "mature_days": found.mature_days, "mature_days_measured": found.known_mature,
        "total": _cohort_document(found.total), "cohorts": [_cohort_document(c) for c in found.cohorts],
        "benchmarks": [{"name": c.name, "of": c.of, "view": c.view, "share": _share(c.share), "told": c.told,
                        "benchmark": list(c.benchmark) if c.benchmark else None} for c in compared],
        "won_of_those_who_reached": {name: _share(share) for name, share in quality},
        "levels": {name: _share(share) for name, share in levels},
    }
    # A step that nobody entered and somebody went past is one the company does not have.
    shown = [s for s in found.total.steps if s.reached or not s.skipped]
    absent = ", ".join(s.name for s in found.total.steps if s not in shown)
    people = found.total.step("acquired").reached
    picture = bars(
        "Funnel", f"{people:,} people acquired, as of {now:%Y-%m-%d}{f'; nobody entered {absent}' if absent else ''}",
        [Bar(step.name, step.reached, _step_note(step)) for step in shown],
    )
    return Report("funnel", "Funnel", tuple(sheets), tuple(notes), document, picture)


def _compared_sheets(
    compared: Sequence[benchmark.Compared], quality: Sequence[tuple[str, Share]],
    levels: Sequence[tuple[str, Share]], agreement: Agreement,
) -> list[Sheet]:
    beside = tuple(
        (f"{c.name}, of {c.of}", c.view, f"{c.share.hits:,} of {c.share.n:,}", _rate(c.share), _interval(c.share),
         _band(c.benchmark), c.told) for c in compared
    )
    columns = ("rate", "view", "people", "ours", "95 %", "benchmark", "")
    made = [Sheet("Beside the benchmarks of the agreement", columns, beside, (2, 3, 5))]
    if levels:
        rows = tuple((agreement.levels[name], share.hits, _rate(share), _interval(share)) for name, share in levels)
        made.append(Sheet("Our own levels between SAL and SQL (sales' view)",
                          ("level", "reached it", "of SAL", "95 %"), rows, (1, 2)))
    if quality and quality[0][1].hits:
        won = tuple((name, VIEWS[name], s.n, s.hits, _rate(s), _interval(s)) for name, s in quality)
        made.append(Sheet("Won of those who reached the stage",
                          ("stage", "view", "reached it", "won", "of these", "95 %"), won, (2, 3, 4)))
    return made


def _band(band: tuple[float, float] | None) -> str:
    if band is None:
        return ""
    return f"{band[0]:.0%}" if band[0] == band[1] else f"{band[0]:.0%} to {band[1]:.0%}"


def _worth_notes(
    journeys: Sequence[Journey], quality: Sequence[tuple[str, Share]], agreement: Agreement
) -> list[str]:
    notes = [
        f"Upside down: those who reached {late} are won less often than those who reached {early}."
        for early, late in benchmark.upside_down(quality)
    ]
    worth = benchmark.worth_it(journeys, agreement.benchmarks)
    if worth is not None and worth[1].hits < worth[1].n:
        least, handed = worth
        verdict = "enough" if handed.rate >= least else "too few"
        notes.append(
            f"To win as much as handing over everybody untreated would, {least:.1%} of all acquired have to be handed "
            f"over; {handed.rate:.1%} are: {verdict}."
        )
    return notes


def _step_note(step: rules.Step) -> str:
    if step.name == "acquired":
        return f"{step.reached:,}"
    apart = step.of_previous is not None and step.previous != "acquired"
    of_previous = f", {_rate(step.of_previous)} of {step.previous}" if apart else ""
    return f"{step.reached:,}, {step.of_acquired.rate:.1%} of acquired{of_previous}"


def _funnel_sheet(cohort: rules.Cohort) -> Sheet:
    rows = []
    for step in cohort.steps:
        name = step.name
        if name == "mql" and step.reached:
            name = f"mql ({cohort.mql_new:,} new names, {cohort.mql_existing:,} existing)"
        # Nobody entered and somebody went past: the company has no such step, which is not a rate of zero.
        passed_by = not step.reached and step.skipped
        told = ("", "") if passed_by else (_rate(step.of_acquired), _interval(step.of_acquired))
        if step.name == "acquired":
            told = ("", "")
        row = (name, VIEWS[step.name], step.reached, step.skipped or "", _rate(step.of_previous), step.previous or "")
        rows.append((*row, *told))
    rows += [(name, VIEWS[name], count, "", "", "", "", "") for name, count in cohort.detours.items()]
    columns = ("stage", "view", "people", "skipped it", "of previous", "(previous)", "of acquired", "95 %")
    return Sheet("All cohorts", columns, tuple(rows), (2, 3, 4, 6))


def _cohort_sheet(found: rules.Funnel, by: str) -> Sheet:
    rows = []
    for cohort in found.cohorts:
        counts = [cohort.step(name).reached for name in rules.STEPS]
        won = cohort.step("won")
        rows.append((cohort.name, *counts, cohort.mql_new, cohort.mql_existing, _rate(won.of_previous),
                     _rate(won.of_acquired), "young" if cohort.young else ""))
    columns = (by, *rules.STEPS, "mql new", "mql existing", "won of previous", "won of acquired", "")
    return Sheet("By " + by, columns, tuple(rows), tuple(range(1, 13)))


def _cohort_document(cohort: rules.Cohort) -> dict[str, Any]:
    return {
        "name": cohort.name, "young": cohort.young, "mql_new_names": cohort.mql_new,
        "mql_existing": cohort.mql_existing, "detours": dict(cohort.detours),
        "steps": [
            {"stage": s.name, "people": s.reached, "skipped": s.skipped, "previous": s.previous,
             "of_previous": _share(s.of_previous), "of_acquired": _share(s.of_acquired)}
            for s in cohort.steps
        ],
    }


def speed(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """Days per stage: the sum of all stays of a lead in it."""
    with store.read() as conn:
        found = rules.pace(reports.stays(conn, since=since), [stage.value for stage in Stage])
    rows = tuple((p.stage, p.people, f"{p.median_days:.1f}", f"{p.slowest_tenth_days:.1f}", p.inside) for p in found)
    sheet = Sheet("Days per stage", ("stage", "left it", "median days", "slowest tenth from", "inside now"), rows,
                  (1, 2, 3, 4))
    shown = [Bar(p.stage, p.median_days, f"{p.median_days:.1f} days, {p.people:,} people") for p in found if p.people]
    picture = bars("Median days per stage", f"leads that have left it, as of {now:%Y-%m-%d}", shown)
    document = {"as_of": now, "stages": [asdict(p) for p in found]}
    return Report("speed", "Speed", (sheet,), (), document, picture)


def sla(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """Deadlines by kind and owner: ever missed and past due apart."""
    with store.read() as conn:
        found = rules.sla(reports.timers(conn, since=since), now=now)
    rows = tuple(
        (DEADLINES.get(r.kind, r.kind), r.owner, r.timers, r.met_in_time, r.ever_missed, r.past_due, r.running,
         "" if r.median_hours is None else f"{r.median_hours:.1f}") for r in found
    )
    columns = ("deadline", "owner", "started", "met in time", "ever missed", "past due", "running", "median hours")
    shown = [Bar(f"{DEADLINES.get(r.kind, r.kind)}, {r.owner}", r.ever_missed / r.timers,
                 f"{r.ever_missed} of {r.timers} missed, {r.past_due} past due") for r in found]
    picture = bars("Deadlines missed", f"share of deadlines, as of {now:%Y-%m-%d}", shown, full=1.0)
    document = {"as_of": now, "rows": [asdict(r) for r in found]}
    notes = ("Ever missed stays, also when the deadline was met later; past due are late now.",)
    sheet = Sheet("Deadlines", columns, rows, (2, 3, 4, 5, 6, 7))
    return Report("sla", "Deadlines", (sheet,), notes, document, picture, view="sales")


def alignment(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """What sales makes of what marketing hands over: accept rate and reasons, by owner, cell, source and segment."""
    with store.read() as conn:
        found = rules.alignment(reports.trips(conn, since=since))
    columns = ("", "handed over", "decided", "accepted", "95 %", "reasons of refusal", "other", "came again")
    sheets = []
    for axis, rows in found.items():
        cells = tuple(
            (r.name, r.trips, r.decided, _rate(r.accepted), _interval(r.accepted),
             ", ".join(f"{reason} {n}" for reason, n in r.reasons.items()), _rate(r.other), _rate(r.rework))
            for r in rows
        )
        sheets.append(Sheet("All" if axis == "all" else f"By {axis}", columns, cells, (1, 2, 3, 6, 7)))
    total = found["all"][0]
    notes = []
    if total.other.n and total.other.rate > 0.1:
        notes.append(f"{total.other.rate:.0%} of the refusals say `other`: the list of reasons is missing something.")
    shown = [
        Bar("all" if axis == "all" else f"{axis} {r.name}", r.accepted.rate,
            f"{r.accepted.hits} of {r.decided} accepted", r.accepted.low, r.accepted.high, open=r.decided < FEW)
        for axis, rows in found.items() for r in rows if r.decided
    ]
    said = f"whiskers: 95 % interval; pale: fewer than {FEW} decided; as of {now:%Y-%m-%d}"
    picture = bars("Accepted of what was decided", said, shown, full=1.0)
    document = {"as_of": now} | {
        axis: [{**asdict(r), "accepted": _share(r.accepted), "other": _share(r.other), "rework": _share(r.rework)}
               for r in rows] for axis, rows in found.items()
    }
    return Report("alignment", "Alignment", tuple(sheets), tuple(notes), document, picture)


def won(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """Won leads as they were when they were handed over, beside the lost and the refused ones."""
    with store.read() as conn:
        pasts = reports.handed_over(conn, since=since)
    found = rules.profiles(pasts)
    columns = ("", *(p.end for p in found))

    def told(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{name} {n}" for name, n in list(counts.items())[:5])

    lines: list[tuple[str, list[Any]]] = [
        ("leads", [p.leads for p in found]),
        ("median engagement at hand-off", [_plain(p.median_engagement) for p in found]),
        ("median level at hand-off", [_plain(p.median_level) for p in found]),
        ("median days from first touch", [f"{p.median_days:.1f}" for p in found]),
        ("median touches", [_plain(p.median_touches) for p in found]),
        ("cells", [told(p.cells) for p in found]),
        ("first touch", [told(p.first_touches) for p in found]),
        ("content", [told(p.contents) for p in found]),
        ("last three touches", [told(p.last_touches) for p in found]),
    ]
    sheet = Sheet("As of hand-off", columns, tuple((name, *cells) for name, cells in lines))
    paths = tuple((p.lead_id, p.cell or "", _plain(p.engagement), f"{p.days:.0f}", " > ".join(p.touches[-8:]))
                  for p in pasts if p.end == "won")[:50]
    sheets = [sheet]
    if paths:
        names = ("lead", "cell", "engagement", "days", "last touches")
        sheets.append(Sheet("Won leads, one by one", names, paths, (2, 3)))
    shown = [Bar(p.end, p.leads, f"{p.leads:,} leads, median engagement {_plain(p.median_engagement)}") for p in found]
    picture = bars("How hand-offs ended", f"as of {now:%Y-%m-%d}", shown)
    notes = () if found else ("Nobody has been handed over yet.",)
    document = {"as_of": now, "ends": [asdict(p) for p in found], "won": [asdict(p) for p in pasts if p.end == "won"]}
    return Report("won", "Won, read backwards", tuple(sheets), notes, document, picture)


def stagnation(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """Leads that have stayed in their stage beyond its limit."""
    with store.read() as conn:
        found = rules.stagnant(reports.stays(conn, since=since), agreement.stagnation_days, now=now)
    counts: dict[str, int] = {}
    for row in found:
        counts[row["stage"]] = counts.get(row["stage"], 0) + 1
    rows = tuple((row["lead"], row["stage"], row["days"], row["limit"]) for row in found)
    sheet = Sheet("Longer in their stage than its limit", ("lead", "stage", "days", "limit"), rows, (0, 2, 3))
    shown = [Bar(stage, n, f"{n:,} leads over {agreement.stagnation_days[stage]} days") for stage, n in counts.items()]
    picture = bars("Leads that stand still", f"as of {now:%Y-%m-%d}", shown)
    document = {"as_of": now, "limits": dict(agreement.stagnation_days), "counts": counts, "leads": found}
    return Report("stagnation", "Stagnation", (sheet,), (), document, picture)


def shadow(store: Store, agreement: Agreement = BARE, *, now: datetime, since: datetime | None = None) -> Report:
    """Whom shadow models would treat otherwise, as of the last time each lead was scored."""
    with store.read() as conn:
        found = scores.disagreements(conn)
    ways = Counter((row["model"], row["live"], row["shadow"]) for row in found)
    columns = ("model", "lead", "live_cell", "live", "shadow_cell", "shadow")
    sheets = (
        Sheet("Otherwise", ("model", "now", "then", "leads"), tuple((*way, n) for way, n in ways.items()), (3,)),
        Sheet("For whom", columns, tuple(tuple(row[name] for name in columns) for row in found), (1,)),
    )
    shown = [Bar(f"{model}: {live} to {then}", n, f"{n:,} leads") for (model, live, then), n in ways.items()]
    picture = bars("What shadow models would do otherwise", f"as of {now:%Y-%m-%d}", shown)
    notes = ("A shadow model decides nothing. Take `shadow: true` away in scoring.yaml, and it decides.",)
    return Report("shadow", "Shadow models", sheets, notes, {"as_of": now, "leads": found}, picture, "marketing")


KINDS: Final = {
    "speed": speed, "sla": sla, "alignment": alignment, "won": won, "stagnation": stagnation, "shadow": shadow,
}


def as_csv(report: Report) -> str:
    """Every table of a report, with a line of its title before each; safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL)
    for number, sheet in enumerate(report.sheets):
        if len(report.sheets) > 1:
            if number:
                writer.writerow([])
            writer.writerow([safe_cell(sheet.title)])
        writer.writerow([safe_cell(name) for name in sheet.columns])
        writer.writerows([safe_cell(cell) for cell in row] for row in sheet.rows)
    return text.getvalue()


def safe_cell(value: Any) -> Any:
    """A cell no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, int | float) or value is None:
        return value
    text = str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _share(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    return {"hits": share.hits, "of": share.n, "rate": round(share.rate, 4), "low": round(share.low, 4),
            "high": round(share.high, 4)}


def _rate(share: Share | None) -> str:
    return "" if share is None or not share.n else f"{share.rate:.1%}"


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}" if share.n else ""


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def recent(now: datetime, days: int | None) -> datetime | None:
    """The beginning of the last `days`, or None for everything."""
    return None if days is None else now - timedelta(days=days)

