"""Does what `vpcshim start`, `stop`, ... are asked for: finds the machines, begins, and waits, showing progress.

What the hypervisor was told it finishes without us, so nothing here keeps the process from ending.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpcshim.cli.accountant import is_dumb
from vpcshim.cli.errors import Refused, complain, no_machines, refused
from vpcshim.cli.main import INTERRUPTED, OK, UNREADABLE
from vpcshim.cli.power import Verb
from vpcshim.cli.settings import Settings
from vpcshim.cli.text import one_line
from vpcshim.com.errors import ComError
from vpcshim.constants import VMVMState
from vpcshim.model.application import CreateObject
from vpcshim.model.machine.state import DISCARDS
from vpcshim.model.task import Task
from vpcshim.model.virtual_machine import VirtualMachine

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LOOK = 0.1  # seconds between two looks at what goes on
_OFF = (VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved)
_SAVES = (VMVMState.vmVMState_Saving, *_OFF)


@dataclass(frozen=True)
class _Target:
    """A machine, and the server it is on as the user named that."""

    host: str
    name: str
    machine: VirtualMachine


@dataclass
class _Running:
    """What was begun with a machine; `shown` is its line of the progress display, `told` whether it was told of."""

    target: _Target
    task: Task
    shown: TaskID | None = None
    told: bool = False

    @property
    def percent(self) -> int:
        """How far it is; 0 where that cannot be read now: how it ends will say why."""
        try:
            return self.task.PercentCompleted
        except ComError:
            return 0


def operate(settings: Settings, verb: Verb, names: Sequence[str], *, wait: bool, limit: float | None) -> int:
    """Do it to the machines of these names.

    Args:
        settings: Which servers.
        verb: What.
        names: The machines, in any case.
        wait: Whether to wait until it is done; else only until the hypervisor is at it.
        limit: For how many seconds to wait at most; None: until it is done.

    Returns:
        The exit code.

    Raises:
        Refused: A name is no machine's, or more than one's, or a server cannot be asked.
    """
    targets = _find(settings, names)
    running: list[_Running] = []
    try:
        code = _begin(verb, targets, running)
        if not wait:
            return max(code, _hand_over(verb, running))
        return max(code, _wait(verb, running, limit))
    except KeyboardInterrupt:
        for one in running:
            if one.task.IsComplete and not one.told:
                _ended(verb, one)
        for target in targets:
            # Asked of the server and not of `running`: the call that begins a task may have been interrupted.
            work = target.machine._server.works.of(target.machine._uuid)
            if work is not None:
                complain(_left_behind(verb, target, work.description))
        return INTERRUPTED


def _find(settings: Settings, names: Sequence[str]) -> list[_Target]:
    applications = []
    for options in settings.servers():
        application = CreateObject("VirtualServer.Application", options)
        application._server.works.waited_for = False
        applications.append((options.uri or application._server.connection.label, application))
    found: dict[tuple[str, str], _Target] = {}  # hosts may have copies of one machine, by other names
    unknown = []
    for name in dict.fromkeys(names):
        places = []
        for host, application in applications:
            try:
                machine = application.FindVirtualMachine(name)
                if isinstance(machine, VirtualMachine):
                    places.append(_Target(host, machine.Name, machine))
            except ComError as error:
                raise Refused(refused(host, error)) from error
        if len(places) > 1:
            hosts = " and on ".join(place.host for place in places)
            raise Refused(f"there is a machine named {name} on {hosts}: say which with --connect")
        if places:
            found[places[0].host, places[0].machine._uuid] = places[0]
        else:
            unknown.append(name)
    if unknown:
        *others, last = no_machines(unknown, (host for host, _ in applications))
        for line in others:
            complain(line)
        raise Refused(last)
    return list(found.values())


def _begin(verb: Verb, targets: Sequence[_Target], running: list[_Running]) -> int:
    """Begin with each; those that refuse are told of at once."""
    code = OK
    for target in targets:
        try:
            task = getattr(target.machine, verb.member)()
        except ComError as error:
            complain(_refusal(target, error.description))
            code = UNREADABLE
            continue
        if task is None:
            _say(verb, target)
        else:
            running.append(_Running(target, task))
    return code


def _wait(verb: Verb, running: Sequence[_Running], limit: float | None) -> int:
    """Wait for the tasks and tell how each ended."""
    deadline = None if limit is None else time.monotonic() + limit
    left = list(running)
    code = OK
    with _display(left) as progress:
        while left:
            time_is_over = deadline is not None and time.monotonic() >= deadline
            for one in tuple(left):
                if one.task.IsComplete:
                    left.remove(one)
                    code = max(code, _ended(verb, one))
                elif time_is_over:
                    left.remove(one)
                    complain(_about(one.target.name, f"not {verb.done} within {limit:g} s; it goes on"))
                    code = UNREADABLE
                elif progress is not None and one.shown is not None:
                    percent = one.percent
                    progress.update(one.shown, total=100 if percent else None, completed=percent)
            if left:
                # Of what is left, the first: whichever ends, is seen soon enough.
                seconds = _LOOK if deadline is None else max(0.0, min(_LOOK, deadline - time.monotonic()))
                left[0].task.WaitForCompletion(int(seconds * 1000))
    return code


def _ended(verb: Verb, one: _Running) -> int:
    one.told = True
    if one.task.Error == OK:
        _say(verb, one.target)
        return OK
    complain(_refusal(one.target, one.task.ErrorDescription))
    return UNREADABLE


def _hand_over(verb: Verb, running: Sequence[_Running]) -> int:
    """Wait until the hypervisor itself shows that it is at each, or the task ended."""
    code = OK
    for one in running:
        while not (one.task.IsComplete or _at_it(verb, one.target)):
            one.task.WaitForCompletion(int(_LOOK * 1000))
        if one.task.IsComplete:
            code = max(code, _ended(verb, one))
        else:
            print(one_line(f"{one.target.name}: {one.task.Description} goes on"), flush=True)
    return code


def _at_it(verb: Verb, target: _Target) -> bool:
    """Whether the hypervisor shows that it goes on, by itself, not only a thread of ours.

    What shows in no state (stop, reset) is short: its end is waited for.
    """
    try:
        told = target.machine._told()
    except Exception:  # noqa: BLE001 - the task is about to end for the same reason, and tells it
        return False
    return (verb.member == "Startup" and told not in _OFF) or (verb.member == "Save" and told in _SAVES)


def _left_behind(verb: Verb, target: _Target, description: str) -> str:
    """What becomes of it when we go."""
    if verb.takes_time and _at_it(verb, target):
        return f"{description} goes on in the background; `vpcshim list` shows when it is done"
    return f"{description} was asked for; `vpcshim list` shows whether it is done"


def _say(verb: Verb, target: _Target) -> None:
    print(one_line(f"{target.name}: {verb.done}"), flush=True)


def _refusal(target: _Target, text: str) -> str:
    """What the model says of a machine that refused or failed, with a way out that a command line has."""
    server = target.machine._server.connection.server
    command = ["virsh", *(["-c", server] if server else []), "managedsave-remove", target.name]
    return _about(target.name, text.replace(DISCARDS, f"`{shlex.join(command)}`"))


def _about(name: str, text: str) -> str:
    """The text with the machine's name before it, where it does not begin with it anyway."""
    return text if text.startswith(f"{name} ") else f"{name}: {text}"


@contextmanager
def _display(running: Sequence[_Running]) -> Iterator[Progress | None]:
    """A line of progress for each, where somebody looks at stderr."""
    if not running or not sys.stderr.isatty() or is_dumb():
        with nullcontext():
            yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # What is said on stdout goes past the display if that is the same terminal, and else to where stdout goes.
    to_terminal = sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, redirect_stdout=to_terminal) as progress:
        for one in running:
            if not one.task.IsComplete:
                one.shown = progress.add_task(one_line(one.task.Description), total=None)
        yield progress
