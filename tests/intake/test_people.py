"""`nurture import`: consent only with proof, nobody twice, nothing lost, and a second time changes nothing."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from nurture.errors import UsageError
from nurture.intake.map_file import parse_map
from nurture.intake.people import PeopleImport, Source
from nurture.intake.report import Forecast, Report
from nurture.model.consent import ConsentEntry
from nurture.model.tokens import Keys, address_hash
from nurture.model.words import Channel, ConsentAction, Purpose
from nurture.store import Store
from nurture.store.audience import imports, leads
from nurture.store.privacy import consent
from nurture.store.tables import metadata

KEYS = Keys.from_secrets(["a secret of thirty-two characters"])

PLAIN = b"""
import: plain
unknown: ["", Select]
email: email
external_id: id
country: country
fields:
  first_name: first
  company: {column: company}
  employees: {column: size, type: number}
tags: [fair]
lists: [fair-2026]
"""
PROOF = PLAIN + b"""
wordings:
  - {id: newsletter.v1.en, text: "Yes, write to me.", purposes: [nurture_email, newsletter]}
consent:
  - {purposes: [nurture_email], when: {column: agreed, is: "yes"}, source: form, at: when, wording: text}
block:
  - {reason: unsubscribed, when: {column: agreed, is: never}}
"""
HEAD = "email,id,country,first,company,size,agreed,form,when,text\n"


def rows(*lines: str) -> bytes:
    return (HEAD + "\n".join(lines) + "\n").encode()


def run(store: Store, raw: bytes, now: datetime, rules: bytes = PROOF) -> tuple[Forecast, Report]:
    work = PeopleImport(store, Source.of(io.BytesIO(raw), "people.csv"), parse_map(rules), keys=KEYS, now=now)
    forecast = work.forecast()
    return forecast, work.write()


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.read() as conn:
        return {t.name: sorted(map(tuple, conn.execute(select(t))), key=repr) for t in metadata.sorted_tables}


def lead(store: Store, email_key: str):
    with store.read() as conn:
        table = metadata.tables["lead"]
        return conn.execute(select(table).where(table.c.email_key == email_key)).one()


def states(store: Store, lead_id: int) -> dict[tuple[Purpose, Channel], str]:
    with store.read() as conn:
        return {key: state.status.value for key, state in consent.states(conn, [lead_id])[lead_id].items()}


ANN = "Ann@Example.org,7,Poland,Ann,Acme,250,yes,fair form,2026-05-04,newsletter.v1.en"


def test_a_person_arrives_with_provenance_per_field(store: Store, now: datetime) -> None:
    forecast, report = run(store, rows(ANN), now)
    assert (forecast.new, forecast.mailable, report.created, report.consents) == (1, 1, 1, 1)
    ann = lead(store, "ann@example.org")
    assert (ann.email, ann.external_id, ann.country) == ("Ann@example.org", "7", "PL")
    assert (ann.source, ann.stage) == ("plain", "identified")
    assert ann.fields["employees"]["v"] == 250
    with store.read() as conn:
        values = conn.execute(select(metadata.tables["lead_value"])).mappings().all()
        events = conn.execute(select(metadata.tables["event"].c.kind)).scalars().all()
        waiting = conn.execute(select(metadata.tables["wakeup"].c.lead_id)).scalars().all()
        tags = conn.execute(select(metadata.tables["lead_tag"].c.tag)).scalars().all()
        lists = conn.execute(select(metadata.tables["lead_list"].c.list_name)).scalars().all()
    assert {(v["field"], v["origin"], v["source"]) for v in values} == {
        (name, "declared", "import 1 line 2") for name in ("first_name", "company", "employees", "country")
    }
    assert (sorted(events), waiting) == (["imported", "list_added", "tag_added"], [ann.id])
    assert (tags, lists) == (["fair"], ["fair-2026"])
    assert states(store, ann.id) == {(Purpose.NURTURE_EMAIL, Channel.EMAIL): "granted"}


def test_the_same_file_again_changes_nothing(store: Store, now: datetime) -> None:
    raw = rows(ANN, "bob@example.org,8,,Bob,,,no,,,", "Carl@example.org,9,DE,Carl,,x,never,,,")
    run(store, raw, now)
    before = contents(store)
    forecast, report = run(store, raw, now + timedelta(days=3))
    assert (report.created, report.updated, report.unchanged, report.consents, report.suppressed) == (0, 0, 3, 0, 0)
    assert (forecast.new, forecast.known, forecast.mailable, forecast.mailable_before) == (0, 3, 1, 1)
    assert contents(store) == before


def test_a_changed_value_updates_and_keeps_the_old_one_on_record(store: Store, now: datetime) -> None:
    run(store, rows(ANN), now)
    _, report = run(store, rows(ANN.replace("Acme", "Acme Labs")), now + timedelta(days=1))
    assert (report.created, report.updated) == (0, 1)
    with store.read() as conn:
        table = metadata.tables["lead_value"]
        query = select(table.c.value, table.c.source).where(table.c.field == "company").order_by(table.c.id)
        values = conn.execute(query).all()
    assert [(v["v"], s) for v, s in values] == [("Acme", "import 1 line 2"), ("Acme Labs", "import 2 line 2")]
    assert lead(store, "ann@example.org").fields["company"]["v"] == "Acme Labs"


def test_what_sales_learnt_is_not_overwritten_by_a_file(store: Store, now: datetime) -> None:
    run(store, rows(ANN), now)
    with store.begin() as conn:
        leads.find_or_create(conn, email="ann@example.org", fields={"company": "Acme Holding"}, origin="sales",
                             source="sales jana", now=now, keys=KEYS)
    _, report = run(store, rows(ANN), now)
    assert report.unchanged == 1
    assert lead(store, "ann@example.org").fields["company"]["v"] == "Acme Holding"


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ("yes,,2026-05-04,newsletter.v1.en", "no source"),
        ("yes,form,,newsletter.v1.en", "no time"),
        ("yes,form,2026-05-04,", "no wording"),
        ("yes,form,soon,newsletter.v1.en", "no time"),
        ("yes,form,2027-05-04,newsletter.v1.en", "lies in the future"),
        ("yes,form,2026-05-04,other.v1.en", "is not archived"),
    ],
)
def test_consent_without_proof_is_not_taken_but_the_person_is(
    store: Store, now: datetime, cells: str, why: str
) -> None:
    forecast, report = run(store, rows(f"ann@example.org,7,,Ann,,,{cells}"), now)
    assert (report.created, report.consents, forecast.mailable) == (1, 0, 0)
    assert why in " ".join(text for _, text in report.warnings.lines)


def test_a_signed_declaration_vouches_for_every_row(store: Store, now: datetime) -> None:
    rules = PLAIN + b"""
