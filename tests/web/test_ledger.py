"""The ledger on a real database: proofs, chains, anchors, immutable wordings, and a cache that can be rebuilt."""

from __future__ import annotations

import contextlib
import json
import random
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from nurture.acts import privacy
from nurture.errors import Refused
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.tokens import Keys
from nurture.model.words import ConsentAction, Purpose
from nurture.store.privacy import consent, ledger
from nurture.store.tables import ConsentEntryRow
from tests.web.conftest import World

NURTURE, LETTER = Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER


def execute(world: World, sql: str, **values: Any) -> None:
    with world.store.begin() as conn:
        conn.execute(text(sql), values)


def audit(world: World) -> ledger.Audit:
    with world.store.read() as conn:
        return ledger.verify(conn, world.keys)


def codes(world: World) -> set[str]:
    return {found.code for found in audit(world).findings}


def live_through(world: World) -> World:
    """Three people with a history over four days, anchored."""
    people = [world.lead(f"p{i}@example.com") for i in range(3)]
    for day in range(4):
        for person in people:
            world.grant(person, NURTURE if day % 2 else LETTER)
            world.client.post(world.url("unsubscribe", 0, person))
        world.after(days=1)
    with world.store.begin() as conn:
        assert ledger.anchor(conn, world.keys, now=world.clock.now()) == 4
        assert ledger.anchor(conn, world.keys, now=world.clock.now()) == 0
    return world


@pytest.fixture
def lived(world: World) -> World:
    return live_through(world)


def test_an_untouched_ledger_is_unbroken(world_everywhere: World) -> None:
    lived = live_through(world_everywhere)
    seen = audit(lived)
    assert (seen.leads, seen.anchors, seen.erased, seen.findings) == (3, 4, 0, [])
    assert seen.lines == lived.one("select count(*) from consent_entry")


CHANGES = (
    "purpose = 'commercial_offers'", "action = 'request'", "at = recorded_at + 1", "actor = 'system'",
    "basis = 'legit_interest'", "wording = 'other'", "wording_sha = 'x'", "expires_at = recorded_at", "digest = 'x'",
    "jurisdiction = 'US'", "channel = 'phone'", "key = 'other'", "recorded_at = expires_at",
)


class Undo(Exception):
    """Leaves a transaction without keeping what was tried in it."""


def test_every_altered_column_is_found(lived: World) -> None:
    moment = "timestamptz '2026-01-01'" if not lived.store.is_sqlite else "'2026-01-01 00:00:00.000000'"
    for change in CHANGES:
        change = re.sub(r"(recorded_at \+ 1|(?<== )expires_at|(?<== )recorded_at)$", moment, change)
        with contextlib.suppress(Undo), lived.store.begin() as conn:
            conn.execute(text(f"update consent_entry set {change} where id = 3"))
            assert "altered" in {f.code for f in ledger.verify(conn, lived.keys).findings}, change
            raise Undo
    assert codes(lived) == set()


@pytest.mark.parametrize(
    "forged",
    [
        "update consent_state set status = 'granted', until = null where status <> 'granted'",
        "update consent_state set until = '2099-01-01 00:00:00.000000' where status = 'granted'",
        "update consent_state set lead_id = lead_id + 1000 where status = 'granted'",
        "update consent_state set purpose = 'profiling' where status = 'granted' and purpose = 'nurture_email'",
    ],
)
def test_a_yes_written_past_the_ledger_is_found(world: World, forged: str) -> None:
    """What the guard reads is a cache; whoever forges it has touched no line of the chain."""
    lead, other = world.lead(), world.lead("other@example.com")
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER)
    world.grant(other, Purpose.NEWSLETTER)
    privacy.object_to_marketing(world.parts, other, by="ines", source="phone", now=world.clock.now())
    assert codes(world) == set()
    execute(world, forged)
    assert "state_forged" in codes(world)


def test_removed_lines_are_found(lived: World) -> None:
    execute(lived, "delete from consent_entry where id = (select min(id) from consent_entry where seq = 2)")
    assert {"removed", "anchor"} <= codes(lived)


