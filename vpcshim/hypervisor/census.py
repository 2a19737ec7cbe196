"""What libvirt says of the domains at one moment, for whoever follows their events from then on.

Sources: virConnectGetAllDomainStats, virConnectListAllDomains, virDomainGetXMLDesc (libvirt-domain).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import libvirt

from vpcshim.hypervisor import settings, states
from vpcshim.hypervisor.domainxml import parse, parse_element
from vpcshim.hypervisor.errors import DomainGone, Unsupported, classify
from vpcshim.values import Value


class Domain(NamedTuple):
    """One domain: its name, its virDomainState and the reason, and whether it has a managed-save image.

    The latter is only right where the state leaves open what it decides (`states.DomainState`).
    """

    name: str
    state: int
    reason: int
    saved: bool


class Medium(NamedTuple):
    """What is in a drive with removable media.

    Attributes:
        target: The drive's target.
        path: The path of the medium; "" for none.
        silent: Whether libvirt sends no event when it is changed: that of a floppy drive.
    """

    target: str
    path: str
    silent: bool = False


def take(connect: libvirt.virConnect) -> dict[str, Domain]:
    """Every domain by its UUID, in a fixed number of calls where the driver can.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    try:
        stats = connect.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
        told = [(domain, found["state.state"], found.get("state.reason", 0)) for domain, found in stats]
    except (libvirt.libvirtError, KeyError) as error:
        if isinstance(error, libvirt.libvirtError) and classify(error) is not Unsupported:
            raise
        told = [(domain, *domain.state()) for domain in connect.listAllDomains()]
    # After the states: a save that ends in between is of none that was off.
    saved = states.saved_of(connect)
    found = {}
    for domain, state, reason in told:
        if states.may_be_restored(state, reason):
            try:
                found[domain.UUIDString()] = one(domain)  # its restore may have ended in between
            except libvirt.libvirtError as error:
                if classify(error) is not DomainGone:
                    raise
        else:
            uuid = domain.UUIDString()
            found[uuid] = Domain(domain.name(), state, reason, uuid in saved)
    return found


def one(domain: libvirt.virDomain) -> Domain:
    """One domain. Raises as `take`."""
    return Domain(domain.name(), *states.read(domain))


def values(domain: libvirt.virDomain) -> Mapping[str, Value]:
    """The configuration values that are kept in the domain's definition.

    Raises:
        BadXml: Somebody else wrote something else there.
        libvirt.libvirtError: libvirt refused.
    """
    return settings.read(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))).values


def media(domain: libvirt.virDomain) -> dict[str, Medium]:
    """What is in the domain's DVD and floppy drives, by libvirt's alias of the drive (its target while it is off).

    Raises as `values`.
    """
    found = {}
    for disk in parse_element(domain.XMLDesc()).iterfind("devices/disk"):
        target, alias, source = disk.find("target"), disk.find("alias"), disk.find("source")
        device = disk.get("device")
        if device not in ("cdrom", "floppy") or target is None:
            continue
        name = target.get("dev") or ""
        path = "" if source is None else source.get("file") or source.get("dev") or source.get("name") or ""
        key = name if alias is None else alias.get("name") or name
        found[key] = Medium(name, path, silent=device == "floppy")
    return found
