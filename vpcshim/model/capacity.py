"""CPU capacity as the products count it: percent of all of the host's CPUs together.

Virtual Server's machines have one CPU, so its pages bound a machine by 100 / (host CPUs). A libvirt machine may
have several: it is bounded by 100 x vCPUs / (host CPUs), which is the same rule.
"""

from __future__ import annotations

import libvirt

from vpcshim.hypervisor import domainxml, settings
from vpcshim.hypervisor.domainxml import DomainXml

WHOLE = 100.0
# Quotas are whole microseconds of a tenth of a second: more digits than these would be noise.
_DIGITS = 6


def host_cpus(connect: libvirt.virConnect) -> int:
    """The number of CPUs of the host that are online (virNodeGetInfo)."""
    return int(connect.getInfo()[2])


def allowable(vcpus: int, cpus: int) -> float:
    """The most that a machine of so many vCPUs can use of the host, in percent."""
    return min(WHOLE, WHOLE * vcpus / cpus)


def percent_of_limits(ceiling: float | None, whole: float | None, vcpus: int, cpus: int) -> float:
    """The lower of two limits as percent of the host.

    Args:
        ceiling: The limit per vCPU, as the share of one CPU; None for no limit.
        whole: The limit of the whole machine, in CPUs; None for no limit.
        vcpus: The machine's vCPUs.
        cpus: The host's CPUs.
    """
    limits = [whole] if ceiling is None else [ceiling * vcpus, whole]
    percents = [round(WHOLE * limit / cpus, _DIGITS) for limit in limits if limit is not None]
    return min([allowable(vcpus, cpus), *percents])


def ceiling_of_percent(percent: float, vcpus: int, cpus: int) -> float | None:
    """The limit per vCPU for so much of the host; None where it is no limit."""
    if percent >= allowable(vcpus, cpus):
        return None
    return percent * cpus / (WHOLE * vcpus)


def available(connect: libvirt.virConnect, *, without: str | None = None) -> float:
    """What is not reserved by running machines, in percent of the host.

    Args:
        connect: The host.
        without: The UUID of a machine to leave out of the count.
    """
    reserved = 0.0
    for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        xml = xml_of(domain)
        if xml is not None and xml.id is not None and xml.uuid != without:
            reserved += settings.read(xml).reserve
    return max(0.0, WHOLE - reserved)


def xml_of(domain: libvirt.virDomain) -> DomainXml | None:
    """The domain's XML; None when it went away since it was listed."""
    try:
        return domainxml.parse(domain.XMLDesc())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
