"""What one machine is followed by: libvirt's events in, what a handler or a script is told out.

libvirt tells of transitions, several of them for one thing (two or three REBOOTs for a reset, a pause within a
save); the products tell of states and of things that happen. Nothing here asks libvirt: what has to be asked is
given.

Sources: virDomainEventType and its details (libvirt-domain); the IVMVirtualMachineEvents pages, VMEventType.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import libvirt

from vpcshim.constants import VMEventType, VMVMState
from vpcshim.hypervisor.census import Medium
from vpcshim.hypervisor.events import Event, Extra, Kind, Link
from vpcshim.values import Value

# Within how many seconds REBOOT events are of one reset.
_ONE_RESET = 0.5
# How long an agent may be away from a running machine before its heartbeat counts as stopped (seconds): an agent
# that is restarted is back sooner, and a guest that reboots has been reset by then.
HEARTBEAT = 10.0

_RUNNING, _PAUSED = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused
_OFF, _SAVED = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved
_SAVING, _TURNING_OFF = VMVMState.vmVMState_Saving, VMVMState.vmVMState_TurningOff
_TURNING_ON, _RESTORING = VMVMState.vmVMState_TurningOn, VMVMState.vmVMState_Restoring


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


class _Task(NamedTuple):
    """A task of this process that puts the machine into a state in between, until libvirt tells of its end."""

    id: int
    state: VMVMState


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
        self._known = state  # by libvirt's events alone, whatever our tasks show
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
                # One that was saved while it was paused is paused again: that, or that it resumes, comes next.
                yield from self._comes_to(_RUNNING, of=(_TURNING_ON,))
                yield from self._starts_script(_STARTED.get(detail))
            case libvirt.VIR_DOMAIN_EVENT_RESUMED:
                self._saving = self._full = False
                yield from self._comes_to(_RUNNING, of=(_RESTORING,))
            case libvirt.VIR_DOMAIN_EVENT_SUSPENDED | libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED:
                # It may be a step of a save by another process.
                self._saving = self._saving or (not self._tasks and state() is _SAVING)
                restored = detail == libvirt.VIR_DOMAIN_EVENT_SUSPENDED_RESTORED
                yield from self._comes_to(_SAVING if self._saving else _PAUSED, (_RESTORING,) if restored else ())
            case libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
                # By the host it is the signal that turns its process off, which was nobody's request to the guest.
                if detail != libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST:
                    yield self._told("OnRequestShutdown")
                    yield self._told("OnGuestShutdown")
                yield from self._comes_to(_TURNING_OFF)
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
        saved = detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED
        kept = saved and (any(task.state is _SAVING for task in self._tasks) or state() is not _OFF)
        yield from self._comes_to(_SAVED if kept else _OFF, of=(_SAVING if saved else _TURNING_OFF,))
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

    def begins(self, task: int, state: VMVMState) -> Iterator[Told]:
        """A task of this process is about to put it into that state in between.

        Every event of what was before has been given to `on`. When another task has put it into such a state, the
        end of that comes first.
        """
        self._tasks.append(_Task(task, state))
        yield from self._next_task()

    def ends(self, task: int, ask: Callable[[], VMVMState], *, well: bool) -> Iterator[Told]:
        """That task is over, and every event of what it did has been given to `on`.

        Args:
            task: Its number.
            ask: The machine's state by now, Invalid where nobody answers. It may be that of what was done since, so
                only what no event tells is taken from it.
            well: Whether it ended well.
        """
        ended = next((known for known in self._tasks if known.id == task), None)
        if ended is None:
            return
        self._tasks.remove(ended)
        self._saving = False
        if self._tasks:
            yield from self._next_task()
            return
        off = self._known in (_OFF, _SAVED)
        missed = well and ended.state in ((_TURNING_ON, _RESTORING) if off else (_SAVING, _TURNING_OFF))
        if missed or off:
            now = ask()
            if now in (_OFF, _SAVED) or (missed and now is not VMVMState.vmVMState_Invalid):
                self._known = now
        yield from self.is_now(self._known)

    def lost_its_saved_state(self) -> Iterator[Told]:
        """Its saved state was discarded, of which libvirt tells nobody; earlier events as in `begins`."""
        if self._known is _SAVED:
            yield from self._comes_to(_OFF)

    def _next_task(self) -> Iterator[Told]:
        for task in self._tasks[:1]:
            yield from self.is_now(task.state)

    def _comes_to(self, state: VMVMState, of: tuple[VMVMState, ...] = ()) -> Iterator[Told]:
        """libvirt says that it is in that state now, which ends a task that had put it into one `of` those."""
        self._known = state
        ended = next((place for place, task in enumerate(self._tasks, 1) if task.state in of), 0)
        for _ in range(ended):
            yield from self._next_task()
            del self._tasks[0]
        if not self._tasks or ended:  # else it is a step of what a task does, or will be asked for at its end
            yield from self.is_now(state)
        yield from self._next_task()

    def settles(self, state: VMVMState, since: float) -> Iterator[Told]:
        """Its state was asked for, at `since`, when events may have been missed."""
        self._tasks.clear()
        self._saving = False
        self._known = state
        self.since = since
        yield from self.is_now(state)

    @property
    def due(self) -> float:
        """When `passes` may have something to tell, on the monotonic clock; infinity for never."""
        return math.inf if self._silent_since is None else self._silent_since + HEARTBEAT

    def passes(self, now: float) -> Iterator[Told]:
        """Time has passed."""
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
