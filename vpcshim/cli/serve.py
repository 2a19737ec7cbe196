"""`vpcshim serve`: what the in-process COM server of genuine Windows starts and talks to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from vpcshim.cli import logs
from vpcshim.cli.errors import Refused
from vpcshim.cli.settings import Settings, connection_options, drive_option

_EPILOG = """\b
Once on Windows, as administrator, for 64-bit programs (and likewise vpcshim32.dll with SysWOW64's regsvr32):
  regsvr32 /n /i:"C:\\Windows\\System32\\OpenSSH\\ssh.exe -o BatchMode=yes kvm3 vpcshim serve" vpcshim64.dll

\b
Exit codes: 0 when the program has ended; 1 when what it sent is no frame; 2 for wrong usage.
"""


@click.command("serve", epilog=_EPILOG)
@click.option(
    "--build",
    "folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Compile the COM servers, vpcshim64.dll and vpcshim32.dll, into this folder instead.",
)
@drive_option("program")
@click.option("--trace", metavar="FILE", help="Add one JSON line per COM call to FILE (- is stderr).")
@connection_options
def command(settings: Settings, folder: Path | None, drives: tuple[str, ...], trace: str | None) -> int:
    """Serve one program on Windows over standard input and output.

    Its COM server, vpcshim64.dll or vpcshim32.dll, starts this command, as a rule through ssh, and makes the
    applications of the server of --connect.
    """
    if folder is not None:
        return _build(folder)
    if os.isatty(0) or os.isatty(1):
        raise Refused("serve is started by vpcshim64.dll or vpcshim32.dll on Windows: see vpcshim serve --help")
    from vpcshim.cli.run import Factory, hooks_of
    from vpcshim.clients.scripting.frames import BadFrame
    from vpcshim.clients.scripting.remote import serve_program

    logs.silence_libvirt()
    factory = Factory(settings, drives)
    hooks = hooks_of(trace, append=True)
    # Whatever else is printed in this process must not come between the frames.
    reading, writing = os.dup(0), os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        serve_program(reading, writing, factory, hooks)
    except BadFrame as error:
        click.echo(f"vpcshim: the program is given up: {error}", err=True)
        return 1
    finally:
        os.close(reading)
        os.close(writing)
    return 0


def _build(folder: Path) -> int:
    from vpcshim.clients.wine.installation import NoWine
    from vpcshim.clients.wine.program import build_servers

    try:
        made = build_servers(folder)
    except NoWine as error:
        raise Refused(str(error)) from error
    for file in made:
        click.echo(file)
    return 0
