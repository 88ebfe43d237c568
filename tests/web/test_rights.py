"""Rights: everything comes along, everything goes, and what must stay is a hash."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from typer.testing import CliRunner

from nurture.acts import privacy
from nurture.mail.plainmail import name_of
from nurture.model.words import ConsentStatus, Purpose
from nurture.store.privacy import consent, everywhere, ledger, personal
from nurture.store.sales import accounts
from nurture.store.tables import (
    ActivityRow,
    AlertRow,
    BantRow,
    ContactRow,
    GateEvaluationRow,
    HandoffRow,
    ImportRow,
    InboundRow,
    JournalRow,
    LeadListRow,
    LeadTagRow,
    OutboxRow,
    SalesDecisionRow,
    SamePersonRow,
    metadata,
)
from tests.web.conftest import World, make_world
from tests.web.unpacked import uncell, unpacked

CANARY = "canary.person@canary-company.example"
NAME, PHONE = "Zanzibarbara", "+48 600 700 800"
WORDS = (CANARY, CANARY.upper(), "canary.person", "canary-company", NAME, PHONE)


def live(world: World) -> int:
    """A person who left traces everywhere a person can leave traces."""
    lead = world.lead(
        CANARY, fields={"first_name": NAME, "phone": PHONE, "company": "canary-company ltd"}, external_id=f"X-{NAME}"
    )
    world.client.post(
        "/forms/guide",
        data={"email": CANARY, "first_name": NAME, "agree-privacy_notice-email": "y", "agree-nurture_email-email": "y"},
    )
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)
    message = world.mail(lead)
    world.client.get(world.url("open", message, lead))
    world.client.get(world.url("click", message, lead))
    world.client.post(
        world.url("preferences", message, lead), data={"shown": "1", "on-nurture_email": "1", "language": "de"}
    )
    now = world.clock.now()
    rows: list[tuple[Any, dict[str, Any]]] = [
        (JournalRow, {"at": now, "kind": "told", "text": f"told {NAME} about it", "data": {"who": CANARY}}),
        (
            InboundRow,
            {
                "key": "in-1",
                "source": "maildir",
                "received_at": now,
                "raw": f"From: {CANARY}".encode(),
                "summary": {"from": CANARY},
            },
        ),
        (
            HandoffRow,
            {
                "queue": "east",
                "owner": "iva",
                "opened_at": now,
                "packet": {"email": CANARY, "phone": PHONE},
                "note": NAME,
            },
        ),
        (
            SalesDecisionRow,
            {
                "key": "d",
                "handoff_id": 1,
                "decision": "recycle",
                "note": f"{NAME} is away",
                "actor_id": "iva",
                "at": now,
            },
        ),
        (BantRow, {"letter": "need", "answer": "yes", "note": NAME, "actor_id": "iva", "at": now}),
        (ActivityRow, {"key": "a", "kind": "call", "note": f"called {PHONE}", "actor_id": "iva", "at": now}),
        (GateEvaluationRow, {"at": now, "outcome": "fail", "vector": "G01+", "results": [{"text": NAME}]}),
        (
            ContactRow,
            {"account_id": 1, "email_key": CANARY, "fields": {"name": NAME}, "created_at": now, "created_by": "iva"},
        ),
        (SamePersonRow, {"other_id": 999, "at": now, "said_by": "iva"}),
        (
            OutboxRow,
            {
                "key": "o",
                "kind": "staff_mail",
                "target": "iva@example.com",
                "payload": {"text": NAME},
                "state": "done",
                "due_at": now,
                "created_at": now,
                "reply": f"250 ok <{CANARY}>",
            },
        ),
        (LeadTagRow, {"tag": "vip", "at": now}),
        (LeadListRow, {"list_name": "fair", "at": now}),
    ]
    with world.store.begin() as conn:
        for model, values in rows:
            conn.execute(insert(model).values(lead_id=lead, **values))
        conn.execute(text("update message set address = :a, reply = :r"), {"a": CANARY, "r": f"250 <{CANARY}> queued"})
        conn.execute(
            insert(ImportRow).values(
                file_name="l.csv",
                file_sha256="0",
                by="ines",
                at=now,
                report={"skipped": [{"line": 3, "why": f"{CANARY} is known"}]},
            )
        )
        conn.execute(insert(AlertRow).values(key="k", code="c", text=f"somebody should call {CANARY}", at=now))
    return lead


def everything_in(world: World) -> str:
    with world.store.read() as conn:
        return "\n".join(str(tuple(row)) for t in metadata.sorted_tables for row in conn.execute(t.select()))


def test_c16_erasure_leaves_nothing_but_a_keyed_hash(world_everywhere: World) -> None:
    world = world_everywhere
    lead = live(world)
    other = world.lead("somebody.else@example.com", fields={"first_name": "Else"})
    assert all(word in everything_in(world) for word in (CANARY, NAME, PHONE))
    done = privacy.erase(world.parts, lead, by="marketing ines", now=world.clock.now())
    assert done.told_to == ("sales: iva", "staff_mail: iva@example.com")
    left = everything_in(world)
    assert [word for word in WORDS if word in left] == []
    assert world.hash_of(CANARY) in left
    assert world.one("select stage from lead where id = :i", i=lead) == "erased"
    assert world.one("select count(*) from message") == 1
    assert world.one("select count(*) from event where lead_id = :i", i=lead) >= 1
    assert "somebody.else@example.com" in left and other
    with world.store.read() as conn:
        audit = ledger.verify(conn, world.keys)
    assert audit.findings == [] and audit.erased == audit.lines
    assert privacy.erase(world.parts, lead, by="marketing ines", now=world.clock.now()).repeated


def test_c16_a_grep_of_the_database_files_finds_nothing(world: World, tmp_path: Path) -> None:
    lead = live(world)
    for i in range(50):
        world.lead(f"filler{i}@example.com")
    privacy.erase(world.parts, lead, by="marketing ines", now=world.clock.now())
    privacy.compact(world.parts)
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files
    raw = b"".join(f.read_bytes() for f in files)
    assert [word for word in WORDS if word.encode() in raw] == []


def test_c16_an_import_of_the_same_address_stays_suppressed(world: World) -> None:
    lead = live(world)
    privacy.erase(world.parts, lead, by="marketing ines", now=world.clock.now())
    again = world.lead(CANARY)
    assert again != lead
    with world.store.read() as conn:
        from nurture.store.audience import snapshots

        assert snapshots.load(conn, [again], now=world.clock.now())[again].suppressions == {"erased:all"}


def test_after_erasure_old_links_change_and_tell_nothing(world: World) -> None:
    lead = live(world)
    urls = [world.url(kind, 1, lead) for kind in ("preferences", "unsubscribe", "open", "click")]
    privacy.erase(world.parts, lead, by="marketing ines", now=world.clock.now())
    before = everything_in(world)
    assert world.client.get(urls[0]).status_code == 404
    assert world.client.post(urls[0], data={"shown": "1", "on-newsletter": "1"}).status_code == 404
    assert world.client.post(urls[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert world.client.get(urls[2]).status_code == 200
    assert everything_in(world) == before


def test_c17_the_export_is_complete_and_round_trips(world_everywhere: World) -> None:
    world = world_everywhere
    lead = live(world)
    with world.store.read() as conn:
        found = personal.collect(conn, lead)
    assert found["person"][0]["email"] == CANARY
    for section in (
        "values",
        "consents",
        "consent_proofs",
        "events",
        "tracking",
        "mails",
        "handed_over",
        "sales_decisions",
        "replies",
        "tags",
        "lists",
        "contacts",
        "notices",
        "story",
        "gate",
    ):
        assert found[section], section
    assert json.loads(personal.to_json(found)) == found
    assert unpacked(personal.to_zip(found)) == found


def test_c17_no_table_about_people_is_forgotten_by_export_or_erasure() -> None:
    from nurture.store.privacy import erasure

    machinery = {"wakeup", "token", "draw", "step_done", "rescore", "hot_signal"}
    with_people = {t.name for t in metadata.sorted_tables if "lead_id" in t.c}
    exported = {model.__table__.name for model in personal.SECTIONS.values()}
    assert with_people - exported - machinery - {"suppression"} == set()
    handled = (
        {t.name for t in erasure.GONE}
        | {t.name for t, _ in erasure.EMPTIED}
        | {"outbox", "suppression", "consent_proof"}
    )
    without_words = {"consent_entry", "consent_state", "enrollment", "membership", "sla_timer", "draw", "opportunity"}
    without_words |= {"shadow_score"}
    assert with_people - handled - without_words == set()


@pytest.mark.parametrize(
    "words",
    [
        "=1+1",
        "+SUM(A1)",
        "-2+3",
        "@cmd",
        "\t=1",
        "\r=1",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "'quoted",
        '=HYPERLINK("http://evil.example";"x")',
        "+48 600 700 800",
        "5",
        "true",
        "null",
        "",
        '"',
        "a,b\nc",
    ],
)
def test_no_spreadsheet_runs_a_cell_and_the_value_comes_back(words: str) -> None:
    cell = personal.cell(words)
    assert not cell.startswith(personal.DANGEROUS)
    assert uncell(cell) == words
    packed = personal.to_zip({"x": [{"name": words, "n": 5, "flag": True, "doc": {"a": [1, None]}}]})
    assert unpacked(packed) == {"x": [{"name": words, "n": 5, "flag": True, "doc": {"a": [1, None]}}]}


def test_rectification_is_written_with_its_source_and_unknown_fields_are_refused(world: World) -> None:
    from nurture.errors import UsageError

    lead = world.lead(fields={"first_name": "Anna"})
    assert privacy.rectify(world.parts, lead, {"first_name": "Hanna"}, by="ines", now=world.clock.now())
    assert world.one("select source from lead_value order by id desc limit 1") == "rectified by ines"
    assert "Hanna" in str(world.one("select fields from lead"))
    with pytest.raises(UsageError, match="no field"):
        privacy.rectify(world.parts, lead, {"shoe_size": "44"}, by="ines", now=world.clock.now())


def test_c19_the_retention_job_erases_only_the_silent_without_a_ground_and_can_say_so_first(world: World) -> None:
    silent, agreed, busy, sold = (world.lead(f"{n}@example.com") for n in ("silent", "agreed", "busy", "sold"))
    world.grant(agreed, Purpose.NEWSLETTER)
    world.after(days=800)
    recent = world.clock.now() - timedelta(days=3)
    with world.store.begin() as conn:
        conn.execute(text("update lead set engaged_at = :t where id = :i"), {"t": recent.isoformat(" "), "i": busy})
        conn.execute(text("update lead set stage = 'customer' where id = :i"), {"i": sold})
    plan = privacy.retain(world.parts, now=world.clock.now(), dry_run=True)
    assert plan.leads == [silent]
    assert world.one("select count(*) from lead where erased_at is not null") == 0
    done = privacy.retain(world.parts, now=world.clock.now(), dry_run=False)
    assert done.leads == [silent]
    assert world.rows("select id from lead where erased_at is not null") == [(silent,)]
    assert privacy.retain(world.parts, now=world.clock.now(), dry_run=False).leads == []


def test_objection_by_hand_is_written_once(world: World) -> None:
    lead = world.lead()
    assert privacy.object_to_marketing(world.parts, lead, by="ines", source="letter", now=world.clock.now()) > 5
    assert privacy.object_to_marketing(world.parts, lead, by="ines", source="letter", now=world.clock.now()) == 0
    assert world.status(lead, Purpose.NEWSLETTER) is ConsentStatus.OBJECTED


def test_commands_show_write_import_prove_and_export(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    import nurture.cli.consent as family
    import nurture.cli.privacy as rights_family

    app = typer.Typer()
    family.register(app)
    rights_family.register(app)
    monkeypatch.setattr(family, "open_parts", lambda: (world.parts, world.clock))
    monkeypatch.setattr(rights_family, "open_parts", lambda: (world.parts, world.clock))
    run = CliRunner().invoke
    lead = world.lead()
    granted = run(
        app,
        [
            "consent",
            "grant",
            "ada@example.com",
            "-p",
            "nurture_email",
            "--by",
            "ines",
            "--source",
            "fair, card 12",
            "--wording",
            "nurture-email.1.en",
        ],
    )
    assert granted.exit_code == 0, granted.output
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED
    refused = run(
        app,
        [
            "consent",
            "grant",
            "ada@example.com",
            "-p",
            "newsletter",
            "--by",
            "ines",
            "--source",
            "x",
            "--wording",
            "none.1.en",
        ],
    )
    assert refused.exit_code == 1
    world.after(minutes=1)
    assert (
        run(
            app, ["consent", "withdraw", str(lead), "-p", "nurture_email", "--by", "ines", "--source", "phone"]
        ).exit_code
        == 0
    )
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.WITHDRAWN
    file = tmp_path / "consents.csv"
    file.write_text(
        "lead,purpose,at,source,wording,basis\n"
        "ada@example.com,newsletter,2026-01-05T10:00:00Z,old system,nurture-email.1.en,consent\n"
        "ada@example.com,privacy_notice,2026-01-05T10:00:00Z,old system,privacy.1.en,consent\n"
        "ada@example.com,nurture_email,2026-01-05T10:00:00Z,,nurture-email.1.en,consent\n"
        "nobody@example.com,newsletter,2026-01-05T10:00:00Z,old system,x,consent\n"
        "ada@example.com,no_such,2026-01-05T10:00:00Z,old system,x,consent\n"
    )
    report = json.loads(run(app, ["consent", "import", str(file), "--by", "ines", "--json"]).output)
    assert (report["written"], report["refused"]) == (1, 4)
    assert [(p["line"], p["code"]) for p in report["problems"]] == [
        (2, "wording_does_not_cover"),
        (4, "proof_missing"),
        (5, "unreadable"),
        (6, "unreadable"),
    ]
    shown = json.loads(run(app, ["consent", "show", "ada@example.com", "--json"]).output)
    assert len(shown["ledger"]) == 3
    assert run(app, ["consent", "verify"]).exit_code == 0
    lines = run(app, ["consent", "export"]).output.splitlines()
    assert len(lines) == 3 and all(json.loads(line)["hash"] for line in lines)
    out = tmp_path / "ada.zip"
    assert run(app, ["privacy", "export", "ada@example.com", "--to", str(out)]).exit_code == 0
    assert unpacked(out.read_bytes())["person"][0]["email"] == "ada@example.com"
    assert run(app, ["privacy", "erase", "ada@example.com", "--by", "ines", "--yes"]).exit_code == 0
    with world.store.begin() as conn:
        conn.execute(text("update consent_entry set actor = 'x'"))
        assert consent.entries(conn, [lead])
    assert run(app, ["consent", "verify"]).exit_code == 1


def test_what_we_know_opens_only_behind_a_link_to_the_own_address(world: World) -> None:
    lead = live(world)
    url = world.url("preferences", 1, lead)
    assert CANARY not in world.client.get(f"{url}/me").text
    for _ in range(3):
        assert world.client.post(f"{url}/me").status_code == 200
    mails = world.rows("select target, payload from outbox where key like 'know:%'")
    assert len(mails) == 1 and mails[0][0] == CANARY
    link = str(mails[0][1]).split("http://testserver")[1].split("\\n")[0]
    shown = world.client.get(link)
    assert shown.status_code == 200 and CANARY in shown.text and NAME in shown.text
    assert json.loads(world.client.get(f"{link}?take=json").text)["person"][0]["email"] == CANARY
    assert unpacked(world.client.get(f"{link}?take=csv").content)["person"][0]["email"] == CANARY
    world.after(minutes=59)
    assert world.client.get(link).status_code == 200
    assert world.client.post(link).status_code == 200
    assert [word for word in WORDS if word in everything_in(world)] == []
    assert world.client.get(link).status_code == 404


def test_the_link_to_ones_own_data_runs_out(world: World) -> None:
    lead = live(world)
    world.client.post(world.url("preferences", 1, lead) + "/me")
    link = (
        str(world.one("select payload from outbox where key like 'know:%'"))
        .split("http://testserver")[1]
        .split("\\n")[0]
    )
    world.after(minutes=61)
    assert world.client.get(link).status_code == 404
    assert world.client.post(link).status_code == 404
    assert CANARY in everything_in(world)


def test_c20_what_a_merged_record_agreed_to_stays_proven_is_exported_and_is_erased_with_the_person(
    world: World,
) -> None:
    kept, gone = world.lead(), world.lead("ada.old@example.com", fields={"company": "Former Employer"})
    world.grant(kept, Purpose.NEWSLETTER)
    world.grant(gone, Purpose.NURTURE_EMAIL)
    with world.store.begin() as conn:
        conn.execute(text("update lead set merged_into = :k where id = :g"), {"k": kept, "g": gone})
    with world.store.read() as conn:
        found = personal.collect(conn, kept)
    assert [p["email"] for p in found["person"]] == ["ada@example.com", "ada.old@example.com"]
    assert {c["purpose"] for c in found["consents"]} == {"newsletter", "nurture_email"}
    assert len(found["consent_proofs"]) == 2
    # A link in a mail to the merged record still ends what the person gets.
    assert world.client.post(world.url("unsubscribe", 0, gone, purpose=Purpose.NEWSLETTER)).status_code == 200
    assert world.status(kept, Purpose.NEWSLETTER) is ConsentStatus.WITHDRAWN
    privacy.erase(world.parts, kept, by="person", now=world.clock.now())
    with world.store.read() as conn:
        audit = ledger.verify(conn, world.keys)
        left = list(everywhere.columns_with(conn, "ada.old")) + list(everywhere.columns_with(conn, "Former Employer"))
    assert audit.findings == [] and audit.erased == audit.lines and left == []
    hashes = {world.hash_of("ada@example.com"), world.hash_of("ada.old@example.com")}
    assert {row[0] for row in world.rows("select address_hash from suppression")} == hashes


def test_c16_c17_a_person_is_all_the_records_that_sales_found_to_be_them(world_everywhere: World) -> None:
    """Joined one after the other (a chain), each with its address; a stranger stays as they were."""
    world = world_everywhere
    names = ("ada@example.com", "ada.private@home.example", "lovelace@work.example")
    leads = [world.lead(name, fields={"first_name": NAME}) for name in names]
    stranger = world.lead("somebody.else@example.com")
    now = world.clock.now()
    with world.store.begin() as conn:
        conn.execute(insert(HandoffRow).values(
            lead_id=leads[2], queue="east", owner="iva", opened_at=now, packet={"email": names[2]}, note=""))
        accounts.same_person(conn, leads[0], leads[1], by="iva", now=now)
        accounts.same_person(conn, leads[1], leads[2], by="iva", now=now)
        accounts.same_person(conn, leads[2], leads[0], by="iva", now=now)
        assert conn.execute(text("select count(*) from same_person")).scalar() == 6
    with world.store.read() as conn:
        assert [p["email"] for p in personal.collect(conn, leads[1])["person"]] == [names[1], names[0], names[2]]
        assert [p["email"] for p in personal.collect(conn, leads[1], joined=False)["person"]] == [names[1]]
    done = privacy.erase(world.parts, leads[0], by="person", now=now)
    assert done.told_to == ("sales: iva",) and done.records == tuple(leads)
    left = everything_in(world)
    assert [word for word in (*names, NAME) if word in left] == [] and "somebody.else@example.com" in left
    assert {row[0] for row in world.rows("select address_hash from suppression")} == {world.hash_of(n) for n in names}
    assert world.rows("select stage from lead where id <> :i", i=stranger) == [("erased",)] * 3
    assert world.one("select count(*) from same_person") == 0
    assert privacy.erase(world.parts, leads[2], by="person", now=now).repeated
    with world.store.read() as conn:
        assert ledger.verify(conn, world.keys).findings == []


def test_c16_deleting_on_the_own_page_leaves_nothing_in_any_file(tmp_path: Path, sqlite_url: str) -> None:
    """Earlier versions of a row in free space, the write-ahead log, mails that lie beside us as files, to staff too."""
    box = tmp_path / "mail"
    for world in make_world(sqlite_url, mailbox=box):
        lead = live(world)
        with world.store.begin() as conn:
            for n in range(50):
                conn.execute(text("update lead set fields = :f"), {"f": json.dumps({"n": {"v": CANARY * n}})})
        world.client.post(world.url("preferences", 1, lead) + "/me")
        for name, words in (
            ("ada/1.eml", f"To: {CANARY.upper()}"), ("iva/2.eml", f"Message-ID: <{name_of('o')}@x>\n\n{NAME}"),
            ("iva/3.eml", "about somebody else"),
        ):
            (box / name).parent.mkdir(parents=True, exist_ok=True)
            (box / name).write_text(words)
        link = str(world.one("select payload from outbox where key like 'know:%'"))
        link = link.split("http://testserver")[1].split("\\n")[0]
        assert "gelöscht" in world.client.post(link).text
        file = Path(world.store.engine.url.database or "")
        held = b"".join(path.read_bytes() for path in file.parent.glob(file.name + "*")).lower()
        assert [word for word in WORDS if word.lower().encode() in held] == []
        assert [path.name for path in box.rglob("*.eml")] == ["3.eml"]


def test_c19_who_is_known_twice_is_silent_only_when_both_records_are(world: World) -> None:
    silent, heard = world.lead("old@example.com"), world.lead("new@example.com")
    with world.store.begin() as conn:
        accounts.same_person(conn, silent, heard, by="iva", now=world.clock.now())
    world.grant(heard, Purpose.NEWSLETTER)
    later = world.clock.now() + timedelta(days=800)
    assert privacy.retain(world.parts, now=later, dry_run=True).leads == []
    privacy.object_to_marketing(world.parts, heard, by="ines", source="phone", now=world.clock.now())
    assert privacy.retain(world.parts, now=later, dry_run=True).leads == [silent, heard]
    assert set(privacy.retain(world.parts, now=later, dry_run=False).leads) == {silent, heard}
    assert world.rows("select stage from lead") == [("erased",)] * 2


def test_the_own_page_names_another_address_of_the_person_and_shows_nothing_of_it(world: World) -> None:
    here, there = world.lead(), world.lead("byron@work.example", fields={"company": "Secret Employer"})
    with world.store.begin() as conn:
        accounts.same_person(conn, here, there, by="iva", now=world.clock.now())
    world.client.post(world.url("preferences", 0, here) + "/me")
    body = json.loads(world.one("select payload from outbox where kind = 'lead_mail'"))["text"]
    path = body.split(world.parts.public_url.rstrip("/"))[1].split()[0]
    shown = world.client.get(path)
    assert "b…@work.example" in shown.text and "byron@" not in shown.text
    assert "Secret Employer" not in shown.text + world.client.get(path + "?take=json").text
    assert world.client.post(path).status_code == 200
    assert "byron@work.example" not in everything_in(world)


def test_c18_the_own_page_says_where_each_value_is_from(world: World) -> None:
    lead = world.lead(fields={"company": "Example Ltd"}, language="en")
    world.client.post(world.url("preferences", 0, lead) + "/me")
    mail = str(world.one("select payload from outbox"))
    link = mail.split("http://testserver")[1].split("\\n")[0]
    page = world.client.get(link).text
    assert "Example Ltd" in page and "from: test" in page
