"""`nurture calibrate` on a real file: the bars it has to reach, by what was known before sales worked the lead."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from datetime import datetime
from pathlib import Path

import pytest

from nurture.decide import bins, calibrate
from nurture.decide.interval import auc
from nurture.insight.applied import fit_points, read_model
from nurture.insight.learning import Calibration, Columns, judge, learn
from nurture.insight.proposal import as_diff, insert_model
from nurture.intake.map_file import read_map
from nurture.intake.outcomes import read_outcomes
from nurture.intake.people import Source
from tests.conftest import NOW, ROOT

MAP = ROOT / "campaigns" / "imports" / "x_education.map.yaml"
LEAKS = ("Tags", "Lead Quality", "Lead Profile", "Last Notable Activity")


def columns_of(raw: bytes, without: tuple[str, ...] = ()) -> Columns:
    read = read_outcomes(Source.of(io.BytesIO(raw), "leads.csv"), read_map(MAP), outcome="Converted", without=without)
    return Columns(
        values=read.values, outcomes=read.outcomes, labels={name: c.label for name, c in read.columns.items()},
        leak_risk=read.leak_risk, yes_no=[n for n, c in read.columns.items() if c.yes_no], not_used=read.not_used,
    )


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> bytes:
    return (shared_data / "x_education_leads.csv").read_bytes()


def halves(raw: bytes) -> tuple[bytes, bytes]:
    """Two halves of a file, by a stable hash of each row."""
    rows = list(csv.reader(io.StringIO(raw.decode())))
    parts: list[list[list[str]]] = [[rows[0]], [rows[0]]]
    for row in rows[1:]:
        parts[hashlib.blake2b(row[1].encode(), digest_size=1).digest()[0] % 2].append(row)
    written = []
    for part in parts:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(part)
        written.append(text.getvalue().encode())
    return written[0], written[1]


@pytest.fixture(scope="module")
def learnt(raw: bytes) -> dict[tuple[str, ...], tuple[Columns, Calibration]]:
    """What was learnt from the whole file, with and without the column that may leak."""
    found = {}
    for without in ((), ("Last Activity",)):
        columns = columns_of(raw, without)
        calibration = learn(columns, name="leads.csv", now=NOW)
        assert not isinstance(calibration, str)
        found[without] = (columns, calibration)
    return found


Learnt = dict[tuple[str, ...], tuple[Columns, Calibration]]


@pytest.mark.parametrize(("without", "least"), [((), 0.87), (("Last Activity",), 0.85)])
def test_the_proposed_points_reach_the_bar_in_cross_validation(
    learnt: Learnt, without: tuple[str, ...], least: float
) -> None:
    _, found = learnt[without]
    assert found.judged.auc >= least
    assert found.validated.memorised < 0.015
    assert len(found.model.lines) <= 30
    assert ("last_activity" in found.model.columns) is not bool(without)


@pytest.mark.parametrize("without", [(), ("Last Activity",)])
def test_half_a_file_predicts_the_other_half_within_two_hundredths(
    raw: bytes, learnt: Learnt, without: tuple[str, ...]
) -> None:
    one, other = halves(raw)
    known, unseen = columns_of(one, without), columns_of(other, without)
    numeric = {field: bins.is_number(values) for field, values in known.values.items()}
    judged = judge(calibrate.learn(known.values, known.outcomes, numeric=numeric), unseen, known)
    assert abs(judged.auc - learnt[without][1].judged.auc) < 0.02
    assert judged.drift < 0.1


def test_what_sales_wrote_afterwards_is_never_used(learnt: Learnt) -> None:
    columns, _ = learnt[()]
    used = set(columns.labels.values())
    assert not used & set(LEAKS)
    assert not any(label.startswith("Asymmetrique") for label in used)
    assert columns.not_used is not None
    assert all(label in columns.not_used for label in LEAKS)
    assert "Prospect ID" in columns.not_used
    assert columns.leak_risk == ("last_activity",)


def test_the_proposal_is_a_scoring_model_that_ranks_the_same(learnt: Learnt, tmp_path: Path) -> None:
    columns, found = learnt[()]
    path = tmp_path / "scoring.yaml"
    path.write_text("models:\n" + found.block, encoding="utf-8")
    model = read_model(path, "calibrated")
    assert model.shadow
    assert sum(criterion.weight for criterion in model.fit) == 100
    by_engine = fit_points(model, columns)
    by_points = found.model.scores(columns.values, len(columns.outcomes))
    for one, points in zip(by_engine, by_points, strict=True):
        assert abs(one / 1000 - max(points, 0)) <= 1.0
    assert auc(by_engine, columns.outcomes) == pytest.approx(auc(by_points, columns.outcomes), abs=0.005)


def test_the_change_of_the_shipped_scoring_file_is_additions_only(learnt: Learnt) -> None:
    _, found = learnt["Last Activity",]
    shipped = (ROOT / "campaigns" / "scoring.yaml").read_text(encoding="utf-8")
    change = as_diff(shipped, insert_model(shipped, found.block), "campaigns/scoring.yaml").splitlines()
    assert not [line for line in change[2:] if line.startswith("-")]
    assert any("model: calibrated" in line for line in change)


def test_too_few_outcomes_are_said_instead_of_a_proposal(raw: bytes) -> None:
    few = b"\n".join(raw.splitlines()[:40])
    assert "not enough data" in str(learn(columns_of(few), name="few", now=NOW))


def test_noise_is_no_pattern_and_perfection_is_a_warning(now: datetime) -> None:
    """Cut where outcomes change, chance looks like a rule; only leads it has not seen can tell."""
    draw = random.Random(2)
    won = [draw.random() < 0.5 for _ in range(400)]
    noise = Columns({"visits": [float(draw.randrange(100)) for _ in won]}, won, {"visits": "visits"})
    said = learn(noise, name="noise", now=now)
    assert isinstance(said, str) and "no better than chance" in said
    written_after = Columns({"role": ["boss" if one else "clerk" for one in won]}, won, {"role": "role"})
    found = learn(written_after, name="leak", now=now)
    assert not isinstance(found, str) and "too good to be true" in found.block