consent:
  - purposes: [privacy_notice, nurture_email]
    declaration: {wording: w.v1.en, text: I agree., evidence: archive 12, source: fair 2025, collected: 2025-10-01,
                  signed_by: Ines Marketer, signed_on: 2026-11-01}
"""
    forecast, report = run(store, rows(ANN, "b@example.org,8,,,,,,,,"), now, rules)
    assert (forecast.mailable, report.consents) == (2, 4)
    found = lead(store, "b@example.org").id
    with store.read() as conn:
        entry = consent.entries(conn, [found])[found][0]
    assert entry.proof["evidence"] == "archive 12"
    assert entry.proof["signed_by"] == "Ines Marketer"
    assert (entry.actor, entry.wording, entry.action) == ("import 1", "w.v1.en", ConsentAction.IMPORT)


@pytest.mark.parametrize(
    ("day", "why"),
    [("2027-03-01", "lies in the future"), ("2026-10-02", "later than the declaration"), ("2026-10-01", "")],
)
def test_nobody_vouches_for_a_consent_of_later(store: Store, now: datetime, day: str, why: str) -> None:
    rules = PLAIN + b"""
acquired: when
consent:
  - purposes: [nurture_email]
    declaration: {wording: w.v1.en, text: I agree., evidence: archive 12, source: fair, collected: {column: when},
                  signed_by: Ines Marketer, signed_on: 2026-10-01}
