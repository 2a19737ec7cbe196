"""What the hypervisor can give a machine of the kind it makes by itself, from its domain capabilities.

Source: libvirt.org/formatdomaincaps.html, virConnectGetDomainCapabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element

_X86 = ("i686", "x86_64")


@dataclass(frozen=True, slots=True)
class MachineKind:
    """The machine that is made where the definition names none.

    Attributes:
        machine: Its machine type, as `pc-i440fx-7.2`; "" where the hypervisor has no such types.
        is_pc: Whether it is a PC: one with ISA ports, emulated by QEMU.
        disk_buses: The buses that a drive may be on: ide, fdc, scsi, ...
        disk_devices: What a drive may be: disk, cdrom, floppy, lun.
    """

    machine: str
    is_pc: bool
    disk_buses: frozenset[str]
    disk_devices: frozenset[str]


def default_machine(connect: libvirt.virConnect) -> MachineKind:
    """The kind of machine that the hypervisor makes by itself.

    Raises:
        libvirt.libvirtError: The driver does not tell (the test driver), or refused.
    """
    root = parse_element(connect.getDomainCapabilities(None, None, None, None))
    return MachineKind(
        machine=root.findtext("machine", ""),
        is_pc=root.findtext("domain", "") in ("qemu", "kvm") and root.findtext("arch", "") in _X86,
        disk_buses=_values(root, "bus"),
        disk_devices=_values(root, "diskDevice"),
    )


def _values(root: etree._Element, name: str) -> frozenset[str]:
    found = root.iterfind(f"devices/disk[@supported='yes']/enum[@name='{name}']/value")
    return frozenset(value.text or "" for value in found)
