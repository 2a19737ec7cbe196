"""What a machine of a server may have at least and at most, and where each number comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import Unknowable

if TYPE_CHECKING:
    from vpcshim.hypervisor.hostcaps import MachineKind
    from vpcshim.hypervisor.hostfacts import HostFacts

# libvirt only wants more than nothing; this is both products' documented minimum, in MB.
MINIMUM_MEMORY = 4
# Slots 1..31 of a PCI bus take devices (slot 0 is the bus's own).
PCI_SLOTS = 31
# What Virtual PC gives a machine; AddNetworkAdapter refuses more, as documented.
VIRTUAL_PC_ADAPTERS = 4
# QEMU's ISA ports (MAX_ISA_SERIAL_PORTS, MAX_PARALLEL_PORTS) and libvirt's checks of PC controllers: one floppy
# controller with two drives, one IDE controller with two channels.
_ISA_SERIAL_PORTS = 4
_ISA_PARALLEL_PORTS = 3
_FLOPPY_DRIVES = 2
_IDE_CHANNELS = 2


def host_of(connection: Connection, connect: libvirt.virConnect) -> HostFacts:
    """The host that bounds a machine: the hypervisor's, and of the driver inside this process its made-up one."""
    from vpcshim.hypervisor.hostfacts import HostFacts

    return HostFacts(connect, connection.label, local=connection.is_local and not connection.is_embedded)


def suggested_memory(facts: HostFacts) -> int:
    """What the host has left now, in MB: free, or in caches that it gives back when asked.

    Raises:
        Unknowable: Nobody knows it.
    """
    return max(MINIMUM_MEMORY, min(facts.memory(), facts.memory_free()))


def floppy_drives(connect: libvirt.virConnect) -> int:
    """How many floppy drives."""
    kind = _kind(connect)
    return _FLOPPY_DRIVES if "fdc" in kind.disk_buses and "floppy" in kind.disk_devices else 0


def ide_buses(connect: libvirt.virConnect) -> int:
    """How many IDE channels; none for a machine type without them, as q35."""
    return _IDE_CHANNELS if "ide" in _kind(connect).disk_buses else 0


def serial_ports(connect: libvirt.virConnect) -> int:
    """How many serial ports."""
    _need_pc(_kind(connect), "serial")
    return _ISA_SERIAL_PORTS


def parallel_ports(connect: libvirt.virConnect) -> int:
    """How many parallel ports."""
    _need_pc(_kind(connect), "parallel")
    return _ISA_PARALLEL_PORTS


def _kind(connect: libvirt.virConnect) -> MachineKind:
    from vpcshim.hypervisor.hostcaps import default_machine

    return default_machine(connect)


def _need_pc(kind: MachineKind, port: str) -> None:
    if not kind.is_pc:
        raise Unknowable(
            f"nothing says how many {port} ports a machine of type {kind.machine or 'unknown'} can have"
        )