"""
    forecast, report = run(store, rows(f"ann@example.org,7,,Ann,,,yes,form,{day},"), now, rules)
    assert (forecast.mailable, report.consents) == ((0, 0) if why else (1, 1))
    assert why in " ".join(text for _, text in report.warnings.lines)
    assert ("acquired: lies in the future" in str(report.warnings.lines)) is (day > "2027")


def test_a_point_that_may_group_thousands_is_told_unless_the_map_says_what_it_is(store: Store, now: datetime) -> None:
    for said, told in ((b"", True), (b'\ndecimal: "."\n', False), (b'\ndecimal: ","\n', False)):
        _, report = run(store, rows("ann@example.org,7,,Ann,,1.250,,,,"), now, PLAIN + said)
        assert ("groups thousands" in str(report.warnings.lines)) is told


def test_a_known_wording_with_another_text_stops_the_import(store: Store, now: datetime) -> None:
    run(store, rows(ANN), now)
    with pytest.raises(UsageError, match=r"newsletter\.v1\.en"):
        run(store, rows(ANN), now, PROOF.replace(b"Yes, write to me.", b"Write whatever you like."))


def test_who_withdrew_stays_withdrawn_whatever_the_file_says(store: Store, now: datetime) -> None:
    run(store, rows(ANN), now)
    who = lead(store, "ann@example.org").id
    with store.begin() as conn:
        entry = ConsentEntry(who, Purpose.NURTURE_EMAIL, ConsentAction.WITHDRAW, now, "person")
        consent.append(conn, [entry], now=now, keys=KEYS)
    later = now + timedelta(days=30)
    fresh = ANN.replace("2026-05-04", f"{later - timedelta(days=1):%Y-%m-%d}")
    forecast, _ = run(store, rows(fresh), later)
    assert (forecast.mailable, forecast.not_mailable) == (0, {"withdrawn": 1})
    assert states(store, who)[Purpose.NURTURE_EMAIL, Channel.EMAIL] == "withdrawn"


def test_suppressed_addresses_stay_suppressed(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        imports.suppress(conn, [(address_hash(KEYS, "ANN@example.org"), "complained", None)], source="test", now=now)
    forecast, report = run(store, rows(ANN), now)
    assert (report.created, forecast.mailable, forecast.not_mailable) == (1, 0, {"suppressed": 1})


def test_a_block_in_the_file_suppresses_and_a_lifted_one_is_not_set_again(store: Store, now: datetime) -> None:
    raw = rows("ann@example.org,7,,,,,never,,,")
    forecast, report = run(store, raw, now)
    assert (forecast.mailable, report.suppressed) == (0, 1)
    with store.begin() as conn:
        table = metadata.tables["suppression"]
        conn.execute(table.update().values(lifted_at=now, lifted_by="ines"))
    _, again = run(store, raw, now)
    assert again.suppressed == 0


def test_rows_of_one_person_are_one_person_and_the_strictest_row_counts(store: Store, now: datetime) -> None:
    raw = rows(
        ANN,
        "bob@example.org,8,,Bob,,,yes,form,2026-05-04,newsletter.v1.en",
        "ANN@EXAMPLE.ORG,,,Anne,,,no,,,",
        "Bob@example.org,8,,Bob,,,never,,,",
        "ann@example.org,7,,Ann,,,yes,form,2026-05-04,newsletter.v1.en",
    )
    forecast, report = run(store, raw, now)
    assert (report.created, forecast.duplicates, forecast.mailable) == (2, 3, 0)
    assert dict(report.skipped.lines) == {
        4: "the same person as line 2", 5: "the same person as line 3", 6: "the same person as line 2"
    }
    assert lead(store, "ann@example.org").fields["first_name"]["v"] == "Ann"
    with store.read() as conn:
        assert imports.suppressed(conn, [address_hash(KEYS, "bob@example.org")])


def test_without_an_address_one_is_a_prospect(store: Store, now: datetime) -> None:
    forecast, report = run(store, rows(",77,,Zoe,,,yes,form,2026-05-04,newsletter.v1.en"), now)
    assert (forecast.prospects, forecast.mailable, report.created, report.consents) == (1, 0, 1, 0)
    _, found = run(store, rows("zoe@example.org,77,,Zoe,,,,,,"), now)
    assert (found.created, found.updated) == (0, 1)
    assert lead(store, "zoe@example.org").external_id == "77"


def test_contradictions_with_the_store_are_said_and_not_guessed(store: Store, now: datetime) -> None:
    run(store, rows("ann@example.org,7,,,,,,,,", "bob@example.org,8,,,,,,,,"), now)
    raw = rows("ann@example.org,8,,,,,,,,", "new@example.org,7,,,,,,,,", "bob@example.org,9,,,,,,,,")
    forecast, report = run(store, raw, now)
    assert forecast.skipped.total == report.skipped.total == 3
    assert [line for line, _ in report.skipped.lines] == [2, 3, 4]


def test_each_broken_row_is_one_line_and_the_rest_comes_in(store: Store, now: datetime) -> None:
    raw = rows(
        "not an address,1,,,,,,,,", "a@example.org,2,,A\x07,,,,,,", "b@example.org,3,Atlantis,B,,many,,,,",
        ",,,nobody,,,,,,", "c@example.org", "=?utf-8?q?x?=@example.org,5,,,,,,,,", "d@example.org,6,,D,,,,,,",
    )
    _, report = run(store, raw, now)
    assert report.created == 2
    said = dict(report.skipped.lines)
    assert set(said) == {2, 3, 5, 6, 7}
    assert "U+0007" in said[3]
    assert said[5] == "neither an address nor an external id"
    assert sorted(text for _, text in report.warnings.lines) == [
        "country: nobody knows `Atlantis`; left empty", "employees: `many` is not a number; left empty"
    ]


def test_an_erased_person_does_not_come_back(store: Store, now: datetime) -> None:
    run(store, rows(",7,,Ann,,,,,,"), now)
    with store.begin() as conn:
        table = metadata.tables["lead"]
        conn.execute(table.update().values(erased_at=now))
    _, report = run(store, rows(",7,,Ann,,,,,,"), now)
    assert dict(report.skipped.lines) == {2: "this person asked to be erased"}


def test_an_erased_address_is_not_stored_again_from_an_old_file(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        imports.suppress(conn, [(address_hash(KEYS, "ann@example.org"), "erased", None)], source="test", now=now)
    forecast, report = run(store, rows(ANN), now)
    assert (forecast.new, forecast.mailable, report.created) == (0, 0, 0)
    assert dict(report.skipped.lines) == {2: "this person asked to be erased"}
    assert b"ann@example.org" not in repr(contents(store)).encode().lower()


def test_a_person_who_was_merged_is_found_where_they_went(store: Store, now: datetime) -> None:
    run(store, rows("ann@example.org,7,,Ann,,,,,,", "a.lee@example.org,8,,Ann,,,,,,"), now)
    with store.begin() as conn:
        table = metadata.tables["lead"]
        conn.execute(table.update().where(table.c.id == 2).values(merged_into=1))
    _, report = run(store, rows("a.lee@example.org,8,,Ann,Acme,,,,,", ",8,,Ann,Acme,,,,,"), now)
    assert (report.created, report.updated) == (0, 1)
    assert lead(store, "ann@example.org").fields["company"]["v"] == "Acme"


def test_a_missing_column_is_named_with_what_there_is(store: Store, now: datetime) -> None:
    with pytest.raises(UsageError, match=r"no column .*`email`") as wrong:
        run(store, b"e-mail,id\na@example.org,1\n", now)
    assert "e-mail" in wrong.value.fix


def test_a_forecast_writes_nothing(store: Store, now: datetime) -> None:
    before = contents(store)
    work = PeopleImport(store, Source.of(io.BytesIO(rows(ANN)), "x.csv"), parse_map(PROOF), keys=KEYS, now=now)
    assert work.forecast().mailable == 1
    assert contents(store) == before


def test_find_or_create_finds_by_address_then_by_external_id(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        one = leads.find_or_create(conn, email="Ann@example.org", external_id="7", fields={"first_name": "Ann"},
                                   origin="declared", source="form guide", now=now, keys=KEYS)
        same = leads.find_or_create(conn, email="ANN@example.org", fields={}, origin="declared", source="form guide",
                                    now=now, keys=KEYS)
        also = leads.find_or_create(conn, email=None, external_id="7", fields={"role": "CTO"}, origin="enriched",
                                    source="enrichment", now=now, keys=KEYS)
    assert (one.created, same.created, also.created, also.changed) == (True, False, False, True)
    assert one.lead_id == same.lead_id == also.lead_id
    with store.read() as conn:
        assert conn.execute(select(func.count()).select_from(metadata.tables["lead"])).scalar() == 1


def test_words_of_the_file_that_the_map_does_not_name_are_told_before_anybody_is_mailed(
    store: Store, now: datetime
) -> None:
    """`NEVER` blocks like `never`; `opted out` is somebody's no that the map has no line for, and must be seen."""
    forecast, _ = run(store, rows(
        ANN.replace(",yes,", ",YES,"), "b@example.org,8,,,,,NEVER,,,", "c@example.org,9,,,,,opted out,,,",
        "d@example.org,10,,,,,opted out,,,", "e@example.org,11,,,,,no,,,", "f@example.org,12,,,,,,,,",
    ), now)
    assert (forecast.mailable, forecast.not_mailable["blocked in the file"]) == (1, 1)
    assert forecast.notes == [
        "column `agreed` says `opted out` (2): in no line of the map, so it decides nothing"
    ]
