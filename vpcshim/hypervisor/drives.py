"""The byte counters of the drives of all running domains in one call, where the driver has them.

They come from the guests' monitors, so they are never part of a call that brings state or network.

Source: virConnectGetAllDomainStats, VIR_DOMAIN_STATS_BLOCK.
"""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

import libvirt

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, DeviceRead, Reading, read_all
from vpcshim.hypervisor.domainxml import Disk, DomainXml, parse
from vpcshim.hypervisor.errors import HypervisorError, Unreadable, Unsupported
from vpcshim.hypervisor.monitorstats import MonitorStats
from vpcshim.hypervisor.sweep import guarded

logger = logging.getLogger(__name__)

NAME = "bulk statistics"
# How often, and how long after (seconds), a guest is asked again that was passed by.
_TRIES = 4
_PAUSE = 0.05


class _Found(NamedTuple):
    """The statistics of one domain.

    Attributes:
        run: Which run of the domain they are of: its domain id, None when it was off.
        values: The statistics.
        at: When they were asked for, on the monotonic clock.
    """

    run: int | None
    values: dict[str, Any]
    at: float


class DriveSweeper:
    """The drives of one connection's running domains."""

    def __init__(self, connection: Connection, stats: MonitorStats) -> None:
        self._connection = connection
        self._stats = stats
        self.supported = True

    def sweep(self, xmls: dict[str, DomainXml]) -> dict[str, Reading | HypervisorError | None] | None:
        """The reading of every domain whose XML is given, or what is wrong with it; None for one that is off now.

        None for them all where the driver has no bulk statistics of drives.

        Raises:
            HypervisorError: The connection is in trouble.
        """
        if not any(xml.drives for xml in xmls.values()):
            return {uuid: Reading(xml, (), time.monotonic()) for uuid, xml in xmls.items()}
        if not self.supported:
            return None
        stats = self._ask(None)
        if stats is None:
            return None
        # Another client may have held a guest's job just then: NOWAIT passes it by as it passes one that hangs.
        for _ in range(_TRIES):
            missing = [
                uuid
                for uuid, xml in xmls.items()
                if xml.drives and (one := stats.get(uuid)) and one.run == xml.id and not _there(one.values)
            ]
            if not missing:
                break
            time.sleep(_PAUSE)
            stats.update(self._ask(missing) or {})
        # A guest whose monitor hangs is there without its fields; one that is not there has stopped.
        return {
            uuid: guarded(lambda: self._of_run(uuid, xml, stats[uuid])) if uuid in stats else None  # noqa: B023
            for uuid, xml in xmls.items()
        }

    def read(self, uuid: str, xml: DomainXml) -> Reading | None:
        """The reading of one running domain, bounded even where its monitor hangs; None when it is off by now.

        Raises:
            HypervisorError: The connection or the domain is in trouble.
        """
        if not xml.drives:
            return Reading(xml, (), time.monotonic())
        found = None
        for attempt in range(_TRIES + 1):
            stats = self._ask([uuid]) if self.supported else None
            if stats is None:
                with self._connection.domain(uuid) as domain:
                    return read_all(domain, lambda live: live.drives)
            found = stats.get(uuid)
            if found is None or found.run != xml.id or _there(found.values):
                break
            if attempt < _TRIES:
                time.sleep(_PAUSE)
        return None if found is None else self._of_run(uuid, xml, found)

    def _of_run(self, uuid: str, xml: DomainXml, found: _Found) -> Reading | None:
        """The reading, where the drives of that XML are those that were counted; None when the domain is off.

        A monitor that hangs is waited for, and a domain may well be turned off and on again meanwhile.
        """
        if found.run == xml.id:
            return _reading(xml, found)
        if found.run is None:
            return None
        with self._connection.domain(uuid) as domain:
            now = parse(domain.XMLDesc())
        return None if now.id is None else self.read(uuid, now)

    def _ask(self, uuids: list[str] | None) -> dict[str, _Found] | None:
        """The statistics by UUID; None where the driver has none."""
        at = time.monotonic()
        try:
            found = self._stats.read(libvirt.VIR_DOMAIN_STATS_BLOCK, uuids)
        except Unsupported as error:
            logger.debug("no bulk statistics of drives: %s", error)
            self.supported = False
            return None
        # The handle is one that was made with the statistics.
        return {
            domain.UUIDString(): _Found(number if (number := domain.ID()) >= 0 else None, values, at)
            for domain, values in found
        }


def _there(values: dict[str, Any]) -> bool:
    return any(name.endswith(("rd.bytes", "wr.bytes")) for name in values)


def _reading(xml: DomainXml, of: _Found) -> Reading:
    found, values = {}, of.values
    for number in range(values.get("block.count", 0)):
        into, out = values.get(f"block.{number}.rd.bytes"), values.get(f"block.{number}.wr.bytes")
        if into is not None or out is not None:
            found[values.get(f"block.{number}.name")] = Counters(into, out)
    return Reading(xml, tuple(_drive(disk, found.get(disk.target)) for disk in xml.drives), of.at)


def _drive(disk: Disk, counted: Counters | None) -> DeviceRead:
    if counted is None:
        why = "libvirt has no counters of it (is the guest's monitor hung or busy?)"
        return DeviceRead(disk, Unreadable(f"{disk.label} cannot be read: {why}"), NAME, ())
    return DeviceRead(disk, counted, NAME, ())
