"""IVMGuestOS: what runs in the machine, as QEMU's guest agent tells it; with what IVMGuestOS2 adds.

Sources: the IVMGuestOS and IVMGuestOS2 pages of both references; `vpcshim.hypervisor.guestagent`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.variant import VT
from vpcshim.hypervisor import guestagent
from vpcshim.hypervisor.errors import ConnectionLost, DomainGone, classify, translated
from vpcshim.hypervisor.guestagent import Agent
from vpcshim.model.base import MachineObject
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.hresults import runs
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_OFF = (HRESULT.VM_E_VM_NOT_RUNNING,)
_FEATURE = (HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL,)
_ADDITIONS = (HRESULT.VM_E_ADDITIONS_NOT_AVAIL,)
_TOLD = (*_OFF, *_FEATURE)
_PARAMETER = (HRESULT.E_INVALIDARG, *_OFF, HRESULT.VM_E_VM_PAUSED, *_FEATURE)
_PATIENCE = 300.0  # seconds in which a guest shuts down; libvirt itself waits for none
_LOOK = 0.25
_LAST_MOMENT = 5.0  # in which a machine goes off whose agent was lost while it was asked to

_NO_HEARTBEATS = "QEMU's guest agent answers when it is asked and sends no heartbeats: there are none to count"
_NO_PARAMETERS = "they are values of a Windows guest's registry, for which QEMU's guest agent has no command"
_NO_VERSION = (
    "libvirt tells the guest agent's version through virDomainQemuAgentCommand alone, which it does not support "
    "and marks the domain as tainted for"
)
_NO_INSTALLING = "the guest agent comes with the guest's own packages: libvirt has no medium to put into its drive"
_NO_TIME_SYNC = "libvirt sets a guest's clock once, when asked to (virDomainSetTime); no setting keeps it right"
_NOT_IN_WINDOWS_TERMS = "QEMU's guest agent does not tell it of a guest"
_NO_LOGOFF = "QEMU's guest agent can tell who is logged on, and cannot log anybody off"


class GuestOSObject(DeviceObject):
    """What both products' objects have in common."""

    @propget(
        vs=0x60020006,
        vpc=0x60020008,
        vt=VT.I4,
        fails=(*_UNKNOWN, *_OFF, *_ADDITIONS),
        unavailable=_NO_HEARTBEATS,
    )
    def HeartbeatPercentage(self) -> int:
        """Percent of the heartbeats of the last minute that arrived."""
        return 0

    @propget(vs=0x60020007, vpc=0x60020009, vt=VT.BOOL, fails=(*_UNKNOWN, *_OFF, *_ADDITIONS))
    def IsHeartbeating(self) -> bool:
        """Whether the guest agent answers now; VM_E_ADDITIONS_NOT_AVAIL for a machine without a channel for it."""
        with self._running("asked whether its guest is alive") as (domain, name):
            if guestagent.state(domain) is Agent.ABSENT:
                text = f"{name} has no channel {guestagent.CHANNEL}, through which a guest agent would answer"
                raise Failure(HRESULT.VM_E_ADDITIONS_NOT_AVAIL, text)
            return guestagent.state(domain) is Agent.CONNECTED and guestagent.answers(domain)

    @propget(vs=0x60020004, vpc=0x60020006, vt=VT.BOOL, fails=_UNKNOWN, unavailable=_NO_TIME_SYNC)
    def IsHostTimeSyncEnabled(self) -> bool:
        """Whether the guest's clock is kept in step with the host's."""
        return False

    @IsHostTimeSyncEnabled.write
    def _put_IsHostTimeSyncEnabled(self, enabled: bool) -> None:
        """Keep it in step or not."""

    @propget(vs=0x60020008, vpc=0x6002000A, vt=VT.BSTR, fails=_TOLD)
    def OSName(self) -> str:
        """The name of the guest's operating system."""
        return self._tells("pretty-name", "name")

    @propget(
        vs=0x6002001B,
        vpc=0x6002001B,
        vt=VT.BSTR,
        fails=(HRESULT.E_INVALIDARG, *_TOLD),
        vs_fails=(HRESULT.VM_E_VM_PAUSED,),
    )
    def ComputerName(self) -> str:
        """The guest's own name. (Virtual Server's DISPID is not documented: it is Virtual PC's.)"""
        with self._asked() as domain:
            return guestagent.hostname(domain)

    @method(
        vs=0x6002001A,
        vpc=0x6002001A,
        vt=VT.BSTR,
        params=(VT.BSTR,),
        fails=_PARAMETER,
        vpc_fails=(HRESULT.VM_E_TIMED_OUT,),
        unavailable=_NO_PARAMETERS,
    )
    def GetParameter(self, inParameterName: str) -> str:
        """A named value of the guest. (As for the DISPID of ComputerName.)"""
        return ""

    @contextmanager
    def _asked(self) -> Iterator[libvirt.virDomain]:
        """The running machine, for a question to its guest.

        Raises:
            Failure: VM_E_VM_NOT_RUNNING, VM_E_VM_PAUSED, or VM_E_ADDITIONS_FEATURE_NOT_AVAIL without an agent.
        """
        with self._running("asked for what runs in it") as (domain, name):
            if domain.state()[0] in (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED):
                text = f"{name} is paused: its guest answers nothing"
                raise Failure(HRESULT.VM_E_VM_PAUSED, text, otherwise=_FEATURE)
            agent = guestagent.state(domain)
            if agent is not Agent.CONNECTED:
                text = f"QEMU's guest agent is needed, and in {name} {agent.value}"
                raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text)
            try:
                yield domain
            except libvirt.libvirtError as error:
                if guestagent.is_silence(error):
                    text = f"the guest agent of {name}: {error.get_error_message()}"
                    raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text) from error
                raise

    def _info(self) -> dict[str, str]:
        with self._asked() as domain:
            return guestagent.os_info(domain)

    def _tells(self, *names: str) -> str:
        info = self._info()
        found = next((info[name] for name in names if info.get(name)), None)
        if found is None:
            text = f"the guest agent tells no {' or '.join(names)} of its operating system"
            raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text)
        return found

    def _can_shut_down(self) -> bool | None:
        """Whether the guest can be asked to shut down; None when the machine is off."""
        with self._domain() as domain:
            if not runs(domain):
                return None
            return guestagent.state(domain) is Agent.CONNECTED or guestagent.has_power_button(domain)

    def _shut_down(self, flags: int) -> Task:
        with self._running("shut down") as (domain, name):
            _check_askable(domain, by_agent_only=flags != 0)

        def shut_down(_work: Work) -> None:
            refused = None
            with self._running("shut down") as (domain, _):
                run = domain.ID()
                try:
                    domain.shutdownFlags(flags)
                except libvirt.libvirtError as error:
                    if not flags or classify(error) is ConnectionLost:
                        raise
                    refused = error  # or the agent has gone down with its guest before it could answer
            if self._is_over(run, _PATIENCE if refused is None else _LAST_MOMENT):
                return
            if refused is not None:
                raise translated(refused) from refused
            text = f"the guest of {name} was asked to shut down and still runs after {_PATIENCE:.0f} seconds"
            raise Failure(HRESULT.VM_E_TIMED_OUT, f"{text}: TurnOff switches the power off")

        return begin(self, Work(f"Shutting down the guest of {name}", shut_down, uuid=self._uuid))

    def _is_over(self, run: int, seconds: float) -> bool:
        """Whether that run of the machine, by its domain id, is over within so many seconds."""
        until = time.monotonic() + seconds
        while True:
            try:
                with self._domain() as domain:
                    if not runs(domain) or domain.ID() != run:
                        return True
            except DomainGone:
                return True  # a transient one is gone when it is off
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK)


