"""What came of the demo, in a few screens a marketer reads from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from nurture.cli.common import out, plain, table

if TYPE_CHECKING:
    from nurture.demo.run import Demo

Command = Callable[..., tuple[int, str]]
ALL_STATES = ("open", "accepted", "rejected", "recycled", "expired", "revoked", "converted")


def report(running: Demo, command: Command, took: float) -> None:
    """Print what people and sales did, the funnel, steps, hand-offs with reasons, one lead, and addresses."""
    _who(running)
    _heading("What people did")
    out.print(Text(_counts(running.world.done, _ACTS)))
    _heading("What sales did, by command line")
    out.print(Text(_counts(running.seller.done, {})))
    _heading("The funnel")
    _, funnel = command("report", "funnel")
    out.print(Text.from_ansi(funnel.split("By month")[0].rstrip()))
    _heading("Campaigns, step by step")
    _steps(running)
    _heading("Hand-offs to sales")
    chosen = _handoffs(running)
    if chosen is not None:
        _heading(f"One lead explained: nurture explain {chosen}")
        _, story = command("explain", str(chosen))
        out.print(Text.from_ansi(story.rstrip()))
    _books(running, took)
    _addresses(running)


_ACTS = {
    "picture": "pictures fetched",
    "click": "links clicked",
    "scan": "mails searched by gateways",
    "confirm": "addresses confirmed",
    "visit": "pages visited",
    "form": "forms opened from the site",
    "attend": "seats taken in a webinar",
    "told": "facts posted",
    "unsubscribe": "one-click unsubscribes",
    "page_unsubscribe": "unsubscribes by page",
    "event": "trials begun",
}


def _who(running: Demo) -> None:
    """A file of prospects has an ending of its own: nobody in it got a mail, and that is right."""
    if running.with_address:
        return
    _heading("Who was in the file")
    out.print(Text(
        f"  {running.imported:,} prospects without an address. They are kept by their external id, scored, counted in\n"
        "  the funnel and never mailed; a form they fill in, or a file with their addresses, makes leads of them.\n"
        f"  Everything below comes from {len(running.world.people):,} visitors of the example site who left an address."
    ))


def _heading(words: str) -> None:
    out.print()
    out.print(Text(words, style="bold underline"))


def _counts(done: dict[str, int], words: dict[str, str]) -> str:
    return "  " + ", ".join(
        f"{n} {words.get(what, what)}" for what, n in sorted(done.items(), key=lambda item: -item[1])
    )


def _steps(running: Demo) -> None:
    from nurture.store.programs.steps import by_step

    with running.installation.parts.store.read() as conn:
        found = by_step(conn)
    rows, last = [], ""
    for count in found:
        rows.append(["" if count.campaign == last else count.campaign, *count[1:]])
        last = count.campaign
    out.print(table("", ("campaign", "step", "sent", "refused", "opened", "clicked"), rows, right=(2, 3, 4, 5)))


def _handoffs(running: Demo) -> int | None:
    """Prints them; returns the lead with most to tell: one that came back, else one that was won, else any."""
    from nurture.store.sales import handoffs

    with running.installation.parts.store.read() as conn:
        found = handoffs.listing(conn, states=ALL_STATES)
    found = sorted(found, key=lambda h: h["id"])
    out.print(
        table(
            "",
            ("no.", "opened", "lead", "cell", "came by", "became", "reason"),
            [
                (
                    h["id"],
                    f"{h['opened_at']:%a %d %b}",
                    h["lead_id"],
                    h["cell"],
                    h.get("via") or "",
                    h["state"],
                    h.get("reason") or "",
                )
                for h in found
            ],
            right=(0,),
        )
    )
    trips: dict[int, list[dict[str, Any]]] = {}
    for handoff in found:
        trips.setdefault(handoff["lead_id"], []).append(handoff)
    best = max(trips.items(), key=lambda item: (len(item[1]), not item[1][0]["fast"], -item[0]), default=None)
    return best[0] if best is not None else None


def _books(running: Demo, took: float) -> None:
    tally = running.books.get("send")
    _heading("The books")
    if tally is not None:
        parts = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in tally.as_dict().items() if n and what != "due")
        out.print(
            Text(f"  {tally.due} mails came due: {parts}. It {'adds up' if tally.balanced() else 'DOES NOT ADD UP'}.")
        )
    real = running.installation.engine.runs if running.installation.engine is not None else 0
    kind = f"{real} real flow runs" if real else f"{sum(running.runs.values())} plain runs (NURTURE_PREFECT=off)"
    out.print(
        Text(
            f"  {kind}, {running.ticks} ticks, {running.mail.accepted} mails delivered, {took:.0f} seconds."
        )
    )


def _addresses(running: Demo) -> None:
    from nurture.web.staff.signin import demo_link

    _heading("Where to look")
    link = demo_link(running.installation.parts, now=running.clock.now())
    places = [
        ("mails", f"{running.mail.folder}/", "one folder per recipient, each mail an .eml file"),
        ("database", running.installation.parts.store.place, ""),
        ("ask it", f". {running.way_in()}", "in a shell of its own; then nurture status, ..."),
        ("web app", running.installation.url, ""),
        ("signed in", link, "works once"),
    ]
    if running.installation.prefect is not None:
        places.append(("Prefect", f"{running.installation.prefect.url}/runs", "each run with its tally"))
    for name, place, about in places:
        line = f"  {name + ':':<11}{plain(place)}"
        told = f"({about})" if about else ""
        beside = len(line) + 2 + len(told) <= out.width
        # An address is never folded: it is there to be clicked or copied.
        out.print(Text(f"{line}  {told}".rstrip() if beside else line), soft_wrap=True)
        if told and not beside:
            out.print(Padding(Text(told), (0, 0, 0, 13)))
