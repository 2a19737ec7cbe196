"""Byte counters of NICs and drives, from libvirt's per-device calls.

Sources: virDomainInterfaceStats and virDomainBlockStats (libvirt-domain). A field is -1 where the hypervisor
does not count it: that is "not known" and never enters a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import libvirt

from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic, parse
from vpcshim.hypervisor.errors import (
    AccessDenied,
    ConnectionLost,
    DomainBusy,
    DomainGone,
    DomainOff,
    NotAddressable,
    Unreadable,
    classify,
)


@dataclass(frozen=True, slots=True)
class Counters:
    """Bytes since the device came to be, as the guest sees them; None where libvirt does not count them.

    For a NIC `into` is received and `out` is sent; for a drive `into` is read and `out` is written.
    """

    into: int | None
    out: int | None


class DeviceVanished(NotAddressable):
    """libvirt does not know a device that the XML just named: the XML is to be read again."""


# What says something of the whole domain or connection, not of the one device.
_NOT_THE_DEVICE = (ConnectionLost, AccessDenied, DomainGone, DomainOff, DomainBusy)


def read(domain: libvirt.virDomain, device: Nic | Disk) -> Counters:
    """One device's counters; libvirt already gives them as the guest sees them.

    Raises:
        DeviceVanished: libvirt does not know the device (any more).
        Unreadable: This device has no counters; the message says why.
        libvirt.libvirtError: The domain or the connection is in trouble, not the device.
    """
    return _read_nic(domain, device) if isinstance(device, Nic) else _read_drive(domain, device)


def _read_nic(domain: libvirt.virDomain, nic: Nic) -> Counters:
    if nic.address is None:
        why = "it has no <target dev>, and its MAC address is missing or another NIC has it too"
        raise Unreadable(f"{nic.label} cannot be addressed: {why}")
    try:
        stats = domain.interfaceStats(nic.address)
    except libvirt.libvirtError as error:
        raise _about(nic.label, error) from error
    return Counters(_counted(stats[0]), _counted(stats[4]))


def _read_drive(domain: libvirt.virDomain, disk: Disk) -> Counters:
    if not disk.target:
        raise Unreadable(f"{disk.label} cannot be addressed: it has no <target dev>")
    try:
        stats = domain.blockStats(disk.target)
    except libvirt.libvirtError as error:
        raise _about(disk.label, error) from error
    return Counters(_counted(stats[1]), _counted(stats[3]))


def _counted(value: int) -> int | None:
    return None if value < 0 else int(value)


def _about(label: str, error: libvirt.libvirtError) -> Exception:
    """The error as it concerns one device, or libvirt's own where it concerns more than that."""
    kind = classify(error)
    told: Exception = error
    if issubclass(kind, _NOT_THE_DEVICE):
        return told
    message = f"{label} cannot be read: {error.get_error_message()}"
    wanted = DeviceVanished if issubclass(kind, NotAddressable) else Unreadable
    return wanted(message, code=error.get_error_code(), domain=error.get_error_domain())


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of some devices of a running domain, read together.

    Attributes:
        xml: The live XML that named the devices.
        counters: What each device answered: its counters, or why it has none.
    """

    xml: DomainXml
    counters: tuple[tuple[Nic | Disk, Counters | Unreadable], ...]


XmlReader = Callable[[bool], DomainXml]


def read_all(
    domain: libvirt.virDomain,
    devices_of: Callable[[DomainXml], Iterable[Nic | Disk]],
    xml_of: XmlReader | None = None,
) -> Reading | None:
    """The counters of the devices that `devices_of` picks from the live XML; None when the domain is off.

    A device that is gone by the time it is asked for makes the XML be read once more.

    Args:
        domain: The domain.
        devices_of: Which devices of it.
        xml_of: Where its XML comes from; with True it is to come from libvirt itself.

    Raises:
        libvirt.libvirtError: The domain or the connection is in trouble.
    """
    read_xml = xml_of or (lambda _anew: parse(domain.XMLDesc()))
    try:
        try:
            return _read_once(domain, devices_of(xml := read_xml(False)), xml, last=False)
        except DeviceVanished:
            return _read_once(domain, devices_of(xml := read_xml(True)), xml, last=True)
    except libvirt.libvirtError as error:
        if classify(error) is DomainOff and not domain.isActive():
            return None  # it stopped in between
        raise


def _read_once(
    domain: libvirt.virDomain, devices: Iterable[Nic | Disk], xml: DomainXml, *, last: bool
) -> Reading | None:
    if xml.id is None:
        return None
    counters: list[tuple[Nic | Disk, Counters | Unreadable]] = []
    for device in devices:
        try:
            counters.append((device, read(domain, device)))
        except DeviceVanished as error:
            if not last:
                raise
            counters.append((device, Unreadable(str(error), code=error.code, domain=error.domain)))
        except Unreadable as error:
            counters.append((device, error))
    return Reading(xml, tuple(counters))
