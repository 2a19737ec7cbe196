"""The forms a report is printed in: on a terminal, plain, JSON, CSV; once, or round after round."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from vpcshim.cli import render
from vpcshim.cli.collect import Report, Row
from vpcshim.cli.columns import Column
from vpcshim.cli.errors import complain
from vpcshim.cli.rates import Rates
from vpcshim.cli.text import aligned, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Frame:
    """One round of --watch.

    Attributes:
        reports: What was read.
        rates: What changed since the round before, by (host, uuid).
        time: When it was read.
        interval: Seconds between rounds.
        remarks: What is to be said beside it (a machine that nobody knows any more).
    """

    reports: Sequence[Report]
    rates: Mapping[tuple[str, str], Rates]
    time: datetime
    interval: float
    remarks: Sequence[str] = ()


Show = Callable[[Frame], None]


class Output(Protocol):
    """One of the forms."""

    def once(self, reports: Sequence[Report]) -> None:
        """Print the report."""

    def watching(self) -> AbstractContextManager[Show]:
        """Hands out what prints each round of --watch."""


class _Complaints:
    """Says on stderr what is wrong, and says it again only when it changes."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def say(self, lines: list[str]) -> None:
        for line in lines:
            if line not in self._said:
                complain(line)
        self._said = lines


def _rows(reports: Sequence[Report], sort: str | None, columns: Sequence[Column]) -> list[Row]:
    rows = [row for report in reports for row in report.rows]
    return rows if sort is None else render.ordered(rows, sort, columns)


def _failures(reports: Sequence[Report]) -> list[Report]:
    return [replace(report, rows=[]) for report in reports if report.failure is not None]


def _time(frame: Frame) -> str:
    return frame.time.isoformat(timespec="milliseconds")


class Json:
    """A list of machines; for --watch, a document on a line of its own for each round."""

    def __init__(self, columns: Sequence[Column], sort: str | None, *, explain: bool = False) -> None:
        self._columns, self._sort, self._explain = columns, sort, explain

    def once(self, reports: Sequence[Report]) -> None:
        """Print the list, and on stderr which servers could not be asked."""
        print(json.dumps(_documents(reports, self._columns, self._sort, explain=self._explain), indent=2))
        _Complaints().say(render.notes(_failures(reports), self._columns, with_host=True))

    @contextmanager
    def watching(self) -> Iterator[Show]:
        """Print a line of JSON for each round."""
        complaints = _Complaints()

        def show(frame: Frame) -> None:
            machines = _documents(frame.reports, self._columns, self._sort, frame.rates)
            print(json.dumps({"time": _time(frame), "machines": machines}), flush=True)
            failures = render.notes(_failures(frame.reports), self._columns, with_host=True)
            complaints.say([*failures, *frame.remarks])

        yield show


def _documents(
    reports: Sequence[Report],
    columns: Sequence[Column],
    sort: str | None,
    rates: Mapping[tuple[str, str], Rates] | None = None,
    *,
    explain: bool = False,
) -> list[dict[str, Any]]:
    found = [render.unlisted(report, report.failure, columns) for report in reports if report.failure is not None]
    for row in _rows(reports, sort, columns):
        pace = None if rates is None else rates.get((row.host, row.account.uuid), {})
        document = render.machine(row, columns, pace)
        found.append({**document, "nics": render.sources(row)} if explain else document)
    return found


class Csv:
    """A header and a line for each machine; for --watch, with the time before and the rates."""

    def __init__(self, columns: Sequence[Column], sort: str | None, *, watching: bool) -> None:
        self._columns, self._sort = columns, sort
        self._header = render.csv_header(columns, rates=watching)

    def once(self, reports: Sequence[Report]) -> None:
        """Print the header and the machines, and on stderr which servers could not be asked."""
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(self._header)
        for document in _documents(reports, self._columns, self._sort):
            writer.writerow(render.csv_line(document, self._columns, rates=False))
        _Complaints().say(render.notes(_failures(reports), self._columns, with_host=True))

    @contextmanager
    def watching(self) -> Iterator[Show]:
        """Print the header once, and then the machines of each round."""
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["time", *self._header])
        complaints = _Complaints()

        def show(frame: Frame) -> None:
            for document in _documents(frame.reports, self._columns, self._sort, frame.rates):
                writer.writerow([_time(frame), *render.csv_line(document, self._columns, rates=True)])
            sys.stdout.flush()
            failures = render.notes(_failures(frame.reports), self._columns, with_host=True)
            complaints.say([*failures, *frame.remarks])

        yield show