class VirtualServerGuestOS(GuestOSObject, interface="IVMGuestOS", vs="{DA60291B-F1BC-47AF-BB51-A8790962F9D2}"):
    """The guest's operating system, of Virtual Server."""

    @method(
        vs=0x60020000,
        fails=(*_OFF, *_UNKNOWN, HRESULT.VM_E_DRIVE_INVALID, HRESULT.VM_E_MEDIA_UNMOUNT_FAIL),
        unavailable=_NO_INSTALLING,
    )
    def InstallAdditions(self) -> None:
        """Put the additions' medium into the guest's drive."""

    @method(vs=0x60020001, unavailable="the product does not implement it either, as its page says")
    def ExecuteCommand(self) -> None:
        """Run a command in the guest."""

    @method(vs=0x60020002, params=(VT.BSTR, VT.BSTR), fails=_PARAMETER, unavailable=_NO_PARAMETERS)
    def SetParameter(self, inParameterName: str, inParameterValue: str) -> None:
        """Set a named value in the guest."""

    @method(vs=0x60020003, vt=VT.DISPATCH, fails=(*_UNKNOWN, *_OFF, HRESULT.E_ACCESSDENIED, *_FEATURE))
    def Shutdown(self) -> Task:
        """Ask the guest to shut down: through its agent, else with the ACPI power button.

        The task ends when the machine is off, and fails when the guest has not followed within five minutes.
        """
        return self._shut_down(0)

    @propget(vs=0x60020009, vt=VT.BSTR, fails=(*_UNKNOWN, *_ADDITIONS), unavailable=_NO_VERSION)
    def AdditionsVersion(self) -> str:
        """The version of what runs in the guest for the host."""
        return ""

    @propget(vs=0x6002000A, vt=VT.BOOL, fails=(*_UNKNOWN, *_ADDITIONS))
    def CanShutdown(self) -> bool:
        """Whether Shutdown can ask the guest: False when the machine is off."""
        return bool(self._can_shut_down())


