"""What a machine of this server may have at most and at least.

Sources: the IVMVirtualServer and IVMVirtualPC pages of the references; virConnectGetDomainCapabilities. Where each
number comes from stands in `vpcshim.model.limits`, where the host's memory does in `vpcshim.hypervisor.hostfacts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.declare import propget
from vpcshim.com.member import Product
from vpcshim.com.variant import VT
from vpcshim.model import buses, limits
from vpcshim.model.base import ModelObject

if TYPE_CHECKING:
    from vpcshim.hypervisor.hostfacts import HostFacts


class Limits(ModelObject):
    """The limits of a machine's memory, drives, adapters and ports.

    Those of devices are of the kind of machine that the hypervisor makes by itself, and of a hypervisor that tells
    its capabilities: libvirt's test driver does not.
    """

    def _memory(self, of: Callable[[HostFacts], int]) -> int:
        connection = self._server.connection
        with connection.calls() as connect:
            return of(limits.host_of(connection, connect))

    def _devices(self, of: Callable[[libvirt.virConnect], int]) -> int:
        # libvirt runs the emulator to see what it can do, and hence wants to be asked by who may write.
        with self._server.connection.calls(write=True) as connect:
            return of(connect)

    @propget(vs=0x6002003B, vpc=0x60020015, vt=VT.I4)
    def MinimumMemoryPerVM(self) -> int:
        """The least memory of a machine, in MB: the products' own minimum, for libvirt has none."""
        return limits.MINIMUM_MEMORY

    @propget(vs=0x6002003C, vpc=0x60020016, vt=VT.I4)
    def MaximumMemoryPerVM(self) -> int:
        """The most memory of a machine, in MB: the host's."""
        from vpcshim.hypervisor.hostfacts import HostFacts

        return self._memory(HostFacts.memory)

    @propget(vs=0x6002003D, vpc=0x60020017, vt=VT.I4)
    def SuggestedMaximumMemoryPerVM(self) -> int:
        """The memory that a machine can be given now without the host running short, in MB: free, or in caches."""
        return self._memory(limits.suggested_memory)

    @propget(vs=0x6002003E, vpc=0x60020018, vt=VT.I4)
    def MaximumFloppyDrivesPerVM(self) -> int:
        """How many floppy drives a machine can have: two on a PC, none where the hypervisor has none."""
        return self._devices(limits.floppy_drives)

    @propget(vs=0x6002003F, vpc=0x60020019, vt=VT.I4)
    def MaximumSerialPortsPerVM(self) -> int:
        """How many serial ports a PC can have under QEMU."""
        return self._devices(limits.serial_ports)

    @propget(vs=0x60020040, vpc=0x6002001A, vt=VT.I4)
    def MaximumParallelPortsPerVM(self) -> int:
        """How many parallel ports a PC can have under QEMU."""
        return self._devices(limits.parallel_ports)

    @propget(vs=0x60020041, vpc=0x6002001B, vt=VT.I4)
    def MaximumNetworkAdaptersPerVM(self) -> int:
        """How many network adapters a machine can have.

        Virtual PC gives it four, and AddNetworkAdapter refuses more. libvirt has no limit of its own: for Virtual
        Server it is the slots of one PCI bus (libvirt adds further buses while there are slots for their bridges).
        """
        return limits.VIRTUAL_PC_ADAPTERS if self._product_ is Product.VIRTUAL_PC else limits.PCI_SLOTS

    @propget(vs=0x60020042, vpc=0x6002001C, vt=VT.I4)
    def MaximumNumberOfIDEBuses(self) -> int:
        """How many IDE channels a machine can have: two on a PC, none where the hypervisor has none."""
        return self._devices(limits.ide_buses)

    @propget(vs=0x60020043, vt=VT.I4)
    def MaximumNumberOfSCSIControllers(self) -> int:
        """How many SCSI controllers a machine can have: four, the bus numbers that Virtual Server has."""
        return buses.SCSI_BUSES
