"""Rows for a terminal of any width: columns while their words fit, else one paragraph per row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
"""Columns of space between two columns."""
LONGEST_WORD = 20
"""A word longer than this, and than a third of the screen, may be broken: one address must not turn a table over."""


class Listing:
    """A quiet table that never breaks a word for want of room: too narrow a screen gets `name: value; name: value`."""

    def __init__(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Text]], *, right: Sequence[int] = ()
    ) -> None:
        """`right` lists columns of numbers."""
        self.title = title
        self.columns = columns
        self.rows = rows
        self.right = right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title:
            yield Text(self.title, style="bold")
        widths = self._widths(options.max_width)
        if widths is not None:
            yield self._table(widths)
        else:
            yield from self._paragraphs()

    def _widths(self, room: int) -> list[int | None] | None:
        """What each column gets; where not all fits, empty columns get nothing (None) and the widest give way first.

        None as a whole where even then some word would be broken.
        """
        every = range(len(self.columns))
        cells = [[name, *(row[i].plain for row in self.rows)] for i, name in enumerate(self.columns)]
        given = [_widest(line for cell in column for line in cell.splitlines()) for column in cells]
        if sum(given) + GAP * (len(given) - 1) <= room:
            return list(given)
        shown = [i for i in every if any(cells[i][1:])]
        room -= GAP * (len(shown) - 1)
        longest = max(LONGEST_WORD, room // 3)
        least = [min(longest, _widest(word for cell in column for word in cell.split())) for column in cells]
        if sum(least[i] for i in shown) > room:
            return None
        while (over := sum(given[i] for i in shown) - room) > 0:
            wide = max((i for i in shown if given[i] > least[i]), key=given.__getitem__)
            second = max((given[i] for i in shown if given[i] < given[wide]), default=0)
            given[wide] -= max(1, min(over, given[wide] - max(second, least[wide])))
        return [given[i] if i in shown else None for i in every]

    def _table(self, widths: Sequence[int | None]) -> Table:
        made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        for i, (name, width) in enumerate(zip(self.columns, widths, strict=True)):
            justify: JustifyMethod = "right" if i in self.right else "left"
            if width is not None:
                made.add_column(name, justify=justify, overflow="fold", width=width)
        for row in self.rows:
            made.add_row(*(cell for cell, width in zip(row, widths, strict=True) if width is not None))
        return made

    def _paragraphs(self) -> Iterable[Text | Padding]:
        for row in self.rows:
            if row and row[0].plain:
                yield Text.assemble(row[0], style="bold")
            told = [
                Text.assemble((f"{name}: " if name else "", "dim"), cell)
                for name, cell in list(zip(self.columns, row, strict=True))[1:]
                if cell.plain
            ]
            yield Padding(Text("; ").join(told), (0, 0, 0, 2), expand=False)


def _widest(parts: Iterable[str]) -> int:
    return max((cell_len(part) for part in parts), default=0)