class Plain:
    """An aligned table of exact numbers, to be piped."""

    def __init__(self, columns: Sequence[Column], sort: str | None, *, with_host: bool) -> None:
        self._columns, self._sort, self._with_host = columns, sort, with_host

    def once(self, reports: Sequence[Report]) -> None:
        """Print the table, and on stderr what could not be read."""
        print(self._table(reports, None), end="")
        _Complaints().say(render.notes(reports, self._columns, with_host=self._with_host))

    @contextmanager
    def watching(self) -> Iterator[Show]:
        """Print a table for each round, under its time."""
        complaints = _Complaints()
        first = True

        def show(frame: Frame) -> None:
            nonlocal first
            print(f"{'' if first else chr(10)}# {_time(frame)}")
            first = False
            print(self._table(frame.reports, frame.rates), end="", flush=True)
            complaints.say([*render.notes(frame.reports, self._columns, with_host=self._with_host), *frame.remarks])

        yield show

    def _table(self, reports: Sequence[Report], rates: Mapping[tuple[str, str], Rates] | None) -> str:
        host = ["HOST"] if self._with_host else []
        header = [*host, "NAME", "STATE"]
        for column in self._columns:
            header.append(column.key.upper())
            if rates is not None and column.unit == "bytes":
                header.append(f"{column.key.upper()}/S")
        lines = []
        # Alone and once, the line on stderr says it; in a round of --watch there must be something in its place.
        for report in _failures(reports) if self._with_host or rates is not None else ():
            name = [report.host, render.OFF] if self._with_host else [render.OFF]
            lines.append([*name, "unreachable", *[render.ERROR] * (len(header) - len(name) - 1)])
        for row in _rows(reports, self._sort, self._columns):
            line = [row.host] if self._with_host else []
            line += [row.account.name, render.state_label(row.account.state)]
            for column in self._columns:
                line.append(render.cell(row.account.values[column.member], column, human=False))
                if rates is not None and column.unit == "bytes":
                    line.append(render.rate_cell(rates.get((row.host, row.account.uuid), {}), column, human=False))
            lines.append(line)
        return aligned(header, lines, left=2 + len(host))


class Terminal:
    """A table for people, by rich."""

    def __init__(self, columns: Sequence[Column], sort: str | None, *, with_host: bool, exact: bool) -> None:
        from rich.console import Console

        self._columns, self._sort, self._with_host, self._exact = columns, sort, with_host, exact
        self._console = Console()

    def once(self, reports: Sequence[Report]) -> None:
        """Print the table, and below it, on stderr, what could not be read."""
        from vpcshim.cli import table

        rows = _rows(reports, self._sort, self._columns)
        if rows or (self._with_host and _failures(reports)):
            layout = table.Layout(self._columns, self._with_host, self._exact)
            table.show(self._console, table.Grid(reports if self._with_host else [], rows, layout))
        elif not any(report.unknown for report in reports) and not _failures(reports):
            hosts = ", ".join(report.host for report in reports)
            self._console.print(
                f"There are no virtual machines on {one_line(hosts)}.", markup=False, highlight=False
            )
        _Complaints().say(render.notes(reports, self._columns, with_host=self._with_host))

    @contextmanager
    def watching(self) -> Iterator[Show]:
        """Show each round in place of the one before."""
        from rich.live import Live

        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda frame: live.update(self._frame(frame), refresh=True)

    def _frame(self, frame: Frame) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from vpcshim.cli import table

        remarks = [*render.notes(frame.reports, self._columns, with_host=self._with_host), *frame.remarks]
        notes = Text("\n".join(remarks), "red")
        notes_height = len(notes.wrap(self._console, self._console.width)) if remarks else 0
        rows = _rows(frame.reports, self._sort, self._columns)
        # The title, the header and the line about what is hidden take five lines; the notes get a third at most.
        notes_height = min(notes_height, max(1, self._console.height // 3))
        room = max(1, self._console.height - 6 - notes_height - len(_failures(frame.reports)))
        hidden = len(rows) - room
        if hidden > 0:
            rows = rows[:room]

        layout = table.Layout(self._columns, self._with_host, self._exact, totals=True, rates=frame.rates)
        grid = table.Grid(frame.reports, rows, layout)
        if grid.least_width > self._console.width:
            grid = table.Grid(frame.reports, rows, replace(layout, totals=False))
        title = f"{frame.time.astimezone():%H:%M:%S}, every {frame.interval:g} s, Ctrl-C ends"
        parts: list[RenderableType] = [Text(title, "dim"), grid.table(self._console.width)]
        if hidden > 0:
            parts.append(Text(f"... and {hidden} more: --sort, or name the machines", "dim"))
        if remarks:
            parts.append(Text("\n").join(notes.wrap(self._console, self._console.width)[:notes_height]))
        return Group(*parts)
