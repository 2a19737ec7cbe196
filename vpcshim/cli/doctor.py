"""`vpcshim doctor`: what of libvirt works here, and what to do about what does not."""

from __future__ import annotations

import json
import sys
from itertools import chain
from typing import TYPE_CHECKING

import click

from vpcshim.cli.logs import silence_libvirt
from vpcshim.cli.settings import Settings, connection_options
from vpcshim.cli.text import one_line

if TYPE_CHECKING:
    from vpcshim.cli.checks import Check

_EPILOG = """\b
--json prints a list:
  {"server": "qemu:///system", "check": "open read-only",
   "status": "ok" | "warn" | "fail", "text": "...", "remedy": "..." or null}

\b
Exit codes:
  0  nothing failed (warnings are no failure)
  1  something failed
  2  wrong usage, or no connection could be made

\b
Example:
  vpcshim --connect qemu:///system doctor
"""
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connection_options
def command(settings: Settings, as_json: bool) -> int:
    """Say what of libvirt works here, and what to do about the rest.

    Looks at versions, the connection, permissions, events, at what can be read of each running machine, and at the
    programs that images and scripts need. Changes no server and no machine.
    """
    silence_libvirt()
    from vpcshim.cli.checks import Examination
    from vpcshim.cli.programs import program_checks

    found: list[Check] = []
    servers = [Examination(options).checks() for options in settings.servers()]
    for check in chain(*servers, program_checks()):
        found.append(check)
        if not as_json:
            _print(check)
    if as_json:
        print(json.dumps([check.document() for check in found], indent=2))
    return _exit_code(found)


def _print(check: Check) -> None:
    """One line, and the remedy on another below it."""
    mark = f"{check.status.value:<4}"
    if sys.stdout.isatty():
        mark = click.style(mark, fg=_COLOURS[check.status.value], bold=True)
    click.echo(f"{mark}  {check.topic}: {one_line(check.text)}")
    if check.remedy:
        click.echo(f"      -> {one_line(check.remedy)}")


def _exit_code(found: list[Check]) -> int:
    from vpcshim.cli.checks import Status
    from vpcshim.cli.main import OK, UNREADABLE, UNUSABLE

    if any(check.unconnected for check in found):
        return UNUSABLE
    return UNREADABLE if any(check.status is Status.FAIL for check in found) else OK
