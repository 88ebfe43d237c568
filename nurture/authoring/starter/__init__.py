"""A folder to begin with: the five company files, a form, its consent texts and two campaigns, that check clean."""

from __future__ import annotations

import re
from datetime import date, timedelta
from importlib.resources import files as resources
from importlib.resources.abc import Traversable

from nurture.authoring import read_sources
from nurture.authoring.draft import draft_for, files
from nurture.authoring.schema import FILES, as_text
from nurture.model.words import FunnelStage

CAMPAIGNS = {FunnelStage.AWARENESS: ("first-steps", "education"), FunnelStage.RECYCLED: ("welcome-back", "reengage")}


def usual_track(stage: FunnelStage) -> str:
    """The track a campaign goes on in a folder without tracks: one of those that `starter` brings."""
    return CAMPAIGNS.get(stage, CAMPAIGNS[FunnelStage.AWARENESS])[1]


def starter(today: date) -> dict[str, str]:
    """Path -> text. The agreement begins `today`."""
    words = {"TODAY": today.isoformat(), "REVIEW": (today + timedelta(days=90)).isoformat()}
    made: dict[str, str] = {}
    _collect(resources(__name__), "campaigns", made)
    agreement = made["campaigns/agreement.yaml"]
    for word, said in words.items():
        agreement = agreement.replace(word, said)
    made["campaigns/agreement.yaml"] = agreement
    library = read_sources(made).draft
    assert library is not None
    for stage, (name, track) in CAMPAIGNS.items():
        made |= files(draft_for(library, name, stage, track), layouts=True)
    guide = "campaigns/first-steps.yaml"
    made[guide] = re.sub(r"- tag_added: \S+ +#", f"{'- form: guide':<36} #", made[guide])
    return made | {f"campaigns/{kind}.schema.json": as_text(kind) for kind in FILES}


def _collect(folder: Traversable, path: str, into: dict[str, str]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith("__"):
            _collect(entry, f"{path}/{entry.name}", into)
        elif entry.name.endswith((".yaml", ".md")):
            into[f"{path}/{entry.name}"] = entry.read_text("utf-8")
