"""What kind of machine the hypervisor at hand can run: the PC that comes closest to the products' own.

Sources: virConnectGetCapabilities, virConnectGetDomainCapabilities, libvirt.org/formatdomaincaps.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unsupported, classify

# The products' machines are PCs. The arch of the host comes after these, then whatever there is.
_ARCHES = ("x86_64", "i686")
# Hardware-assisted, where libvirt offers it: it does so only where the host can use it. Then emulated.
_TYPES = ("kvm", "qemu")
# Like the products' chipset (i440BX) it has IDE, PCI and a floppy controller; an alias of its newest version.
_MACHINE = "pc"
# A driver that does not tell takes any of them, as the test driver does.
_UNTOLD = frozenset(("ide", "scsi", "fdc", "virtio", "sata"))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a new domain is made as.

    Attributes:
        type: The domain's type: kvm, qemu, test, ...
        arch: The guest's architecture, as x86_64.
        machine: The machine type; None for the hypervisor's default.
        buses: The buses that drives may be on: ide, scsi, fdc, sata, virtio, ...
        graphics: The kinds of graphics that the hypervisor has; empty where it does not tell.
        privileged: Whether the daemon may make taps.
    """

    type: str
    arch: str
    machine: str | None
    buses: frozenset[str]
    graphics: frozenset[str]
    privileged: bool

    @property
    def is_pc(self) -> bool:
        """Whether it has a PC's firmware tables (ACPI, APIC, SMBIOS)."""
        return self.arch in _ARCHES

    @property
    def ide_bus(self) -> str:
        """The bus for what the products have on IDE."""
        return next((bus for bus in ("ide", "sata", "scsi", "virtio") if bus in self.buses), "virtio")


def shape(connect: libvirt.virConnect) -> Shape:
    """The shape of a machine for this hypervisor.

    Raises:
        Unsupported: It runs no full virtual machines (containers alone, say).
        BadXml: Its capabilities are not XML.
        libvirt.libvirtError: libvirt refused.
    """
    capabilities = parse_element(connect.getCapabilities())
    arches = {
        element.get("name", ""): element
        for guest in reversed(capabilities.findall("guest"))
        if guest.findtext("os_type") == "hvm"
        for element in guest.iterchildren("arch")
    }
    wanted = (*_ARCHES, capabilities.findtext("host/cpu/arch") or "", *arches)
    arch = next((name for name in wanted if name in arches), None)
    if arch is None:
        raise Unsupported("this hypervisor runs no fully virtual machines (its capabilities list no guest hvm)")
    types = [element.get("type", "") for element in arches[arch].iterchildren("domain")]
    kind = next((name for name in (*_TYPES, *types) if name in types), None)
    if kind is None:
        raise Unsupported(f"the hypervisor's capabilities name no type of domain for {arch}")
    machine = _MACHINE if _MACHINE in _machines(arches[arch], kind) else None
    buses, graphics = _devices(connect, arch, machine, kind)
    privileged = not str(connect.getURI()).endswith("/session")
    return Shape(kind, arch, machine, buses, graphics, privileged)


def _machines(arch: etree._Element, kind: str) -> set[str]:
    own = [domain for domain in arch.iterchildren("domain") if domain.get("type") == kind]
    return {machine.text or "" for element in (arch, *own) for machine in element.iterchildren("machine")}


def _devices(
    connect: libvirt.virConnect, arch: str, machine: str | None, kind: str
) -> tuple[frozenset[str], frozenset[str]]:
    try:
        told = parse_element(connect.getDomainCapabilities(None, arch, machine, kind, 0))
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return _UNTOLD, frozenset()
        raise
    return _values(told, "devices/disk", "bus"), _values(told, "devices/graphics", "type")


def _values(told: etree._Element, device: str, name: str) -> frozenset[str]:
    element = told.find(device)
    if element is None or element.get("supported") != "yes":
        return frozenset()
    return frozenset(
        value.text or ""
        for enum in element.iterchildren("enum")
        if enum.get("name") == name
        for value in enum.iterchildren("value")
    )