def tamper(conn: Any, chance: random.Random) -> str:
    """One thing that somebody with the database in their hands may do; what it was."""
    rows = conn.execute(text("select id, lead_id, seq from consent_entry order by lead_id, seq")).all()
    row = chance.choice(rows)
    own = [r for r in rows if r.lead_id == row.lead_id]

    def gone(*ids: int) -> None:
        for entry in ids:
            conn.execute(text("delete from consent_proof where entry_id = :i"), {"i": entry})
            conn.execute(text("delete from consent_entry where id = :i"), {"i": entry})

    match chance.choice(("alter", "remove", "cut the end", "swap", "close the gap", "move", "copy", "anchor")):
        case "alter":
            change = chance.choice(CHANGES[:4] + CHANGES[5:7])
            change = change.replace("recorded_at + 1", "'2026-01-01 00:00:00'")
            conn.execute(text(f"update consent_entry set {change} where id = :i"), {"i": row.id})
            return f"{change} of {row}"
        case "remove":
            gone(row.id)
            return f"removed {row}"
        case "cut the end":
            few = own[-chance.randint(1, len(own)) :]
            gone(*(r.id for r in few))
            return f"cut off {few}"
        case "swap":
            other = chance.choice([r for r in own if r.id != row.id])
            for seq, entry in ((99, row.id), (row.seq, other.id), (other.seq, row.id)):
                conn.execute(text("update consent_entry set seq = :s where id = :i"), {"s": seq, "i": entry})
            return f"swapped {row} and {other}"
        case "close the gap":
            gone(row.id)
            for later in own[row.seq :]:
                conn.execute(text("update consent_entry set seq = seq - 1 where id = :i"), {"i": later.id})
            return f"removed {row} and counted anew"
        case "move":
            other = chance.choice([r for r in rows if r.lead_id != row.lead_id])
            conn.execute(
                text("update consent_entry set lead_id = :l, seq = 77 where id = :i"), {"l": other.lead_id, "i": row.id}
            )
            return f"gave {row} to {other.lead_id}"
        case "copy":
            names = [c.name for c in ConsentEntryRow.__table__.columns if c.name not in ("id", "key", "seq")]
            conn.execute(text(
                f"insert into consent_entry (key, seq, {', '.join(names)}) "
                f"select 'again', {own[-1].seq + 1}, {', '.join(names)} from consent_entry where id = {row.id}"
            ))
            return f"wrote {row} again"
        case _:
            conn.execute(text("update consent_anchor set hash = 'x' where day = (select max(day) from consent_anchor)"))
            return "an anchor"


def test_whatever_is_done_to_the_ledger_is_found(world_everywhere: World) -> None:
    lived = live_through(world_everywhere)
    # Lines of today, which no anchor covers yet.
    for person in (1, 2, 3):
        lived.grant(person, NURTURE, Purpose.CLICK_TRACKING)
    assert codes(lived) == set()
    for seed in range(60):
        with contextlib.suppress(Undo), lived.store.begin() as conn:
            done = tamper(conn, random.Random(seed))
            assert ledger.verify(conn, lived.keys).findings, done
            raise Undo
    assert codes(lived) == set()


def test_anchors_kept_elsewhere_see_what_the_database_has_forgotten(lived: World) -> None:
    with lived.store.read() as conn:
        kept = {a["day"]: a["hash"] for a in ledger.anchors(conn)}
    last = max(kept)
    # Whoever removes the last day with its anchor, its proofs and its states leaves nothing that contradicts itself.
    execute(lived, "delete from consent_proof where entry_id in (select id from consent_entry where recorded_at >= :d)",
            d=f"{last} 00:00:00.000000")
    execute(lived, "delete from consent_entry where recorded_at >= :d", d=f"{last} 00:00:00.000000")
    execute(lived, "delete from consent_anchor where day = :d", d=last)
    with lived.store.begin() as conn:
        conn.execute(text("delete from consent_state"))
        consent.refold(conn, [1, 2, 3], now=lived.clock.now())
    assert codes(lived) == set()
    with lived.store.read() as conn:
        found = ledger.verify(conn, lived.keys, kept=kept).findings
    assert [f.where for f in found] == [f"anchor {last}"]


def test_a_whole_removed_chain_is_found_by_the_anchors(lived: World) -> None:
    lead = lived.one("select min(lead_id) from consent_entry")
    execute(lived, "delete from consent_proof where lead_id = :l", l=lead)
    execute(lived, "delete from consent_entry where lead_id = :l", l=lead)
    assert codes(lived) == {"anchor", "removed"}


def test_a_last_line_cut_off_is_found_by_the_anchors(lived: World) -> None:
    last = lived.one("select max(id) from consent_entry")
    execute(lived, "delete from consent_proof where entry_id = :i", i=last)
    execute(lived, "delete from consent_entry where id = :i", i=last)
    assert codes(lived) == {"anchor", "removed"}


def test_two_lines_that_changed_places_are_found(lived: World) -> None:
    one, two = (
        row[0] for row in lived.rows("select id from consent_entry where lead_id = 1 and seq in (2, 3) order by seq")
    )
    execute(lived, "update consent_entry set seq = 99 where id = :i", i=one)
    execute(lived, "update consent_entry set seq = 2 where id = :i", i=two)
    execute(lived, "update consent_entry set seq = 3 where id = :i", i=one)
    assert {"altered", "unlinked"} <= codes(lived)


def test_a_proof_that_was_changed_or_lost_is_found(lived: World) -> None:
    execute(lived, 'update consent_proof set "values" = \'{"source": "forged"}\' where entry_id = 1')
    execute(lived, "delete from consent_proof where entry_id = 2")
    assert codes(lived) == {"proof_altered", "proof_lost"}


