"""`vpcshim list`: the machines, their states, how long they are up, and their UUIDs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vpcshim.cli.accountant import is_dumb, unknown_machines
from vpcshim.cli.columns import Column, find
from vpcshim.cli.errors import complain
from vpcshim.cli.logs import silence_libvirt
from vpcshim.cli.settings import Settings, server_options
from vpcshim.cli.text import aligned, one_line

if TYPE_CHECKING:
    from vpcshim.cli.collect import Report

_EPILOG = """\b
Each machine in --json (in --csv: NAME, NAME.hresult, NAME.code):
  {"host", "name", "uuid", "state": "running", "state_number": 5,
   "hresult": "S_OK", "code": "0x00000000", "error": null,
   "UpTime": {"value": 123, "hresult": "S_OK", "code": "0x00000000", "error": null}}

The uptime is "unknown" (in --json null, with the reason) where nothing says when a machine was started.

\b
Exit codes:
  0  all machines were listed
  1  the state of a machine could not be read
  2  wrong usage, an unknown machine, or a server that cannot be reached

\b
Examples:
  vpcshim list
  vpcshim -c qemu:///system -c host2 list --json
"""
_UNKNOWN = "unknown"


@click.command("list", epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@server_options
def command(settings: Settings, names: tuple[str, ...], as_json: bool, as_csv: bool) -> int:
    """List the machines: their states, for how long they are up, and their UUIDs.

    NAMEs are machines, in any case; none means all of them. When stdout is not a terminal, the table is plain and
    the uptime a number of seconds.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    silence_libvirt()
    from vpcshim.cli import collect
    from vpcshim.cli.main import OK, UNREADABLE, UNUSABLE

    uptime = find("uptime")
    assert uptime is not None
    hosts = [collect.Host(server, names, [uptime.member]) for server in settings.servers()]
    reports = collect.read(hosts)
    _print(reports, uptime, as_json=as_json, as_csv=as_csv)
    unknown = unknown_machines(reports)
    for line in unknown:
        complain(line)
    if unknown or any(report.failure is not None for report in reports):
        return UNUSABLE
    return UNREADABLE if any(row.account.state.code.failed for report in reports for row in report.rows) else OK


def _print(reports: Sequence[Report], uptime: Column, *, as_json: bool, as_csv: bool) -> None:
    from vpcshim.cli.output import Csv, Json

    if as_json:
        Json([uptime], None, explain=False).once(reports)
        return
    if as_csv:
        Csv([uptime], None, watching=False).once(reports)
        return
    with_host = len(reports) > 1
    human = sys.stdout.isatty() and not is_dumb()
    lines = [
        [*([report.host] if with_host else []), *cells]
        for report in reports
        for cells in _cells(report, uptime, human=human)
    ]
    header = [*(["host"] if with_host else []), "name", "state", "uptime", "uuid"]
    if human:
        _show(header, lines)
    else:
        print(aligned([title.upper() for title in header], lines, left=len(header)), end="")
    for report in reports:
        if report.failure is not None:
            complain(report.said)
        for row in report.rows:
            if row.account.state.code.failed:
                complain(f"{row.account.name}: {row.account.state.description}")


def _cells(report: Report, uptime: Column, *, human: bool) -> list[list[str]]:
    from vpcshim.cli import render

    cells = []
    for row in report.rows:
        up = row.account.values[uptime.member]
        shown = _UNKNOWN if up.code.failed else render.cell(up, uptime, human=human)
        cells.append([row.account.name, render.state_label(row.account.state), shown, row.account.uuid])
    return cells


def _show(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in header:
        table.add_column(title, justify="right" if title == "uptime" else "left", overflow="fold")
    for line in lines:
        table.add_row(*(Text(one_line(text)) for text in line))
    Console().print(table)
