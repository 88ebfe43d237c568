"""`nurture consent`: the ledger, read, written by named people, and proven."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nurture.cli.common import FINDINGS, emit_json, err, find_lead, json_text, open_parts, out, plain, show, table
from nurture.errors import UsageError
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.words import Channel, ConsentAction, Purpose

if TYPE_CHECKING:
    from nurture.parts import Parts

Way = Annotated[Channel, typer.Option(help="Which channel it is about.")]
By = Annotated[str, typer.Option("--by", help="Your name; it is written into the ledger.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Who = Annotated[str, typer.Argument(help="Number, address or external id of the lead.")]
Purposes = Annotated[list[Purpose], typer.Option("--purpose", "-p", help="As often as needed.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(help="Who agreed to what: show, write, prove.", no_args_is_help=True)
    family.command("show")(show_lead)
    family.command("grant")(grant)
    family.command("withdraw")(withdraw)
    family.command("import")(import_file)
    family.command("verify")(verify)
    family.command("anchors")(anchors)
    family.command("export")(export)
    app.add_typer(family, name="consent")


def show_lead(who: Who, json: Json = False) -> None:
    """What a person agreed to today, and every line that led there."""
    from nurture.acts import privacy
    from nurture.store.privacy import consent

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, who)
    states = privacy.agreed(parts, lead_id, now=clock.now())
    with parts.store.read() as conn:
        lines = [_line(e) for e in consent.entries(conn, [lead_id])[lead_id]]
    if json:
        emit_json({"lead": lead_id, "states": states, "ledger": lines})
        return
    read = [
        {name: f"{v:%Y-%m-%d %H:%M}" if isinstance(v, datetime) else v for name, v in row.items()} for row in states
    ]
    show(read, as_json=False, title=f"lead {lead_id} today (times in UTC)")
    out.print()
    show(lines, as_json=False, title="how it came to that")


def _line(entry: ConsentEntry) -> dict[str, Any]:
    return {
        "line": entry.seq,
        "at": entry.at.isoformat(timespec="seconds"),
        "purpose": entry.purpose.value,
        "channel": entry.channel.value,
        "action": entry.action.value,
        "basis": entry.basis,
        "wording": entry.wording,
        "by": entry.actor,
        "source": entry.proof.get("source", ""),
    }


def grant(
    who: Who,
    purpose: Purposes,
    by: By,
    source: Annotated[str, typer.Option(help="Where they agreed: `fair Brno 2026, card 12`.")],
    wording: Annotated[str, typer.Option(help="The text they agreed to, by id: `nurture-email.1.en`.")],
    at: Annotated[datetime | None, typer.Option(help="When they agreed (UTC); now without it.")] = None,
    channel: Way = Channel.EMAIL,
    evidence: Annotated[str, typer.Option(help="Where the signed paper or recording is kept.")] = "",
) -> None:
    """Write down what a person agreed to outside our pages. Proof is required, as for every grant."""
    proof = {"source": source, "evidence": evidence, "collected_by": by}
    _write(who, purpose, ConsentAction.IMPORT, by=by, proof=proof, at=at, channel=channel, wording=wording)


def withdraw(
    who: Who,
    purpose: Purposes,
    by: By,
    source: Annotated[str, typer.Option(help="How they said so: `phone`, `reply`.")] = "by hand",
    channel: Way = Channel.EMAIL,
) -> None:
    """Write down a withdrawal. It holds from the next sending decision on."""
    proof = {"source": source, "collected_by": by}
    _write(who, purpose, ConsentAction.WITHDRAW, by=by, proof=proof, at=None, channel=channel, wording=None)


def _write(
    who: str,
    purposes: list[Purpose],
    action: ConsentAction,
    *,
    by: str,
    proof: Mapping[str, Any],
    at: datetime | None,
    channel: Channel,
    wording: str | None,
) -> None:
    from nurture.store.privacy import consent

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, who)
    now = clock.now()
    moment = at.replace(tzinfo=UTC) if at else now
    if moment > now:
        raise UsageError("that moment has not come yet", fix="say when they really agreed")
    basis = Basis.CONSENT if action is ConsentAction.IMPORT else None
    entries = [
        ConsentEntry(
            lead_id, p, action, moment, f"marketing {by}", channel=channel, basis=basis, wording=wording, proof=proof
        )
        for p in purposes
    ]
    with parts.store.begin() as conn:
        _know_wording(parts, conn, wording, now)
        done = consent.append(conn, entries, now=now, keys=parts.keys)
    for turned in done.refused:
        err.print(f"{turned.entry.purpose.value}: refused, {plain(turned.text)}")
    out.print(f"{done.written} written, {done.repeated} known already, {len(done.refused)} refused")
    if done.refused:
        raise typer.Exit(FINDINGS)


def _know_wording(parts: Parts, conn: Any, wording_id: str | None, now: datetime) -> None:
    """A wording from the company's files is kept the moment it is first used."""
    from nurture.store.privacy import consent

    found = parts.library.wordings.get(wording_id or "")
    if found is not None:
        consent.put_wording(
            conn,
            found.key,
            found.text,
            purposes=found.purposes,
            language=found.language,
            version=found.version,
            now=now,
        )


