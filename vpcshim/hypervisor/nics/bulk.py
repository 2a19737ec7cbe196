"""NIC counters and states of all domains in one call, where the driver has them.

The test driver leaves the NIC fields out without an error, so support is probed with ENFORCE_STATS and a missing
`net.count` means that nothing is known, not that there are no NICs. STATE and INTERFACE need no monitor job.

Source: virConnectGetAllDomainStats.
"""

from __future__ import annotations

from typing import Any

import libvirt

from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.errors import NotAddressable, Unsupported, classify

NAME = "bulk statistics"

Stats = list[tuple[libvirt.virDomain, dict[str, Any]]]


class BulkStats:
    """Whether and how the driver of one connection gives bulk NIC counters."""

    def __init__(self) -> None:
        self._refusal: str | None = None

    def read(self, connect: libvirt.virConnect, *, with_nics: bool) -> tuple[Stats, str | None]:
        """The statistics of all domains with their NICs, and None; or their states alone, and why.

        Raises:
            libvirt.libvirtError: libvirt refused even the states.
        """
        if not with_nics:
            return connect.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0), f"{NAME}: not asked for"
        if self._refusal is None:
            wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_INTERFACE
            try:
                flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS
                return connect.getAllDomainStats(wanted, flags), None
            except libvirt.libvirtError as error:
                if not issubclass(classify(error), (Unsupported, NotAddressable)):
                    raise
                self._refusal = f"{NAME}: {error.get_error_message()}"
        return connect.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0), self._refusal


def nics_of(values: dict[str, Any]) -> dict[str, Counters]:
    """The counters of one domain's NICs by host device, of those that the driver could read."""
    found = {}
    for number in range(values.get("net.count", 0)):
        name = values.get(f"net.{number}.name")
        into, out = values.get(f"net.{number}.rx.bytes"), values.get(f"net.{number}.tx.bytes")
        if name is not None and into is not None and out is not None:
            found[name] = Counters(into, out)
    return found
