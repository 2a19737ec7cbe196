"""The entry point: finds the command, and ends every way a command can end with an exit code and one line.

Exit codes: 0; 1, a machine could not be read, or an operation on it failed (doctor: something failed); 2, wrong
usage, an unknown machine, or a server that cannot be reached; 70, a defect of vpcshim; 130, interrupted; 141, the
reader of a pipe went away.
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from vpcshim._version import __version__
from vpcshim.cli.settings import Settings, connection_options
from vpcshim.cli.text import one_line

logger = logging.getLogger(__name__)

OK, UNREADABLE, UNUSABLE, DEFECT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 70, 130, 141

# What a write fails with that has no room, or whose device is broken.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# The one line of each command stands here so that `vpcshim --help` imports none of them.
_COMMANDS = {
    "accountant": "Show what the machines sent, received, read, wrote and computed.",
    "list": "List the machines, their states and for how long they are up.",
    "start": "Power machines on, or restore saved ones.",
    "stop": "Switch machines off, without a shutdown of the guest.",
    "save": "Save the state of machines and stop them.",
    "pause": "Stop the CPUs of machines.",
    "resume": "Let paused machines go on.",
    "reset": "Reset machines as their reset button would.",
    "run": "Run a script made for the two products, in VBScript, JScript or Python, as it is.",
    "serve": "Serve a program on Windows, whose COM server starts this command through ssh.",
    "check": "Say what a script uses and what of that is unavailable, without running it.",
    "events": "Tell what happens to the machines, and run the scripts attached to it.",
    "api": "List the interfaces and members that are served.",
    "doctor": "Say what of libvirt works here, and what to do about the rest.",
}

# Where the commands stand that have no module of their own name.
_MODULES = dict.fromkeys(("start", "stop", "save", "pause", "resume", "reset"), "power")

_EPILOG = """\b
Exit codes:
  0  everything asked for was read, or done
  1  a machine could not be read in full, or an operation on it failed
     (doctor: something failed)
  2  wrong usage, an unknown machine, or a server that cannot be reached
`vpcshim run` has its script's own exit codes.

\b
Example:
  vpcshim --connect qemu:///system accountant web01 db01
"""


class LazyGroup(click.Group):
    """Imports a command's module when the command is run, and no other: start-up time counts in scripts."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"vpcshim.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.commands[cmd_name] if cmd_name in _MODULES else module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their one line each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of our output that goes away ends it quietly."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            return BROKEN_PIPE
        return result


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@connection_options
def cli(settings: Settings) -> None:
    """Machines of libvirt and their accounts, as Virtual Server 2005 and Windows Virtual PC had them.

    The options below may stand before or after the command.
    """
    click.get_current_context().obj = settings


def _drop_output() -> None:
    """Let go of what stdout could not write: Python tries once more at exit, and would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Have the standard streams that whoever started us closed (as `>&-` does) hold and take nothing.

    Else the next file or socket to be opened would become one of them, and be written to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not cut a report in the middle.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = cli.main(args=arguments, prog_name="vpcshim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        # Files that are opened are named by their errors; of what is open already, commands write to this alone.
        name = error.filename or ("standard output" if error.errno in _FULL else None)
        what = error.strerror or str(error)
        click.echo(f"vpcshim: {one_line(what if name is None else f'{name}: {what}')}", err=True)
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return UNREADABLE
    except Exception as error:
        logger.debug("internal error", exc_info=error)
        what = f"{type(error).__name__}: {error}"
        click.echo(f"vpcshim: internal error (please report it; -v shows more): {one_line(what)}", err=True)
        return DEFECT
    return result if isinstance(result, int) else OK