COLUMNS = ("lead", "purpose", "at", "source")


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV: lead, purpose, at, source, wording, basis, channel, evidence ...")],
    by: By,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be refused, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Take over proven consents from another system, row by row; a row without proof is refused."""
    from nurture.store.privacy import consent

    parts, clock = open_parts()
    now = clock.now()
    problems: list[dict[str, Any]] = []
    entries: dict[str, tuple[int, ConsentEntry]] = {}
    with parts.store.read() as conn:
        for number, row in _rows(file):
            try:
                entry = _entry(conn, row, by=by, now=now)
            except UsageError as wrong:
                problems.append({"line": number, "code": "unreadable", "text": wrong.message})
                continue
            entries[consent.identity(entry)] = (number, entry)
    if dry_run:
        with parts.store.read() as conn:
            done = consent.would_append(conn, [e for _, e in entries.values()])
    else:
        with parts.store.begin() as conn:
            for name in {e.wording for _, e in entries.values()}:
                _know_wording(parts, conn, name, now)
            done = consent.append(conn, [e for _, e in entries.values()], now=now, keys=parts.keys)
    for turned in done.refused:
        problems.append({"line": entries[turned.entry.key][0], "code": turned.code, "text": turned.text})
    problems.sort(key=lambda p: p["line"])
    report = {"written": done.written, "repeated": done.repeated, "refused": len(problems), "dry_run": dry_run}
    if json:
        emit_json({**report, "problems": problems})
    else:
        out.print(
            ", ".join(f"{name} {n}" for name, n in report.items() if name != "dry_run")
            + (" (dry run)" if dry_run else "")
        )
        if problems:
            out.print(
                table(
                    "", ["line", "why", "what"], [[p["line"], p["code"], p["text"]] for p in problems[:50]], right=[0]
                )
            )
    if problems:
        raise typer.Exit(FINDINGS)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{plain(file.name)} has no column `{missing[0]}`", fix=f"it needs {', '.join(COLUMNS)}"
                )
            for row in reader:
                yield reader.line_num, {k: (v or "").strip() for k, v in row.items() if k is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{plain(file)} cannot be read: {error}") from None


def _entry(conn: Any, row: Mapping[str, str], *, by: str, now: datetime) -> ConsentEntry:
    from nurture.store.audience import people

    lead_id = people.find(conn, row["lead"])
    if lead_id is None:
        raise UsageError("nobody like that")
    try:
        at = datetime.fromisoformat(row["at"])
        purpose, channel = Purpose(row["purpose"]), Channel(row.get("channel") or "email")
        basis = Basis(row.get("basis") or "consent")
    except ValueError as wrong:
        raise UsageError(plain(wrong)) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > now:
        raise UsageError("its moment has not come yet")
    names = (
        "source",
        "evidence",
        "box",
        "sale_ref",
        "similar_product",
        "objection_offered",
        "ip",
        "language",
        "bought_list",
    )
    proof = {n: row[n] for n in names if row.get(n)}
    told = "\x1f".join(f"{k}={v}" for k, v in sorted(row.items()))
    key = "import:" + hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
    return ConsentEntry(
        lead_id,
        purpose,
        ConsentAction.IMPORT,
        at.astimezone(UTC),
        f"import {by}",
        channel=channel,
        basis=basis,
        wording=row.get("wording") or None,
        wording_sha=row.get("wording_sha") or None,
        jurisdiction=row.get("jurisdiction") or None,
        proof=proof,
        key=key,
    )


def anchors() -> None:
    """The daily anchors as JSON lines. Keep them elsewhere: `nurture consent verify --kept FILE` compares."""
    from nurture.store.privacy import ledger

    parts, _ = open_parts()
    with parts.store.read() as conn:
        for one in ledger.anchors(conn):
            typer.echo(dumps(one))


def _kept(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        rows = [loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {str(row["day"]): str(row["hash"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{plain(file)} holds no anchors", fix="`nurture consent anchors > FILE` writes such a file"
        ) from None


def verify(
    kept: Annotated[Path | None, typer.Option(help="Anchors that were kept elsewhere (`nurture consent anchors`).")]
    = None,
    json: Json = False,
) -> None:
    """Walk every chain and every daily anchor: nothing altered, removed, put in or reordered."""
    from nurture.store.privacy import ledger

    parts, _ = open_parts()
    known = _kept(kept)
    with parts.store.read() as conn:
        audit = ledger.verify(conn, parts.keys, kept=known)
    if json:
        emit_json(
            {
                "lines": audit.lines,
                "leads": audit.leads,
                "anchors": audit.anchors,
                "erased": audit.erased,
                "findings": [{"where": f.where, "code": f.code, "text": f.text} for f in audit.findings],
            }
        )
    else:
        out.print(
            f"{audit.lines} lines of {audit.leads} people, {audit.anchors} daily anchors, {audit.erased} lines erased"
        )
        for found in audit.findings[:100]:
            err.print(f"{found.where}: {found.code}, {found.text}")
        if not audit.findings:
            out.print("unbroken")
    if audit.findings:
        raise typer.Exit(FINDINGS)


def export(
    who: Annotated[str | None, typer.Argument(help="One lead; everybody without it.")] = None,
) -> None:
    """The ledger as JSON lines, one per entry, with its proof and hashes: what an authority asks for."""
    from nurture.store.privacy import consent

    parts, _ = open_parts()
    only = find_lead(parts.store, who) if who is not None else None
    with parts.store.read() as conn:
        for line in consent.dump(conn, only):
            typer.echo(json_text(line))
