"""The event interfaces of both products: what a handler may be called with, and what never happens here.

Sources: the IVM*Events pages of both references; the VMVirtualMachineEvents, VMVirtualServerEvent and
VMVirtualPCEvent enumerations; libvirt's domain events (libvirt-domain, virDomainEventID).
"""

from __future__ import annotations

from typing import Any

from vpcshim.com.declare import EventSink, event
from vpcshim.com.variant import VT

_NO_LOG_IDS = (
    "the ids are those of the product's own message file in the Windows event log; libvirt's log has no message "
    "ids, and an id of our own would mean another message to every script"
)


class VirtualMachineEvents(
    EventSink,
    interface="IVMVirtualMachineEvents",
    vs="{D413CA60-3086-4657-83EA-99696B60ED78}",
    vpc="{9D84F560-BB67-4961-BD12-A4DA780C67E4}",
):
    """What happens to one machine."""

    @event(vs=1, vpc=1, params=(VT.I4,))
    def OnStateChange(self, virtualMachineState: int) -> None:
        """The machine's VMVMState is another one now; never twice the same in a row.

        Of the states in between, TurningOn and Restoring are those of this process's own tasks; and libvirt tells
        nobody of a saved state that another process discards: the machine is TurnedOff without a word.
        """

    @event(vs=2, vpc=2)
    def OnRequestShutdown(self) -> None:
        """The guest asked the machine's hardware to switch off, as the last act of its shutdown."""

    @event(vs=3, vpc=3)
    def OnReset(self) -> None:
        """The machine was reset, by anybody; once for each reset."""

    @event(vs=4, vpc=4)
    def OnTripleFault(self) -> None:
        """The guest crashed: its panic device told so. (QEMU makes of a triple fault proper a reset.)"""

    @event(vs=5, vpc=5)
    def OnHeartbeatStopped(self) -> None:
        """The guest stopped abruptly.

        Its agent went away and did not come back while the machine went on running, its watchdog fired, it
        crashed into its crash kernel, or the hypervisor's process died.
        """

    @event(vs=6, vpc=6, params=(VT.BSTR, VT.VARIANT))
    def OnConfigurationChanged(self, configKey: str, configData: Any) -> None:
        """A configuration value was changed: its .vmc key and what it is now (Empty: it was removed).

        Of the values that libvirt holds itself, those that are changed through vpcshim in this process; of the
        others, those that any process changes.
        """

    @event(
        vpc=7,
        params=(VT.BOOL,),
        unavailable="enhanced video mode is a remote desktop session into the guest, of which libvirt is not told",
    )
    def OnEnhancedVideoModeChanged(self, enhancedVideoMode: bool) -> None:
        """Unavailable."""

    @event(
        vpc=8,
        unavailable="libvirt tells that the guest's agent is disconnected, which one that was stopped is as well; "
        "that it was uninstalled is known to nobody outside the guest",
    )
    def OnAdditionsUninstalled(self) -> None:
        """Unavailable."""

    @event(vpc=9)
    def OnAdditionsAvailable(self) -> None:
        """The guest's agent (qemu-guest-agent) has connected."""

    @event(vpc=10)
    def OnGuestShutdown(self) -> None:
        """The guest's operating system has shut down."""

    @event(
        vpc=11,
        params=(VT.I4,),
        unavailable="the guest's agent lists the users when it is asked, and has no event for one who leaves, nor "
        "for the way in which that was done",
    )
    def OnGuestLogoff(self, logoffType: int) -> None:
        """Unavailable."""

    @event(vpc=12, params=(VT.BOOL,))
    def OnDiskOutOfSpace(self, criticallyLow: bool) -> None:
        """A disk of the machine has no room on the host.

        criticallyLow is True when a write found none, and False when a drive grew beyond the threshold that
        somebody set for it (virDomainSetBlockThreshold). Once until the machine goes on.
        """


class VirtualServerEvents(
    EventSink, interface="IVMVirtualServerEvents", vs="{DF46B133-F14F-4168-BE23-82971D826A1E}"
):
    """What happens to all machines of a server: each event names the machine."""

    @event(vs=1, params=(VT.I4,), unavailable=_NO_LOG_IDS)
    def OnServiceEvent(self, logMessageID: int) -> None:
        """Unavailable."""

    @event(vs=2, params=(VT.BSTR, VT.I4))
    def OnVMStateChange(self, virtualMachineConfig: str, virtualMachineState: int) -> None:
        """The VMVMState of the machine of that name is another one now; as `OnStateChange`."""

    @event(vs=3, params=(VT.I4,), unavailable=_NO_LOG_IDS)
    def OnEventLogged(self, logMessageID: int) -> None:
        """Unavailable."""

    @event(vs=4, params=(VT.BSTR,))
    def OnHeartbeatStopped(self, virtualMachineConfig: str) -> None:
        """The guest of the machine of that name stopped abruptly; as the machine's own event."""


class VirtualPCEvents(EventSink, interface="IVMVirtualPCEvents", vpc="{EFED1EF1-3C09-41F7-A9C2-7E29FA286C9D}"):
    """What happens to all machines: each event names the machine."""

    @event(vpc=2, params=(VT.BSTR, VT.I4))
    def OnVMStateChange(self, virtualMachineConfig: str, virtualMachineState: int) -> None:
        """The VMVMState of the machine of that name is another one now; as `OnStateChange`."""

    @event(vpc=3, params=(VT.I4,), unavailable=_NO_LOG_IDS)
    def OnEventLogged(self, logMessageID: int) -> None:
        """Unavailable."""


class DVDDriveEvents(
    EventSink,
    interface="IVMDVDDriveEvents",
    vs="{DCFAF56F-3869-46E3-914D-71C0072DD460}",
    vpc="{C2A7D8E9-E76C-4EB8-94F7-71A5122D249B}",
):
    """What happens to the medium of a DVD drive."""

    @event(vs=1, vpc=1, params=(VT.BSTR,))
    def OnMediaInsert(self, mediaPath: str) -> None:
        """A medium is in the drive, and its tray is closed: the path of the image or host drive."""

    @event(vs=2, vpc=2, params=(VT.BSTR,))
    def OnMediaEject(self, mediaPath: str) -> None:
        """The tray with that medium was opened, by the guest or by the host."""


class FloppyDriveEvents(
    EventSink,
    interface="IVMFloppyDriveEvents",
    vs="{DB5ECAF1-AC8B-4B18-9A1E-ED8F550DFC06}",
    vpc="{A9ED3401-4E09-4177-86EC-A13BF9FA7D4E}",
):
    """What happens to the disk in a floppy drive.

    libvirt sends no events of it: while somebody listens, the machine's definition is looked at each second.
    """

    @event(vs=1, vpc=1, params=(VT.BSTR,))
    def OnMediaInsert(self, mediaPath: str) -> None:
        """A disk was put into the drive: the path of the image or host drive."""

    @event(vs=2, vpc=2, params=(VT.BSTR,))
    def OnMediaEject(self, mediaPath: str) -> None:
        """The disk of that path was taken out."""
