"""`vpcshim start`, `stop`, `save`, `pause`, `resume`, `reset`: operations on the machines that are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from vpcshim.cli.logs import silence_libvirt
from vpcshim.cli.settings import Settings, seconds_from, server_options


@dataclass(frozen=True)
class Verb:
    """One of the commands.

    Attributes:
        name: The command.
        member: The method of IVMVirtualMachine that it calls.
        done: What is then to be said of the machine.
        takes_time: Whether the method hands out a task.
        help: The command's help.
    """

    name: str
    member: str
    done: str
    takes_time: bool
    help: str


VERBS = (
    Verb("start", "Startup", "started", True, "Power machines on; those that are saved are restored."),
    Verb(
        "stop",
        "TurnOff",
        "turned off",
        True,
        "Switch machines off, as if their plug were pulled.\n\n"
        "The guest is not shut down: what it has not written to its disks is lost. `vpcshim save` keeps it.",
    ),
    Verb("save", "Save", "saved", True, "Save the state of machines and stop them; `vpcshim start` restores it."),
    Verb("pause", "Pause", "paused", False, "Stop the CPUs of machines, which keep their memory."),
    Verb("resume", "Resume", "resumed", False, "Let paused machines go on."),
    Verb(
        "reset", "Reset", "reset", True, "Reset machines as their reset button would; the guest is not shut down."
    ),
)

_EPILOG = """Nothing is done unless every NAME is one machine of the servers.

\b
Exit codes:
  0    it was done to every machine (--no-wait: begun)
  1    a machine refused it, it failed, or it goes on after --wait-timeout
  2    wrong usage, an unknown machine, or a server that cannot be reached
  130  Ctrl-C: what was begun goes on
"""


def _command(verb: Verb) -> click.Command:
    @server_options
    def run(
        settings: Settings, names: tuple[str, ...], wait: bool = True, wait_timeout: float | None = None
    ) -> int:
        if wait_timeout is not None and not wait:
            raise click.UsageError("--wait-timeout and --no-wait exclude each other.")
        silence_libvirt()
        from vpcshim.cli.operate import operate

        return operate(settings, verb, names, wait=wait, limit=wait_timeout)

    function: Callable[..., Any] = run
    if verb.takes_time:
        function = click.option(
            "--wait-timeout",
            type=float,
            callback=seconds_from(0),
            metavar="SECONDS",
            help="Wait for no longer than this; what is not done then goes on.",
        )(function)
        function = click.option(
            "--wait/--no-wait", default=True, help="Wait until it is done (default), or only until it has begun."
        )(function)
    function = click.argument("names", nargs=-1, required=True, metavar="NAME...")(function)
    return click.command(verb.name, help=verb.help, epilog=_EPILOG)(function)


commands = {verb.name: _command(verb) for verb in VERBS}
