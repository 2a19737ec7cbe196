"""`vpcshim events`: tells what happens to the machines, a line for each event, until Ctrl-C."""

from __future__ import annotations

import json
import logging
import queue
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from vpcshim.cli.errors import Refused, complain, no_machines, refused
from vpcshim.cli.logs import silence_libvirt
from vpcshim.cli.settings import Settings, connection_options
from vpcshim.cli.text import one_line

if TYPE_CHECKING:
    from vpcshim.com.events import Fired
    from vpcshim.model.application import Application
    from vpcshim.model.events.tracker import Told

logger = logging.getLogger(__name__)

_EPILOG = """\b
Each line of --json:
  {"time": ..., "host": only of several, "machine": "web", "uuid": ...,
   "event": "OnStateChange", "arguments": [5]}

\b
Exit codes:
  0  ended by Ctrl-C or SIGTERM
  2  wrong usage, an unknown machine, or a server that cannot be reached

\b
Example:
  vpcshim --connect qemu:///system events --run-scripts
"""


@click.command("events", epilog=_EPILOG)
@click.argument("machines", nargs=-1, metavar="[MACHINE]...")
@click.option("--json", "as_json", is_flag=True, help="A JSON object in each line.")
@click.option(
    "--run-scripts",
    is_flag=True,
    help="Run the scripts that are attached to events (AttachScriptToEvent), as far as VMScriptsEnabled and "
    "VSScriptsEnabled are set for this user.",
)
@connection_options
def command(machines: tuple[str, ...], as_json: bool, run_scripts: bool, settings: Settings) -> None:
    """Tell what happens to the machines, until Ctrl-C.

    Each line is the time, the machine, and the event as scripts know it: OnStateChange, OnReset,
    OnHeartbeatStopped, ... A connection that is lost is opened again; OnEventsLost says that something may be
    missing.
    """
    from vpcshim.com.errors import ComError
    from vpcshim.com.events import Subscription
    from vpcshim.model.events.connect import everything
    from vpcshim.model.events.runner import ScriptRunner

    silence_libvirt()
    events: queue.SimpleQueue[tuple[str | None, Fired]] = queue.SimpleQueue()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            for label, application, uuids in _applications(settings, machines):
                subscription = Subscription(_into(events, label), "the output")
                stack.callback(subscription.close)
                try:
                    subscription.connect(everything(application, _among(uuids)))
                    if run_scripts:
                        stack.enter_context(ScriptRunner(application))
                except ComError as error:
                    raise Refused(refused(application._server.connection.label, error)) from error
            click.echo("vpcshim: listening; Ctrl-C ends it", err=True)
            while True:
                server, fired = events.get()
                _show(server, fired, as_json)
    except KeyboardInterrupt:
        logger.debug("ended by a signal")
    finally:
        signal.signal(signal.SIGTERM, before)


def _applications(
    settings: Settings, machines: tuple[str, ...]
) -> Iterator[tuple[str | None, Application, set[str] | None]]:
    """Each server's name (None where there is one only), its application, and the machines meant (None: all)."""
    from vpcshim.com.errors import ComError
    from vpcshim.model.application import CreateObject

    servers = settings.servers()
    found = []
    unknown = dict.fromkeys(machines)
    for options in servers:
        application = CreateObject("VirtualServer.Application", options)
        uuids = set()
        for name in machines:
            try:
                machine = application.FindVirtualMachine(name)
            except ComError as error:
                raise Refused(refused(application._server.connection.label, error)) from error
            if machine is not None:
                uuids.add(machine._uuid)
                unknown.pop(name, None)
        found.append((options.uri if len(servers) > 1 else None, application, uuids if machines else None))
    if unknown:
        *others, last = no_machines(unknown, (application._server.connection.label for _, application, _ in found))
        for line in others:
            complain(line)
        raise Refused(last)
    yield from found


def _into(events: queue.SimpleQueue[tuple[str | None, Fired]], server: str | None) -> Callable[[Fired], None]:
    return lambda fired: events.put((server, fired))


def _among(uuids: set[str] | None) -> Callable[[Told], bool]:
    return lambda told: bool(told.event) and (uuids is None or told.uuid in uuids)


def _show(server: str | None, fired: Fired, as_json: bool) -> None:
    """Print one event; flushed, for whoever reads a pipe."""
    from vpcshim.com.events import EVENTS_LOST

    now = datetime.now(timezone.utc)
    if fired.name == EVENTS_LOST:
        machine, uuid, arguments = None, None, fired.args
    else:
        told = fired.args[0]
        machine, uuid, arguments = told.machine, told.uuid, told.args
    if as_json:
        line: dict[str, Any] = {"time": now.isoformat(timespec="milliseconds")}
        line |= {} if server is None else {"host": server}
        line |= {"machine": machine, "uuid": uuid, "event": fired.name, "arguments": [*map(_plain, arguments)]}
        click.echo(json.dumps(line))
    else:
        words = [_word(argument) for argument in arguments]
        parts = [f"{now.astimezone():%Y-%m-%d %H:%M:%S}", server, machine or "-", fired.name, *words]
        click.echo("  ".join(one_line(part) for part in parts if part is not None))
    sys.stdout.flush()


def _plain(value: object) -> object:
    """An argument as JSON has it: bytes in hexadecimal digits, as the metadata has them."""
    return value.hex().upper() if isinstance(value, bytes) else value


def _word(value: object) -> str:
    """An argument as a reader has it: a state by its name."""
    if isinstance(value, Enum):
        return value.name.rpartition("_")[2]
    return str(_plain(value))
