"""IVMHostInfo: the host that the machines run on.

Sources: the IVMHostInfo pages of both references; `vpcshim.hypervisor.hostfacts` for where each fact comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import hostadapters
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.hostfacts import HostDrive, HostFacts
from vpcshim.model.base import ModelObject

_MIB = 1 << 20
_ARRAY = VT.ARRAY | VT.VARIANT


class HostInfo(
    ModelObject,
    interface="IVMHostInfo",
    vs="{D26FDA0B-8C65-42B6-84D3-B8B0620BF54B}",
    vpc="{5B5CF343-05AD-453B-BE99-ADF4E27B2EBC}",
):
    """The host behind the connection; what libvirt does not tell of a remote one is DISP_E_EXCEPTION."""

    @contextmanager
    def _facts(self) -> Iterator[HostFacts]:
        connection = self._server.connection
        local = hostadapters.here(connection)
        with connection.calls() as connect:
            yield HostFacts(connect, connection.label, local=local)

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.I4)
    def LogicalProcessorCount(self) -> int:
        """How many logical processors are online."""
        with self._facts() as facts:
            return facts.cpus()

    @propget(vs=0x60020001, vpc=0x60020001, vt=VT.I4)
    def PhysicalProcessorCount(self) -> int:
        """How many processors there are, counted by sockets."""
        with self._facts() as facts:
            return facts.sockets()

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.I4)
    def ProcessorSpeed(self) -> int:
        """The processors' speed in MHz."""
        with self._facts() as facts:
            return facts.mhz()

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR)
    def ProcessorSpeedString(self) -> str:
        """The same in words: `2400 MHz`."""
        with self._facts() as facts:
            return f"{facts.mhz()} MHz"

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.BSTR)
    def ProcessorManufacturerString(self) -> str:
        """Who made the processors, as they say themselves: `GenuineIntel`."""
        with self._facts() as facts:
            return facts.vendor()

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.BSTR)
    def ProcessorVersionString(self) -> str:
        """The processors' name."""
        with self._facts() as facts:
            return facts.processor()

    @propget(vs=0x60020006, vpc=0x60020006, vt=VT.BSTR)
    def ProcessorFeaturesString(self) -> str:
        """Those of MMX, SSE, SSE2 and 3DNow! that the processors have, separated by commas."""
        with self._facts() as facts:
            found = facts.features()
        named = (("mmx", "MMX"), ("sse", "SSE"), ("sse2", "SSE2"), ("3dnow", "3DNow!"))
        return ",".join(shown for name, shown in named if name in found)

    def _has(self, feature: str) -> bool:
        with self._facts() as facts:
            return feature in facts.features()

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.BOOL)
    def MMX(self) -> bool:
        """Whether the processors have MMX."""
        return self._has("mmx")

    @propget(vs=0x60020008, vpc=0x60020008, vt=VT.BOOL)
    def SSE(self) -> bool:
        """Whether the processors have SSE."""
        return self._has("sse")

    @propget(vs=0x60020009, vpc=0x60020009, vt=VT.BOOL)
    def SSE2(self) -> bool:
        """Whether the processors have SSE2."""
        return self._has("sse2")

    @propget(vs=0x6002000A, vpc=0x6002000A, vt=VT.BOOL)
    def ThreeDNow(self) -> bool:
        """Whether the processors have 3DNow!."""
        return self._has("3dnow")

    @propget(vs=0x6002000B, vpc=0x6002000B, vt=VT.DECIMAL)
    def Memory(self) -> Decimal:
        """The host's memory in MB (2^20 bytes)."""
        with self._facts() as facts:
            return Decimal(facts.memory())

    @propget(vs=0x6002000C, vpc=0x6002000C, vt=VT.BSTR)
    def MemoryTotalString(self) -> str:
        """The same in words: `16384 MB`."""
        with self._facts() as facts:
            return f"{facts.memory()} MB"

    @propget(vs=0x6002000D, vpc=0x6002000D, vt=VT.DECIMAL)
    def MemoryAvail(self) -> Decimal:
        """How much memory the host can give without swapping, in MB (2^20 bytes)."""
        with self._facts() as facts:
            return Decimal(facts.memory_free())

    @propget(vs=0x6002000E, vpc=0x6002000E, vt=VT.BSTR)
    def MemoryAvailString(self) -> str:
        """The same in words: `2048 MB`."""
        with self._facts() as facts:
            return f"{facts.memory_free()} MB"

    @propget(vs=0x6002000F, vpc=0x6002000F, vt=VT.BSTR)
    def OperatingSystem(self) -> str:
        """The name of the host's operating system (of this machine only)."""
        with self._facts() as facts:
            return facts.operating_system()

    @propget(vs=0x60020010, vpc=0x60020010, vt=VT.BSTR)
    def OSVersionString(self) -> str:
        """The release of the host's kernel (of this machine only)."""
        with self._facts() as facts:
            return facts.kernel()

    @propget(vs=0x60020011, vpc=0x60020011, vt=VT.I4)
    def OSMajorVersion(self) -> int:
        """The first number of the kernel's release (of this machine only)."""
        with self._facts() as facts:
            return facts.kernel_numbers()[0]

    @propget(vs=0x60020012, vpc=0x60020012, vt=VT.I4)
    def OSMinorVersion(self) -> int:
        """The second number of the kernel's release (of this machine only)."""
        with self._facts() as facts:
            return facts.kernel_numbers()[1]

    @propget(vs=0x60020013, vpc=0x60020013, vt=VT.BSTR)
    def OSServicePackString(self) -> str:
        """The service pack of the host's operating system (`SP5` of SLES); "" for none (of this machine only)."""
        with self._facts() as facts:
            return facts.service_pack()

    @propget(vs=0x60020014, vpc=0x60020014, vt=_ARRAY, elements=VT.BSTR)
    def NetworkAdapters(self) -> tuple[str, ...]:
        """The names of the host's network devices, bridges included; IVMVirtualNetwork.HostAdapter takes them."""
        local = hostadapters.here(self._server.connection)
        with self._server.connection.calls() as connect:
            return tuple(hostadapters.names(connect, local=local))

    @propget(vs=0x60020015, vpc=0x60020015, vt=_ARRAY, elements=VT.BSTR)
    def NetworkAddresses(self) -> tuple[str, ...]:
        """The host's IPv4 addresses (of this machine only)."""
        connection = self._server.connection
        if not hostadapters.here(connection):
            raise Unknowable(f"libvirt does not tell of {connection.label} its addresses")
        return tuple(hostadapters.addresses())

    @method(vs=0x60020016, vt=VT.BOOL, params=(VT.BSTR,), fails=(HRESULT.E_INVALIDARG,), reads=True)
    def IsHostDriveMounted(self, hostDriveIdentifier: str) -> bool:
        """Whether the host uses that drive itself (of this machine only); E_INVALIDARG where there is none."""
        with self._facts() as facts:
            return facts.is_mounted(_drive(facts, hostDriveIdentifier).device)

    @method(vs=0x60020017, vt=VT.I4, params=(VT.BSTR,), reads=True)
    def GetHostDriveSize(self, hostDriveIdentifier: str) -> int:
        """The size of that drive in MB (2^20 bytes)."""
        with self._facts() as facts:
            return _drive(facts, hostDriveIdentifier).size // _MIB

    def _drives(self, kind: str) -> tuple[str, ...]:
        with self._facts() as facts:
            return tuple(drive.device for drive in facts.drives() if drive.kind == kind)

    @propget(vs=0x60020018, vt=_ARRAY, elements=VT.BSTR)
    def HostDrives(self) -> tuple[str, ...]:
        """The host's disks, by what identifies them: their devices, as /dev/sda."""
        return self._drives("disk")

    @propget(vs=0x60020019, vpc=0x60020016, vt=_ARRAY, elements=VT.BSTR)
    def DVDDrives(self) -> tuple[str, ...]:
        """The host's CD and DVD drives: their devices, as /dev/sr0."""
        return self._drives("cdrom")

    @propget(vs=0x6002001A, vpc=0x60020017, vt=_ARRAY, elements=VT.BSTR)
    def FloppyDrives(self) -> tuple[str, ...]:
        """The host's floppy drives: their devices, as /dev/fd0."""
        return self._drives("floppy")

    @propget(vs=0x6002001B, vpc=0x60020018, vt=VT.BSTR)
    def SerialPorts(self) -> str:
        """The host's serial ports, separated by semicolons: COM1 is /dev/ttyS0 (of this machine only)."""
        with self._facts() as facts:
            return ";".join(facts.serial_ports())

    @propget(vs=0x6002001C, vpc=0x60020019, vt=VT.BSTR)
    def ParallelPort(self) -> str:
        """The host's parallel port; "" for none. LPT1 is /dev/parport0 (of this machine only)."""
        with self._facts() as facts:
            return next(iter(facts.parallel_ports()), "")

    @propget(vs=0x6002001D, vpc=0x6002001A, vt=VT.DATE)
    def UTCTime(self) -> datetime:
        """The host's clock, in UTC (of this machine, and of a driver inside this process)."""
        connection = self._server.connection
        with connection.calls():
            if not connection.is_local:
                raise Unknowable(f"libvirt does not tell of {connection.label} what its clock says")
        return datetime.now(timezone.utc).replace(tzinfo=None)


def _drive(facts: HostFacts, identifier: str) -> HostDrive:
    found = next((drive for drive in facts.drives() if drive.device == identifier), None)
    if found is None:
        text = f"the host has no drive {identifier!r}: HostDrives, DVDDrives and FloppyDrives list them"
        raise Failure(HRESULT.E_INVALIDARG, text)
    return found
