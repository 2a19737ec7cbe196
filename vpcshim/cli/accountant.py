"""`vpcshim accountant`: the accounts of the machines as a table, JSON or CSV, once or again and again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vpcshim.cli.columns import COLUMNS, Column, find
from vpcshim.cli.errors import complain, no_machines
from vpcshim.cli.logs import silence_libvirt
from vpcshim.cli.settings import Settings, connection_options, seconds_from

if TYPE_CHECKING:
    from vpcshim.cli.collect import Report

_WATCH = "2"
_KEYS = ", ".join(column.key for column in COLUMNS)
_EPILOG = f"""Columns: {_KEYS}; the members' own names (NetworkBytesSent) do as well.

\b
Each machine in --json (in --csv: NAME, NAME.hresult, NAME.code):
  {{"host", "name", "uuid", "state": "running", "state_number": 5,
   "hresult": "S_OK", "code": "0x00000000", "error": null,
   "NetworkBytesSent": {{"value": 123, "hresult": "S_OK",
                        "code": "0x00000000", "error": null}}, ...}}

value is 0 with S_FALSE when the machine is off, and null when it could not be read. A server that cannot be
reached is one such object without a name. With --explain each has "nics". With --watch each line is
{{"time": ..., "machines": [...]}}, and what counts bytes has a "rate" per second, or null.

\b
Exit codes:
  0  everything was read, or --watch was ended with Ctrl-C
  1  a machine could not be read in full
  2  wrong usage, an unknown machine, or a server that cannot be reached

\b
Examples:
  vpcshim accountant
  vpcshim accountant web01 --watch
  vpcshim accountant --columns net-sent,uptime --sort net-sent
  vpcshim -c qemu:///system -c host2 accountant
  vpcshim accountant --csv > usage.csv
  vpcshim accountant --explain web01
"""


class _Command(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let --watch stand without its number, before a machine's name too."""
        for i, argument in enumerate(args):
            if argument == "--":
                break
            if argument == "--watch" and not (i + 1 < len(args) and _is_number(args[i + 1])):
                args = [*args[:i], f"--watch={_WATCH}", *args[i + 1 :]]
        return super().parse_args(ctx, args)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[Column, ...]:
    if value is None:
        return COLUMNS
    chosen = {name: find(name) for name in value.split(",") if name.strip()}
    unknown = [name.strip() for name, column in chosen.items() if column is None]
    if unknown or not chosen:
        raise click.BadParameter(f"{', '.join(unknown) or 'nothing'} is not one of {_KEYS}.")
    return tuple(dict.fromkeys(column for column in chosen.values() if column is not None))


def _sort(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None or value.lower() in ("name", "state"):
        return value and value.lower()
    column = find(value)
    if column is None:
        raise click.BadParameter(f"{value} is not one of name, state, {_KEYS}.")
    return column.key


@click.command("accountant", cls=_Command, epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: exact integers, the HRESULT of each.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: exact integers, the HRESULT beside each.")
@click.option("--bytes", "exact", is_flag=True, help="Print exact bytes on a terminal, too.")
@click.option(
    "--watch",
    type=float,
    callback=seconds_from(0.1),
    metavar="[SECONDS]",
    help="Read again every SECONDS (2) and show rates per second, until Ctrl-C.",
)
@click.option("--columns", callback=_columns, metavar="LIST", help="Only these columns, separated by commas.")
@click.option("--explain", is_flag=True, help="Say which source served each NIC's counters, and why.")
@click.option("--sort", callback=_sort, metavar="COLUMN", help="Sort by name, state or a column, largest first.")
@connection_options
def command(
    settings: Settings,
    names: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    exact: bool,
    watch: float | None,
    columns: tuple[Column, ...],
    explain: bool,
    sort: str | None,
) -> int:
    """Show what the machines sent, received, read, wrote and computed.

    NAMEs are machines, in any case; none means all of them. A machine that is off has "-" in its cells. When
    stdout is not a terminal, the table is plain and its numbers are exact.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    if explain and (as_csv or watch is not None):
        raise click.UsageError("--explain goes with the table and with --json, once.")
    if sort not in (None, "name", "state") and sort not in [column.key for column in columns]:
        raise click.UsageError(f"--sort {sort}: that column is not among --columns.")
    silence_libvirt()
    from vpcshim.cli import collect
    from vpcshim.cli.output import Csv, Json, Output, Plain, Terminal

    servers = settings.servers()
    members = [column.member for column in columns]
    hosts = [collect.Host(server, names, members) for server in servers]
    with_host = len(hosts) > 1
    output: Output
    if as_json:
        output = Json(columns, sort, explain=explain)
    elif as_csv:
        output = Csv(columns, sort, watching=watch is not None)
    elif sys.stdout.isatty() and not is_dumb():
        output = Terminal(columns, sort, with_host=with_host, exact=exact)
    else:
        output = Plain(columns, sort, with_host=with_host)
    if watch is not None:
        from vpcshim.cli.watch import run

        return run(hosts, output, watch)
    reports = collect.read(hosts)
    output.once(reports)
    if explain and not as_json:
        from vpcshim.cli.render import explanations

        click.echo("\n".join(["", *explanations(reports, with_host=with_host)]))
    for line in unknown_machines(reports):
        complain(line)
    return exit_code(reports)


def is_dumb() -> bool:
    """Whether the terminal says of itself that it can only print lines."""
    return os.environ.get("TERM", "") in ("dumb", "unknown")


def unknown_machines(reports: Sequence[Report]) -> list[str]:
    """One line for each name that is a machine of none of the servers."""
    reached = [report for report in reports if report.failure is None]
    if not reached:
        return []
    missed = [name for name in reached[0].unknown if all(name in report.unknown for report in reached)]
    return no_machines(missed, (report.host for report in reached))


def exit_code(reports: Sequence[Report]) -> int:
    """What the command ends with after these reports."""
    from vpcshim.cli.main import OK, UNREADABLE, UNUSABLE

    if unknown_machines(reports) or any(report.failure is not None for report in reports):
        return UNUSABLE
    return UNREADABLE if any(row.account.unreadable for report in reports for row in report.rows) else OK
