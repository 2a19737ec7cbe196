"""What one machine is followed by: libvirt's events in, what a handler or a script is told out.

libvirt tells of transitions, several of them for one thing (two or three REBOOTs for a reset, a pause within a
save); the products tell of states and of things that happen. Nothing here asks libvirt: what has to be asked is
given.

Sources: virDomainEventType and its details (libvirt-domain); the IVMVirtualMachineEvents pages, VMEventType.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import libvirt

from vpcshim.constants import VMEventType, VMVMState
from vpcshim.hypervisor.census import Medium
from vpcshim.hypervisor.events import Event, Extra, Kind, Link
from vpcshim.hypervisor.settings import Value

# Within how many seconds REBOOT events are of one reset.
_ONE_RESET = 0.5
# How long an agent may be away from a running machine before its heartbeat counts as stopped (seconds): an agent
# that is restarted is back sooner, and a guest that reboots has been reset by then.
HEARTBEAT = 10.0

# How long libvirt's events of what was before a task may be on their way (seconds). A busy host is late with them,
# and what comes after the task was told has to be left out.
_MOMENT = 0.3

_RUNNING, _PAUSED = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused
_OFF, _SAVED = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved


class Told(NamedTuple):
    """One thing that happened to a machine.

    Attributes:
        uuid: The machine.
        machine: Its name then.
        event: The event's name: of IVMVirtualMachineEvents, or OnMediaInsert, OnMediaEject; "" for what only
            scripts are started by.
        args: The event's arguments.
        script: What a script that is attached to it is attached to; None for what starts none.
        drive: The target of the drive, for the events of media.
    """

    uuid: str
    machine: str
    event: str
    args: tuple[Any, ...] = ()
    script: VMEventType | None = None
    drive: str = ""


@dataclass
class _Task:
    """A task of this process that puts the machine into a state in between, until libvirt tells of its end."""

    state: VMVMState
    due: float  # on the monotonic clock
    told: bool = False


class Tracker:
    """What is known of one machine whose events somebody hears.

    Attributes:
        name: Its name.
        state: The VMVMState that was told last, or that it had when somebody began to listen.
        since: Since when libvirt's transitions count (on the monotonic clock): earlier ones are in the state.
        values: Its configuration values, where somebody hears of their changes.
        media: What is in its drives, where somebody hears of that.
    """

    def __init__(self, uuid: str, name: str, state: VMVMState, since: float) -> None:
        self.uuid = uuid
        self.name = name
        self.state = state
        self.since = since
        self.values: Mapping[str, Value] | None = None
        self.media: Mapping[str, Medium] | None = None
        self._tasks: list[_Task] = []
        self._saving = False
        self._crashed = False
        self._full = False
        self._reset = -math.inf
        self._silent_since: float | None = None

    # -- what libvirt tells --------------------------------------------------------------------------------

    def on(self, event: Event, state: Callable[[], VMVMState]) -> Iterator[Told]:
        """What an event of this machine comes to.

        Args:
            event: The event.
            state: The machine's state as libvirt tells it by now; asked only where the event does not say.
        """
        if event.kind is Kind.LIFECYCLE and event.at < self.since:
            return
        match event.kind:
            case Kind.LIFECYCLE:
                yield from self._lifecycle(event, state)
            case Kind.REBOOT:
                self._silent_since = None
                if event.at - self._reset >= _ONE_RESET:
                    yield self._told("OnReset", script=VMEventType.vmEvent_VirtualMachineReset)
                    self._reset = event.at
            case Extra.WATCHDOG:
                yield self._no_heartbeat()
            case Extra.AGENT_LIFECYCLE:
                yield from self._agent(event)
            case Extra.IO_ERROR if event.details[-1] == "enospc" and not self._full:
                self._full = True
                error = VMEventType.vmEvent_VirtualMachineHostDiskSpaceError
                yield self._told("OnDiskOutOfSpace", (True,), error)
            case Extra.BLOCK_THRESHOLD:
                warning = VMEventType.vmEvent_VirtualMachineHostDiskSpaceWarning
                yield self._told("OnDiskOutOfSpace", (False,), warning)
            case Link() | Kind() | Extra():
                pass

    def _lifecycle(self, event: Event, state: Callable[[], VMVMState]) -> Iterator[Told]:
        what, detail = event.details[:2]
        if what != libvirt.VIR_DOMAIN_EVENT_UNDEFINED:
            self.name = event.name or self.name
        if what not in (libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED):
            self._silent_since = None  # an agent that is away now has another reason
        match what:
            case libvirt.VIR_DOMAIN_EVENT_STARTED:
                self._saving = self._crashed = self._full = False
                yield from self._comes_to(_RUNNING, of=_STARTING)
                yield from self._starts_script(_STARTED.get(detail))
            case libvirt.VIR_DOMAIN_EVENT_RESUMED:
                self._saving = self._full = False
                yield from self._comes_to(_RUNNING)
            case libvirt.VIR_DOMAIN_EVENT_SUSPENDED | libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED:
                # It may be a step of a save, by another process as well.
                self._saving = self._saving or state() is VMVMState.vmVMState_Saving
                yield from self._saves() if self._saving else self._comes_to(_PAUSED)
            case libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
                # By the host it is the signal that turns its process off, which was nobody's request to the guest.
                if detail != libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST:
                    yield self._told("OnRequestShutdown")
                    yield self._told("OnGuestShutdown")
                yield from self._comes_to(VMVMState.vmVMState_TurningOff)
            case libvirt.VIR_DOMAIN_EVENT_CRASHED if detail == libvirt.VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED:
                yield self._no_heartbeat()
            case libvirt.VIR_DOMAIN_EVENT_CRASHED:
                yield from self._crash()
                yield from self._comes_to(_OFF)
            case libvirt.VIR_DOMAIN_EVENT_STOPPED:
                yield from self._stopped(detail, state)

    def _stopped(self, detail: int, state: Callable[[], VMVMState]) -> Iterator[Told]:
        self._saving = False
        if detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED:
            yield from self._crash()
        elif detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED:
            yield self._no_heartbeat()
        # Into a file of somebody's own it is off; by now it may have been restored already.
        kept = detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED and (
            any(task.state is VMVMState.vmVMState_Saving for task in self._tasks) or state() is not _OFF
        )
        yield from self._comes_to(_SAVED if kept else _OFF, of=_STOPPING)
        script = VMEventType.vmEvent_VirtualMachineStateSaved if kept else _STOPPED.get(detail)
        yield from self._starts_script(script)

    def _agent(self, event: Event) -> Iterator[Told]:
        state, reason = event.details[:2]
        if state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED:
            self._silent_since = None
            yield self._told("OnAdditionsAvailable")
        elif reason == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL and self.state is _RUNNING:
            self._silent_since = event.at

    def _crash(self) -> Iterator[Told]:
        if not self._crashed:
            self._crashed = True
            yield self._told("OnTripleFault", script=VMEventType.vmEvent_VirtualMachineProcessorError)

    def _no_heartbeat(self) -> Told:
        self._silent_since = None
        return self._told("OnHeartbeatStopped", script=VMEventType.vmEvent_VirtualMachineNoHeartbeat)

    # -- what else is known --------------------------------------------------------------------------------

    def is_now(self, state: VMVMState) -> Iterator[Told]:
        """It is in that state: told if it is another one than was told last."""
        if state is not self.state:
            self.state = state
            yield self._told("OnStateChange", (state,))

    def begins(self, state: VMVMState, now: float) -> None:
        """A task of this process is about to put it into that state in between.

        libvirt's events of what was before may still be on their way: it is told a moment later, or as soon as
        libvirt tells what became of it.
        """
        self._tasks.append(_Task(state, now + _MOMENT))

    def ends(self, state: VMVMState, since: float, ask: Callable[[], VMVMState]) -> Iterator[Told]:
        """A task of this process that had put it into that state ended well.

        Of those that start and stop it libvirt tells; of others it does not: its state is asked for, at `since`.
        """
        if state not in (*_STARTING, *_STOPPING):
            yield from self.settles(ask(), since)

    def _comes_to(self, state: VMVMState, of: tuple[VMVMState, ...] = ()) -> Iterator[Told]:
        """libvirt says that it is in that state now, which ends a task that had put it into one `of` those."""
        ended = next((place for place, task in enumerate(self._tasks, 1) if task.state in of), 0)
        for task in self._tasks[:ended]:
            if not task.told:
                yield from self.is_now(task.state)
        del self._tasks[:ended]
        if not (self._tasks and self._tasks[0].told):  # else it is of before that task
            yield from self.is_now(state)

    def _saves(self) -> Iterator[Told]:
        for task in self._tasks:
            if task.state is VMVMState.vmVMState_Saving:
                task.told = True
        yield from self.is_now(VMVMState.vmVMState_Saving)

    def settles(self, state: VMVMState, since: float) -> Iterator[Told]:
        """Its state was asked for, at `since`: after a task that failed, or when events may have been missed."""
        for task in self._tasks:
            if not task.told:
                yield from self.is_now(task.state)
        self._tasks.clear()
        self._saving = False
        self.since = since
        yield from self.is_now(state)

    @property
    def due(self) -> float:
        """When `passes` may have something to tell, on the monotonic clock; infinity for never."""
        waiting = [task.due for task in self._tasks[:1] if not task.told]
        return min((*waiting, math.inf if self._silent_since is None else self._silent_since + HEARTBEAT))

    def passes(self, now: float) -> Iterator[Told]:
        """Time has passed."""
        # Of the first alone: what libvirt says of its end comes before the next one, however late it is.
        for task in self._tasks[:1]:
            if not task.told and task.due <= now:
                task.told = True
                yield from self.is_now(task.state)
        if self._silent_since is not None and self._silent_since + HEARTBEAT <= now:
            self._silent_since = None
            if self.state is _RUNNING:
                yield self._no_heartbeat()

    def has_values(self, values: Mapping[str, Value]) -> Iterator[Told]:
        """These are its configuration values now: what differs is told."""
        before, self.values = self.values or {}, dict(values)
        for key in (*values, *(key for key in before if key not in values)):
            now, then = values.get(key), before.get(key)
            if (now, type(now)) != (then, type(then)):
                yield self._told("OnConfigurationChanged", (key, now))

    def was_configured(self, key: str, value: Value | None, *, kept: bool) -> Iterator[Told]:
        """A value was changed through vpcshim in this process.

        Args:
            key: Its key.
            value: What it is now; None when it was removed.
            kept: Whether it is one of those kept in the definition, of which libvirt tells as well.
        """
        if kept and self.values is not None:
            known = self.values.get(key)
            if (known, type(known)) == (value, type(value)):
                return  # it was told when libvirt told of it
            values = {**self.values, key: value}
            self.values = {known: held for known, held in values.items() if held is not None}
        yield self._told("OnConfigurationChanged", (key, value))

    def has_media(self, media: Mapping[str, Medium], alias: str, *, opened: bool) -> Iterator[Told]:
        """The tray of a drive was opened or closed; this is what is in the drives now."""
        before, self.media = self.media or {}, media
        if opened and alias in before and before[alias].path:
            yield self._told("OnMediaEject", (before[alias].path,), drive=before[alias].target)
        elif not opened and alias in media and media[alias].path:
            yield self._told("OnMediaInsert", (media[alias].path,), drive=media[alias].target)

    def looked(self, media: Mapping[str, Medium]) -> Iterator[Told]:
        """This is what is in its drives: what has changed in those that libvirt sends no events of is told."""
        before = {medium.target: medium.path for medium in (self.media or {}).values() if medium.silent}
        self.media = media
        for medium in media.values():
            then = before.get(medium.target, medium.path)
            if medium.silent and then != medium.path:
                if then:
                    yield self._told("OnMediaEject", (then,), drive=medium.target)
                if medium.path:
                    yield self._told("OnMediaInsert", (medium.path,), drive=medium.target)

    def _starts_script(self, script: VMEventType | None) -> Iterator[Told]:
        if script is not None:
            yield self._told("", script=script)

    def _told(
        self, event: str, args: tuple[Any, ...] = (), script: VMEventType | None = None, drive: str = ""
    ) -> Told:
        return Told(self.uuid, self.name, event, args, script, drive)


# The states in between that libvirt's STARTED and STOPPED end.
_STARTING = (VMVMState.vmVMState_TurningOn, VMVMState.vmVMState_Restoring)
_STOPPING = (VMVMState.vmVMState_Saving, VMVMState.vmVMState_TurningOff)
_STARTED = {
    libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED: VMEventType.vmEvent_VirtualMachineLaunched,
    libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED: VMEventType.vmEvent_VirtualMachineStateRestored,
    libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT: VMEventType.vmEvent_VirtualMachineStateRestored,
}
_STOPPED = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: VMEventType.vmEvent_VirtualMachineTurnedOffByGuest,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: VMEventType.vmEvent_VirtualMachineTurnedOff,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: VMEventType.vmEvent_VirtualMachineTurnedOff,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: VMEventType.vmEvent_VirtualMachineTurnedOff,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: VMEventType.vmEvent_VirtualMachineTurnedOff,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT: VMEventType.vmEvent_VirtualMachineTurnedOff,
}
