"""The byte counters of the drives of all running domains in one call, where the driver has them.

They come from the guests' monitors, so they are never part of a call that brings state or network.

Source: virConnectGetAllDomainStats, VIR_DOMAIN_STATS_BLOCK.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import libvirt

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, DeviceRead, Reading, read_all
from vpcshim.hypervisor.domainxml import Disk, DomainXml
from vpcshim.hypervisor.errors import Unreadable, Unsupported
from vpcshim.hypervisor.monitorstats import MonitorStats

logger = logging.getLogger(__name__)

NAME = "bulk statistics"
# How often, and how long after (seconds), a guest is asked again that was passed by.
_TRIES = 4
_PAUSE = 0.05


class DriveSweeper:
    """The drives of one connection's running domains."""

    def __init__(self, connection: Connection, stats: MonitorStats) -> None:
        self._connection = connection
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
        stats = self._ask(None)
        if stats is None:
            return None
        # Another client may have held a guest's job just then: NOWAIT passes it by as it passes one that hangs.
        for _ in range(_TRIES):
            missing = [
                uuid for uuid, xml in xmls.items() if uuid in stats and xml.drives and not _there(stats[uuid])
            ]
            if not missing:
                break
            time.sleep(_PAUSE)
            stats.update(self._ask(missing) or {})
        # A guest whose monitor hangs is there without its fields; one that is not there has stopped.
        return {uuid: _reading(xml, stats[uuid]) if uuid in stats else None for uuid, xml in xmls.items()}

    def read(self, uuid: str, xml: DomainXml) -> Reading | None:
        """The reading of one running domain, bounded even where its monitor hangs; None when it is off by now.

        Raises:
            HypervisorError: The connection or the domain is in trouble.
        """
        if not xml.drives:
            return Reading(xml, ())
        values: dict[str, Any] | None = {}
        for attempt in range(_TRIES + 1):
            stats = self._ask([uuid]) if self.supported else None
            if stats is None:
                with self._connection.domain(uuid) as domain:
                    return read_all(domain, lambda live: live.drives)
            values = stats.get(uuid)
            if values is None or _there(values):
                break
            if attempt < _TRIES:
                time.sleep(_PAUSE)
        return None if values is None else _reading(xml, values)

    def _ask(self, uuids: list[str] | None) -> dict[str, dict[str, Any]] | None:
        """The statistics by UUID; None where the driver has none."""
        try:
            found = self._stats.read(libvirt.VIR_DOMAIN_STATS_BLOCK, uuids)
        except Unsupported as error:
            logger.debug("no bulk statistics of drives: %s", error)
            self.supported = False
            return None
        return {domain.UUIDString(): values for domain, values in found}


def _there(values: dict[str, Any]) -> bool:
    return any(name.endswith(("rd.bytes", "wr.bytes")) for name in values)


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
