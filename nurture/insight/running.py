"""What runs: campaigns with their versions, people, due work, and what the files on disk say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from nurture.acts.apply import campaign_of
from nurture.authoring.reading import File, Reading, read_folder
from nurture.decide.flow import flow_of
from nurture.model.campaign import Campaign
from nurture.model.intents import Tally
from nurture.store import Store
from nurture.store.mail import books
from nurture.store.programs import campaigns, inside
from nurture.store.programs.campaigns import Running, Version
from nurture.store.sales import handoffs


def overview(store: Store, campaigns_dir: Path, templates_dir: Path, *, now: datetime) -> list[dict[str, Any]]:
    """One row per applied campaign, and one per file that was never applied."""
    reading = read_folder(campaigns_dir, templates_dir)
    with store.read() as conn:
        running, live = campaigns.running(conn), campaigns.live_versions(conn)
        followed, due = inside.followed(conn), inside.due(conn, now=now)
        mails = books.by_campaign(conn)
    rows = []
    for name, one in running.items():
        following = {n: people for (campaign, n), people in followed.items() if campaign == name}
        count, first = due.get(name, (0, None))
        older = {n: people for n, people in following.items() if n != one.version}
        rows.append(
            {
                "campaign": name,
                "state": _state(one),
                "version": one.version,
                "people": sum(following.values()),
                "due": count,
                "next": first,
                "drains": ", ".join(f"v{n}: {people}" for n, people in sorted(older.items())) or None,
                "file": _file(reading, live[name], one),
                "stage": one.funnel_stage,
                "track": one.track,
                "mail": mails.pop(name, Tally()).as_dict(),
            }
        )
    for file in reading.of("campaign"):
        if isinstance(file.noun, Campaign) and file.noun.id not in running:
            rows.append({
                "campaign": file.noun.id, "state": "not applied", "version": 0, "people": 0, "due": 0, "next": None,
                "drains": None, "file": "new" if file.whole else "broken", "stage": str(file.noun.funnel_stage),
                "track": file.noun.track,
            })
    return rows


def note_files(store: Store, campaigns_dir: Path, templates_dir: Path, *, now: datetime) -> list[str]:
    """Note which campaigns have no good file any more, and tell their owner once. Returns what is wrong, in words.

    The applied version runs on in every case.
    """
    reading = read_folder(campaigns_dir, templates_dir)
    said: list[str] = []
    with store.begin() as conn:
        live = campaigns.live_versions(conn)
        for name, one in campaigns.running(conn).items():
            found = _file(reading, live[name], one)
            problem = found if found.startswith(("broken", "missing")) else None
            if problem is not None:
                said.append(f"campaigns/{name}.yaml is {problem}")
                owner = campaign_of(live[name]).owner
                key = f"file/{name}/{campaigns.digest_of(problem)[:8]}/v{one.version}"
                handoffs.alert(conn, key, "campaign_file", said[-1], for_whom=owner, now=now)
            if problem != one.file_problem:
                campaigns.set_state(conn, name, {"file_problem": problem})
    return said


def campaign_status(store: Store, name: str, *, now: datetime) -> dict[str, Any] | None:
    """One campaign: its versions with the people who follow each, and its steps with who stands on them."""
    with store.read() as conn:
        one = campaigns.running(conn).get(name)
        if one is None:
            return None
        past = campaigns.history(conn, name)
        followed = inside.followed(conn, [name])
        sent = inside.sent_by_step(conn, name)
        mail = books.by_campaign(conn, campaign=name).get(name, Tally()).as_dict()
        stands: dict[str, int] = {}
        for _, n in followed:
            for step, people in inside.stands(conn, name, n).items():
                stands[step or ""] = stands.get(step or "", 0) + people
    live = next(v for v in past if v.n == one.version)
    steps = [
        {"step": step, "action": _does(node.step.action), "people": stands.pop(step, 0), "sent": sent.get(step, 0)}
        for step, node in flow_of(campaign_of(live)).items()
    ]
    steps += [{"step": step or "(at the end)", "action": "gone", "people": people, "sent": sent.get(step, 0)}
              for step, people in stands.items()]
    versions = [
        {"n": v.n, "applied_at": v.applied_at, "applied_by": v.applied_by, "people": followed.get((name, v.n), 0),
         "in_flight": v.in_flight, "git_commit": v.git_commit, "digest": v.digest}
        for v in past
    ]
    return {"campaign": name, "state": _state(one), "version": one.version, "versions": versions, "steps": steps,
            "mail": mail}


def _state(one: Running) -> str:
    return f"paused by {one.paused_by}" if one.paused_at is not None and one.paused_by else one.state


def _file(reading: Reading, live: Version, one: Running) -> str:
    """What the file on disk is against what runs; the last good version runs on in every case."""
    file: File | None = reading.files.get(campaigns.path_of(live.campaign))
    if file is None:
        broken = any(p.place.file == campaigns.path_of(live.campaign) for p in reading.problems)
        return "broken" if broken else ("-" if one.state == "retired" else "missing: the applied version runs on")
    if not file.whole:
        first = next((p for p in file.problems), None)
        return f"broken (line {first.place.line}): the applied version runs on" if first else "broken"
    return "as applied" if campaigns.digest_of(file.text) == live.digest else "edited, not applied"


def _does(action: object) -> str:
    words = {"Send": "send", "WaitFor": "wait for", "Choose": "choose", "Score": "score", "SetField": "set",
             "Notify": "notify", "MoveTo": "move to", "HandOff": "hand off", "End": "end"}
    return words[type(action).__name__]
