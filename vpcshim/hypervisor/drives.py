"""The byte counters of the drives of all running domains in one call, where the driver has them.

They come from the guests' monitors, so they are never part of a call that brings state or network.

Source: virConnectGetAllDomainStats, VIR_DOMAIN_STATS_BLOCK.
"""

from __future__ import annotations

import logging
from typing import Any

import libvirt

from vpcshim.hypervisor.counters import Counters, DeviceRead, Reading
from vpcshim.hypervisor.domainxml import Disk, DomainXml
from vpcshim.hypervisor.errors import Unreadable, Unsupported
from vpcshim.hypervisor.monitorstats import MonitorStats

logger = logging.getLogger(__name__)

NAME = "bulk statistics"


class DriveSweeper:
    """The drives of one connection's running domains."""

    def __init__(self, stats: MonitorStats) -> None:
        self._stats = stats
        self.supported = True

    def sweep(self, xmls: dict[str, DomainXml]) -> dict[str, Reading | None] | None:
        """The reading of every domain whose XML is given (None for one that is off by now).

        None for them all where the driver has no bulk statistics of drives.

        Raises:
            HypervisorError: The connection is in trouble.
        """
        if not any(xml.drives for xml in xmls.values()):
            return {uuid: Reading(xml, ()) for uuid, xml in xmls.items()}
        if not self.supported:
            return None
        try:
            found = self._stats.read(libvirt.VIR_DOMAIN_STATS_BLOCK)
        except Unsupported as error:
            logger.debug("no bulk statistics of drives: %s", error)
            self.supported = False
            return None
        stats = {domain.UUIDString(): values for domain, values in found}
        # A guest whose monitor hangs is there without its fields; one that is not there has stopped.
        return {uuid: _reading(xml, stats[uuid]) if uuid in stats else None for uuid, xml in xmls.items()}


def _reading(xml: DomainXml, values: dict[str, Any]) -> Reading:
    found = {}
    for number in range(values.get("block.count", 0)):
        into, out = values.get(f"block.{number}.rd.bytes"), values.get(f"block.{number}.wr.bytes")
        if into is not None or out is not None:
            found[values.get(f"block.{number}.name")] = Counters(into, out)
    return Reading(xml, tuple(_drive(disk, found.get(disk.target)) for disk in xml.drives))


def _drive(disk: Disk, counted: Counters | None) -> DeviceRead:
    if counted is None:
        why = "libvirt has no counters of it (is the guest's monitor hung or busy?)"
        return DeviceRead(disk, Unreadable(f"{disk.label} cannot be read: {why}"), NAME, ())
    return DeviceRead(disk, counted, NAME, ())
