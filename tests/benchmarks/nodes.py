"""Nodes of the test driver with many machines, and what its counters must read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree

import vpcshim
from vpcshim.model.application import VirtualServer
from vpcshim.testing import Machine
from vpcshim.testing.node import write_node

NICS = 4


def write(folder: Path, machines: int) -> str:
    """Make a node of that many running machines; its URI."""
    path = folder / f"node-{machines}.xml"
    write_node(path, [Machine(f"vm{number:05d}", nics=NICS) for number in range(machines)])
    return f"test://{path}"


def application(uri: str, timeout: float = 120.0) -> VirtualServer:
    """A connected application object; opening reads the node's file, which is libvirt's work and not compared.

    That takes the test driver many seconds for 10,000 machines, hence the timeout.
    """
    made = vpcshim.CreateObject("VirtualServer.Application", uri, timeout=timeout)
    with made._server.connection.calls():
        return made


def plain_loop(connection: Any) -> list[int]:
    """What a script without vpcshim does: the sent bytes of every domain, NIC by NIC."""
    sums = []
    for domain in connection.listAllDomains():
        state, _reason = domain.state()
        if state not in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED):
            continue
        root = etree.fromstring(domain.XMLDesc())
        total = 0
        for target in root.iterfind("devices/interface/target"):
            total += domain.interfaceStats(target.get("dev"))[4]
        sums.append(total)
    return sums


class Clock:
    """Two moments around a reading: all that the numbers of the test driver can be held against.

    Its counters are the wall clock: every NIC has sent (microseconds / 20) at the moment it is asked.
    """

    def __enter__(self) -> Clock:
        self._before = time.time_ns() // 1000
        return self

    def __exit__(self, *_: object) -> None:
        self._after = time.time_ns() // 1000

    def wrong(self, what: str, sums: list[int], machines: int) -> list[str]:
        """What is wrong with the sums of `machines` machines that were read in between."""
        if len(sums) != machines:
            return [f"{what}: {len(sums)} machines of {machines}"]
        low, high = NICS * (self._before // 20), NICS * (self._after // 20)
        bad = [one for one in sums if not low <= one <= high]
        return [f"{what}: {bad[0]} is not within {low}..{high} ({len(bad)} such)"] if bad else []
