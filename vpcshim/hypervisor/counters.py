"""Byte counters of NICs and drives, from libvirt's per-device calls.

Sources: virDomainInterfaceStats and virDomainBlockStats (libvirt-domain). A field is -1 where the hypervisor
does not count it: that is "not known" and never enters a sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import NamedTuple

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


class Counters(NamedTuple):
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


class Offer(NamedTuple):
    """What sources other than the per-device calls have for one device.

    Attributes:
        counters: The counters, None where no such source serves the device.
        source: The name of the source that has them; "" for none.
        declined: Why each source before it does not serve the device.
    """

    counters: Counters | None
    source: str
    declined: tuple[str, ...]


NO_OFFER = Offer(None, "", ())


class DeviceRead(NamedTuple):
    """What one device answered.

    Attributes:
        device: The device.
        got: Its counters, or why it has none.
        source: Which source answered: interfaceStats, blockStats, or an offer's.
        declined: Why the sources that are asked before did not serve it.
    """

    device: Nic | Disk
    got: Counters | Unreadable
    source: str
    declined: tuple[str, ...]


class Reading(NamedTuple):
    """The counters of some devices of a running domain, read together.

    Attributes:
        xml: The live XML that named the devices.
        devices: What each device answered.
        at: When the first of them was asked, on the monotonic clock.
    """

    xml: DomainXml
    devices: tuple[DeviceRead, ...]
    at: float


def offered_reading(xml: DomainXml, offers: Sequence[Offer], at: float) -> Reading | None:
    """The reading that offers alone, had since `at`, make up; None where a device is to be asked for itself."""
    if xml.id is None:
        return None
    found = []
    for nic, offer in zip(xml.nics, offers, strict=True):
        if offer.counters is None:
            return None
        found.append(DeviceRead(nic, offer.counters, offer.source, offer.declined))
    return Reading(xml, tuple(found), at)


# The live XML: with True it is to come from libvirt itself.
XmlReader = Callable[[bool], DomainXml]
# The offers for the devices of an XML, in their order.
Offers = Callable[[DomainXml], Iterable[Offer]]


def read_all(
    domain: libvirt.virDomain,
    devices_of: Callable[[DomainXml], Iterable[Nic | Disk]],
    xml_of: XmlReader | None = None,
    offers_of: Offers | None = None,
    at: float | None = None,
) -> Reading | None:
    """The counters of the devices that `devices_of` picks from the live XML; None when the domain is off.

    A device that is gone by the time it is asked for makes the XML be read once more. `at` is since when there are
    offers, if not since now.

    Raises:
        libvirt.libvirtError: The domain or the connection is in trouble.
    """
    read_xml = xml_of or (lambda _anew: parse(domain.XMLDesc()))
    offered = offers_of or (lambda _xml: ())
    began = time.monotonic() if at is None else at
    for last in (False, True):
        xml = read_xml(last)
        try:
            return _read_once(domain, devices_of(xml), xml, offered(xml), began, last=last)
        except DeviceVanished:
            continue  # never the last time
        except libvirt.libvirtError as error:
            if classify(error) is not DomainOff:
                raise
            if not domain.isActive():
                return None  # it stopped in between
            if read_xml(True).id == xml.id:
                raise  # the same run is on: it is not that
            if last:
                return None  # off when it was asked, again
            # It was off when it was asked and is on again: the new run is read.
    raise AssertionError("the last reading answers or raises")


def _read_once(
    domain: libvirt.virDomain,
    devices: Iterable[Nic | Disk],
    xml: DomainXml,
    offers: Iterable[Offer],
    at: float,
    *,
    last: bool,
) -> Reading | None:
    if xml.id is None:
        return None
    found = []
    for device, offer in zip(devices, chain(offers, repeat(NO_OFFER)), strict=False):
        if offer.counters is not None:
            found.append(DeviceRead(device, offer.counters, offer.source, offer.declined))
            continue
        got: Counters | Unreadable
        try:
            got = read(domain, device)
        except DeviceVanished as error:
            if not last:
                raise
            got = Unreadable(str(error), code=error.code, domain=error.domain)
        except Unreadable as error:
            got = error
        found.append(DeviceRead(device, got, _CALLS[type(device)], offer.declined))
    return Reading(xml, tuple(found), at)


_CALLS: dict[type, str] = {Nic: "interfaceStats", Disk: "blockStats"}