def test_somebody_with_the_database_alone_cannot_link_the_chain_anew(lived: World) -> None:
    other = Keys.from_secrets(["the forger has another secret than ours"])
    row = dict(lived.rows("select * from consent_entry where id = 1")[0]._mapping)
    with lived.store.read() as conn:
        assert ledger.verify(conn, other).findings
    assert row["hash"]


def test_c5_a_grant_without_proof_is_refused_row_by_row(world: World) -> None:
    lead = world.lead()
    now = world.clock.now()

    def grant(key: str, **more: Any) -> ConsentEntry:
        values: dict[str, Any] = {"wording": "w.1.en", "wording_sha": "f" * 64, "proof": {"source": "fair"}, **more}
        return ConsentEntry(
            lead, NURTURE, ConsentAction.IMPORT, now, "import 1", basis=Basis.CONSENT, key=key, **values
        )

    with world.store.begin() as conn:
        done = consent.append(
            conn,
            [
                grant("a"),
                grant("b", proof={}),
                grant("c", wording=None),
                grant("d", wording="unknown.9.xx", wording_sha=None),
            ],
            now=now,
            keys=world.keys,
        )
    assert done.written == 1
    assert [(t.entry.key, t.code) for t in done.refused] == [
        ("b", "proof_missing"),
        ("c", "proof_missing"),
        ("d", "proof_missing"),
    ]


def test_c4_a_wording_covers_only_the_purposes_it_names(world: World) -> None:
    lead = world.lead()
    now = world.clock.now()
    with world.store.begin() as conn:
        consent.put_wording(conn, "w.1.en", "Letters.", purposes=[LETTER], language="en", now=now)
        entry = ConsentEntry(
            lead,
            NURTURE,
            ConsentAction.GRANT,
            now,
            "person",
            basis=Basis.CONSENT,
            wording="w.1.en",
            proof={"source": "form"},
        )
        done = consent.append(conn, [entry], now=now, keys=world.keys)
    assert [t.code for t in done.refused] == ["wording_does_not_cover"]


def test_c21_a_wording_in_use_never_changes(world: World) -> None:
    now = world.clock.now()
    with world.store.begin() as conn:
        sha = consent.put_wording(conn, "w.1.en", "Letters.", purposes=[LETTER], language="en", now=now)
        assert consent.put_wording(conn, "w.1.en", "Letters.", purposes=[LETTER], language="en", now=now) == sha
        for words, purposes in (("Letters!", [LETTER]), ("Letters.", [LETTER, NURTURE])):
            with pytest.raises(Refused, match="cannot change"):
                consent.put_wording(conn, "w.1.en", words, purposes=purposes, language="en", now=now)


def test_a_repeated_entry_is_a_repeat(world: World) -> None:
    lead = world.lead()
    now = world.clock.now()
    entry = ConsentEntry(lead, NURTURE, ConsentAction.WITHDRAW, now, "person", proof={"source": "mail"})
    with world.store.begin() as conn:
        first = consent.append(conn, [entry, entry], now=now, keys=world.keys)
        second = consent.append(conn, [entry], now=now + timedelta(days=1), keys=world.keys)
    assert (first.written, first.repeated, second.written, second.repeated) == (1, 1, 0, 1)


def test_the_cache_equals_the_fold_rebuilt_from_nothing(lived: World) -> None:
    before = lived.rows("select lead_id, purpose, channel, status, basis, wording from consent_state order by 1, 2, 3")
    execute(lived, "delete from consent_state")
    with lived.store.begin() as conn:
        consent.refold(conn, [1, 2, 3], now=lived.clock.now())
    assert (
        lived.rows("select lead_id, purpose, channel, status, basis, wording from consent_state order by 1, 2, 3")
        == before
    )


def test_entries_of_many_people_are_written_in_one_go(world: World) -> None:
    now = world.clock.now()
    entries = [
        ConsentEntry(
            i,
            p,
            ConsentAction.IMPORT,
            now,
            "import 1",
            basis=Basis.CONSENT,
            wording="w",
            wording_sha="0",
            proof={"source": "s"},
        )
        for i in range(1, 701)
        for p in (NURTURE, LETTER)
    ]
    with world.store.begin() as conn:
        assert consent.append(conn, entries, now=now, keys=world.keys).written == 1400
    assert audit(world).findings == []


def test_networks_are_forgotten_after_their_time_and_the_chain_still_verifies(world: World) -> None:
    lead = world.lead()
    world.grant(lead, NURTURE)
    world.client.post(world.url("unsubscribe", 0, lead))
    shown = 'select "values" from consent_proof order by entry_id desc limit 1'

    def proof() -> dict[str, Any]:
        raw = world.one(shown)
        return dict(json.loads(raw) if isinstance(raw, str) else raw)

    assert proof()["ip"] == "testclient"
    world.after(days=91)
    done = privacy.retain(world.parts, now=world.clock.now(), dry_run=False)
    assert done.networks["proofs"] == 1
    assert proof()["ip"].startswith("#") and "ip_salt" not in proof()
    assert audit(world).findings == []
