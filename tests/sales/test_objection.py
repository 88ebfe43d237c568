"""An objection to marketing reaches every stage that makes or uses a profile (Art. 21, C9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from nurture.acts import privacy
from nurture.decide import choices
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.words import ConsentAction, Purpose
from nurture.stages import rescore
from nurture.store import Store
from nurture.store.privacy import consent
from nurture.store.tables import HandoffRow, LeadRow
from tests.sales.world import SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEAD = LeadRow.__table__


def profile(store: Store, lead_id: int) -> dict[str, Any]:
    names = ("model", "engagement", "fit_low", "cell", "action", "level", "objected")
    with store.read() as conn:
        return dict(conn.execute(select(*(LEAD.c[n] for n in names)).where(LEAD.c.id == lead_id)).mappings().one())


def test_c9_who_objects_loses_the_score_and_never_gets_one_again(store: Store) -> None:
    world = parts(store)
    lead = add_lead(store, now=NOW)
    happened(store, lead, *SEED, now=NOW)
    tick(world, now=NOW)
    before = profile(store, lead)
    assert before["engagement"] > 0 and before["cell"]
    later = NOW + timedelta(hours=1)
    privacy.object_to_marketing(world, lead, by="ines", source="letter", now=later)
    # The webinar alone would have made this lead sales-ready.
    happened(store, lead, WEBINAR, now=later)
    tick(world, now=later)
    rescore.rescore(store, world.library, now=later + timedelta(days=1), wake=True)
    tick(world, now=later + timedelta(days=1))
    after = profile(store, lead)
    left = [n for n in ("model", "engagement", "fit_low", "cell", "action", "level") if after[n]]
    assert after["objected"] and left == []
    with store.read() as conn:
        assert conn.execute(select(HandoffRow.__table__.c.id)).all() == []


def test_c9_a_no_to_profiling_alone_ends_the_score_and_not_the_mails(store: Store) -> None:
    world = parts(store)
    lead = add_lead(store, now=NOW)
    happened(store, lead, *SEED, now=NOW)
    tick(world, now=NOW)
    later = NOW + timedelta(hours=1)
    with store.begin() as conn:
        no = choices.stop(lead, [Purpose.PROFILING], {}, now=later, proof={"source": "preference page"})
        consent.append(conn, no, now=later, keys=world.keys)
    tick(world, now=later)
    after = profile(store, lead)
    assert not after["cell"] and not after["objected"]


def test_c8_only_a_grant_of_the_person_lifts_an_objection(store: Store) -> None:
    world = parts(store)
    lead = add_lead(store, now=NOW, consents=())
    privacy.object_to_marketing(world, lead, by="ines", source="letter", now=NOW)

    def grants(action: ConsentAction, actor: str, at: datetime) -> bool:
        entry = ConsentEntry(
            lead, Purpose.NEWSLETTER, action, at, actor, basis=Basis.CONSENT, wording="w.1.en", wording_sha="0" * 64,
            proof={"source": "form"},
        )
        with store.begin() as conn:
            consent.append(conn, [entry], now=at, keys=world.keys)
        return not profile(store, lead)["objected"]

    assert not grants(ConsentAction.IMPORT, "import 1", NOW + timedelta(days=1))
    assert not grants(ConsentAction.GRANT, "sales jana", NOW + timedelta(days=2))
    assert grants(ConsentAction.GRANT, "person", NOW + timedelta(days=3))
