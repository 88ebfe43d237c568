"""What came of the demo, in one screen a marketer reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.text import Text

from nurture.cli.common import out, plain, table

if TYPE_CHECKING:
    from nurture.demo.run import Demo


def report(running: Demo, command: Callable[..., tuple[int, str]], took: float) -> None:
    """Print the funnel, campaigns and steps, hand-offs, one lead's story, and where everything lies."""
    out.print()
    for title, argv in (("The funnel", ("funnel",)), ("Campaigns, step by step", ("status",)), ("Hand-offs", ("sales", "list", "--all"))):
        code, printed = command(*argv)
        if code == 0 and printed.strip():
            out.print(Text(title, style="bold underline"))
            out.print(Text(printed.rstrip()))
            out.print()
    out.print(table("What people did", ("act", "times"), sorted(running.world.done.items()), right=[1]))
    out.print()
    out.print(table("What sales did", ("decision", "times"), sorted(running.seller.done.items()), right=[1]))
    out.print()
    runs = sum(running.runs.values())
    out.print(Text(plain(f"{runs} runs, {running.mail.accepted} mails, {took:.0f} s")))