class VirtualPCGuestOS(GuestOSObject, interface="IVMGuestOS", vpc="{99FEA0DB-4880-499A-B6D8-73DFF9BC91BE}"):
    """The guest's operating system, of Windows Virtual PC."""

    @method(
        vpc=0x60020000,
        fails=(
            *_OFF,
            *_UNKNOWN,
            HRESULT.VM_E_DRIVE_INVALID,
            HRESULT.VM_E_MEDIA_UNMOUNT_FAIL,
            HRESULT.E_FILE_NOT_FOUND,
        ),
        unavailable=_NO_INSTALLING,
    )
    def InstallIntegrationComponents(self) -> None:
        """Put the integration components' medium into the guest's drive."""

    @method(
        vpc=0x60020001,
        params=(VT.BSTR, VT.BSTR),
        fails=(*_PARAMETER, HRESULT.VM_E_TIMED_OUT),
        unavailable=_NO_PARAMETERS,
    )
    def SetParameter(self, inParameterName: str, inParameterValue: str) -> None:
        """Set a named value in the guest."""

    @method(
        vpc=0x60020002,
        vt=VT.DISPATCH,
        params=(VT.BOOL,),
        fails=(HRESULT.VM_E_TIMED_OUT, *_UNKNOWN, *_OFF, HRESULT.E_ACCESSDENIED, *_FEATURE),
    )
    def Shutdown(self, isForced: bool) -> Task:
        """Ask the guest to shut down; forced, its agent is told, which asks nobody at the screen.

        Otherwise libvirt takes the agent where there is one, else the ACPI power button. The task ends when the
        machine is off, and fails when the guest has not followed within five minutes.
        """
        return self._shut_down(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT if isForced else 0)

    @method(
        vpc=0x60020003,
        vt=VT.DISPATCH,
        params=(VT.BOOL,),
        fails=(HRESULT.VM_E_TIMED_OUT, *_OFF, *_UNKNOWN, *_FEATURE),
    )
    def Restart(self, inForced: bool) -> Task:
        """Ask the guest to restart; the task ends when it was asked. Which way is taken is as for Shutdown."""
        flags = libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT if inForced else 0
        with self._running("restarted") as (domain, name):
            _check_askable(domain, by_agent_only=flags != 0)

        def restart(_work: Work) -> None:
            with self._running("restarted") as (domain, _):
                domain.reboot(flags)

        return begin(self, Work(f"Restarting the guest of {name}", restart, uuid=self._uuid))

    @method(
        vpc=0x60020004,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, HRESULT.VM_E_TIMED_OUT, *_FEATURE, *_OFF, *_UNKNOWN),
        unavailable=_NO_LOGOFF,
    )
    def Logoff(self) -> None:
        """Log everybody off."""

    @method(
        vpc=0x60020005,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_OUTOFMEMORY, *_TOLD),
        unavailable="it hands out a pointer to a structure of C, which no late-bound caller can take: see OSName",
    )
    def GetOsVersionInfo(self) -> None:
        """The version of the guest's operating system, for callers in C."""

    @propget(vpc=0x6002000B, vt=VT.BSTR, fails=(*_UNKNOWN, *_ADDITIONS), unavailable=_NO_VERSION)
    def IntegrationComponentsVersion(self) -> str:
        """The version of what runs in the guest for the host."""
        return ""

    @propget(vpc=0x6002000C, vt=VT.BOOL, fails=_UNKNOWN)
    def CanShutdown(self) -> bool | SFalse:
        """Whether Shutdown can ask the guest; False, with S_FALSE, when the machine is off."""
        can = self._can_shut_down()
        return S_FALSE if can is None else can

    @propget(vpc=0x60020010, vt=VT.BSTR, fails=_TOLD)
    def OSMajorVersion(self) -> str:
        """The first number of the version of the guest's operating system."""
        return self._version()[0]

    @propget(vpc=0x60020011, vt=VT.BSTR, fails=_TOLD)
    def OSMinorVersion(self) -> str:
        """Its second number; VM_E_ADDITIONS_FEATURE_NOT_AVAIL for a version that has none."""
        numbers = self._version()
        if len(numbers) < 2:
            text = f"the guest agent tells the version {numbers[0]}, which has no second number"
            raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text)
        return numbers[1]

    @propget(vpc=0x60020012, vt=VT.BSTR, fails=_TOLD)
    def OSBuildNumber(self) -> str:
        """The build of the guest's kernel: of Windows its build number, elsewhere the kernel's release."""
        return self._tells("kernel-release")

    @propget(vpc=0x60020013, vt=VT.BSTR, fails=_TOLD)
    def OSVersion(self) -> str:
        """The version of the guest's operating system, in words."""
        return self._tells("version", "version-id")

    @propget(vpc=0x60020014, vt=VT.BSTR, fails=_TOLD)
    def OSPlatformId(self) -> str:
        """The platform: "2" for Windows; VM_E_ADDITIONS_FEATURE_NOT_AVAIL for a guest that is none."""
        found = self._tells("id")
        if found != "mswindows":
            text = f"the guest runs {found}, and Windows alone has a platform number"
            raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text)
        return "2"

    @propget(vpc=0x60020015, vt=VT.BSTR, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def CSDVersion(self) -> str:
        """The service pack, in words."""
        return ""

    @propget(vpc=0x60020016, vt=VT.BSTR, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def ServicePackMajor(self) -> str:
        """The service pack's first number."""
        return ""

    @propget(vpc=0x60020017, vt=VT.BSTR, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def ServicePackMinor(self) -> str:
        """The service pack's second number."""
        return ""

    @propget(vpc=0x60020018, vt=VT.BSTR, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def SuiteMask(self) -> str:
        """Which suites of Windows are installed."""
        return ""

    @propget(
        vpc=0x60020019,
        vt=VT.BSTR,
        unavailable="QEMU's guest agent tells a server of Windows from a workstation, not from a domain controller",
    )
    def ProductType(self) -> str:
        """Whether it is a workstation, a server or a domain controller."""
        return ""

    @propget(vpc=0x6002000D, vt=VT.BOOL, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def TerminalServicesInitialized(self) -> bool:
        """Whether terminal services run."""
        return False

    @propget(vpc=0x6002000E, vt=VT.BOOL, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def MultipleUserSessionsAllowed(self) -> bool:
        """Whether several users may be logged on at once."""
        return False

    @propget(vpc=0x6002000F, vt=VT.I4, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def TerminalServerPort(self) -> int:
        """The port of the terminal services."""
        return 0

    @propget(vpc=0x6002001C, vt=VT.BOOL, fails=_TOLD, unavailable=_NOT_IN_WINDOWS_TERMS)
    def ScreenLocked(self) -> bool:
        """Whether the guest's screen is locked."""
        return False

    @method(
        vpc=0x6002001D,
        vt=VT.BOOL,
        params=(VT.I4,),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.E_OUTOFMEMORY,
            HRESULT.VM_E_TIMED_OUT,
            HRESULT.VM_E_VM_PAUSED,
            *_TOLD,
        ),
        unavailable="QEMU's guest agent tells who is logged on, and not in what kind of session (RAIL or RDP)",
    )
    def IsUserLoggedOn(self, inRailSession: int) -> bool:
        """Whether anybody is logged on in a session of that kind."""
        return False

    def _version(self) -> list[str]:
        info = self._info()
        # A Windows guest's version-id is its year or name; the numbers are the kernel's.
        found = info.get("kernel-version" if info.get("id") == "mswindows" else "version-id", "")
        numbers = found.split(".")
        if not numbers[0].isdecimal():
            text = "the guest agent tells no version in numbers of its operating system"
            raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text)
        return numbers


def _check_askable(domain: libvirt.virDomain, *, by_agent_only: bool) -> None:
    """Refuse what would ask nobody.

    Raises:
        Failure: VM_E_ADDITIONS_FEATURE_NOT_AVAIL.
    """
    if guestagent.state(domain) is Agent.CONNECTED:
        return
    if by_agent_only or not guestagent.has_power_button(domain):
        text = f"{domain.name()} has no guest agent that answers"
        more = "" if by_agent_only else ", and no ACPI power button"
        raise Failure(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, text + more)


def guest_os(machine: MachineObject) -> GuestOSObject:
    """The object for the machine's product."""
    kind = VirtualServerGuestOS if machine._product_ in VirtualServerGuestOS._iids_ else VirtualPCGuestOS
    return kind(machine)
