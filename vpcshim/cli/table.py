"""The report on a terminal, by rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vpcshim.cli import render
from vpcshim.cli.collect import Report, Row
from vpcshim.cli.columns import Column
from vpcshim.cli.rates import Rates
from vpcshim.cli.text import one_line

UNREACHABLE = "unreachable"
_STATES = {"running": "green", "off": "dim", "saved": "cyan", "error": "bold red", UNREACHABLE: "bold red"}
_VALUES = {render.OFF: "dim", render.ERROR: "bold red"}
_GAP = 2
# Names give way to numbers down to this width: a number is never cut, half of it would be taken for the whole.
_NARROWEST_NAME = 10


@dataclass(frozen=True)
class Layout:
    """What a table shows.

    Attributes:
        columns: The columns.
        with_host: Whether the server has a column.
        exact_bytes: Whether bytes are shown exactly.
        totals: Whether what was counted is shown, not only the rates of it.
        rates: The rates, for a table that has them.
    """

    columns: Sequence[Column]
    with_host: bool = False
    exact_bytes: bool = False
    totals: bool = True
    rates: Mapping[tuple[str, str], Rates] | None = None

    def shown(self) -> list[tuple[Column, bool]]:
        """The columns in order, and whether each is the rate."""
        found = []
        for column in self.columns:
            if self.totals or column.unit != "bytes":
                found.append((column, False))
            if self.rates is not None and column.unit == "bytes":
                found.append((column, True))
        return found


class Grid:
    """The cells of a table, and how wide they have to be.

    A server that cannot be listed has a row of its own, before the machines.
    """

    def __init__(self, reports: Sequence[Report], rows: Sequence[Row], layout: Layout) -> None:
        shown = layout.shown()
        self._names = ["host", "name"] if layout.with_host else ["name"]
        titles = [f"{column.title}/s" if is_rate else column.title for column, is_rate in shown]
        self._titles = [*self._names, "state", *titles]
        self._lines: list[list[str]] = []
        for report in reports:
            if report.failure is not None:
                host = [one_line(report.host)] if layout.with_host else []
                self._lines.append([*host, render.OFF, UNREACHABLE, *(render.ERROR for _ in shown)])
        for row in rows:
            host = [one_line(row.host)] if layout.with_host else []
            state = render.state_label(row.account.state)
            self._lines.append([*host, one_line(row.account.name), state, *_cells(row, layout, shown)])
        self._widths = [
            max(cell_len(text) for text in [*title.split("\n"), *(line[i] for line in self._lines)])
            for i, title in enumerate(self._titles)
        ]

    @property
    def least_width(self) -> int:
        """The width below which a number would be cut."""
        return sum(self._given(0)) + _GAP * (len(self._widths) - 1)

    def table(self, width: int) -> Table:
        """The table, not wider than that where it can be helped."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        room = width - _GAP * (len(self._widths) - 1)
        for i, (title, given) in enumerate(zip(self._titles, self._given(room), strict=True)):
            justify = "left" if i <= len(self._names) else "right"
            table.add_column(title, justify=justify, width=given, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
        state = len(self._names)
        for line in self._lines:
            styles = [
                _STATES.get(text, "yellow") if i == state else _VALUES.get(text, "") for i, text in enumerate(line)
            ]
            table.add_row(*(Text(text, style) for text, style in zip(line, styles, strict=True)))
        return table

    def _given(self, room: int) -> list[int]:
        """The widths of the columns: the numbers get theirs, the names share the rest."""
        count = len(self._names)
        names, others = self._widths[:count], self._widths[count:]
        rest = room - sum(others)
        for i in sorted(range(count), key=lambda i: names[i]):
            # The shorter names take what they need, and the longer ones what is left.
            names[i] = min(names[i], max(_NARROWEST_NAME, rest // count))
            rest, count = rest - names[i], count - 1
        return [*names, *others]


def _cells(row: Row, layout: Layout, shown: Sequence[tuple[Column, bool]]) -> list[str]:
    rates = {} if layout.rates is None else layout.rates.get((row.host, row.account.uuid), {})
    return [
        render.rate_cell(rates, column, human=not layout.exact_bytes)
        if is_rate
        else render.cell(row.account.values[column.member], column, human=True, exact_bytes=layout.exact_bytes)
        for column, is_rate in shown
    ]


def show(console: Console, grid: Grid) -> None:
    """Print the table; where it is wider than the terminal, the terminal wraps it."""
    console.width = max(console.width, grid.least_width)
    console.print(grid.table(console.width), crop=False)
