"""The ways to look at a whole host: each gives the state and the NIC counters of every guest."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree

import vpcshim
from tests.harness import needs
from vpcshim import HRESULT
from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import Nic
from vpcshim.hypervisor.nics import bulk, hostlinks
from vpcshim.model.application import VirtualServer
from vpcshim.model.sweep import Account, sweep_all

COLUMNS = ("NetworkBytesSent", "NetworkBytesReceived")
STATE = libvirt.VIR_DOMAIN_STATS_STATE
INTERFACE = libvirt.VIR_DOMAIN_STATS_INTERFACE
SOURCES: dict[str, frozenset[str]] = {
    hostlinks.NAME: frozenset({hostlinks.NAME}),
    bulk.NAME: frozenset({bulk.NAME}),
    "interfaceStats": frozenset(),
}

#: (received, sent) as the guest sees it, of every (guest, host device).
Numbers = dict[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True)
class Look:
    """A way to look.

    Attributes:
        take: One look; this is what is timed.
        numbers: What it saw; None for a look that gives no numbers.
    """

    take: Callable[[], Any]
    numbers: Callable[[Any], Numbers] | None


def plain_loop(connection: Any) -> Numbers:
    """What a script without vpcshim does."""
    found: Numbers = {}
    for domain in connection.listAllDomains():
        state, _reason = domain.state()
        if state not in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED):
            continue
        root = etree.fromstring(domain.XMLDesc())
        for target in root.iterfind("devices/interface/target"):
            device = target.get("dev") or ""
            stats = domain.interfaceStats(device)
            found[domain.name(), device] = (stats[0], stats[4])
    return found


def bulk_numbers(stats: list[tuple[Any, dict[str, Any]]]) -> Numbers:
    """What getAllDomainStats says."""
    return {
        (domain.name(), values[f"net.{number}.name"]): (
            values[f"net.{number}.rx.bytes"],
            values[f"net.{number}.tx.bytes"],
        )
        for domain, values in stats
        for number in range(values["net.count"])
    }


def virsh_command(uri: str) -> list[str]:
    """virsh's own report of the same."""
    virsh = needs.program("virsh", "libvirt-clients")
    return [virsh, "-c", uri, "domstats", "--state", "--interface"]


_VIRSH_DOMAIN = re.compile(r"^Domain: '(.*)'$")


def virsh_numbers(text: str) -> Numbers:
    """What virsh printed."""
    found: Numbers = {}
    name = device = ""
    received = 0
    for line in text.splitlines():
        key, _, value = line.strip().partition("=")
        if match := _VIRSH_DOMAIN.match(line):
            name = match[1]
        elif key.startswith("net.") and key.endswith(".name"):
            device = value
        elif key.endswith(".rx.bytes"):
            received = int(value)
        elif key.endswith(".tx.bytes"):
            found[name, device] = (received, int(value))
    return found


def output_of(command: list[str]) -> str:
    """Run a program as a whole process."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def application(uri: str, source: str, timeout: float) -> VirtualServer:
    """An application object whose sweeps use one source (beside interfaceStats for what it does not serve).

    Application objects share a connection per URI and timeout: another timeout makes another one. Its sampler of
    CPU time is stopped: once a second it would ask every guest's monitor, in the middle of somebody else's turn.
    """
    made = vpcshim.CreateObject("VirtualServer.Application", uri, timeout=timeout)
    made._server.nics.sources = SOURCES[source]
    made._server.cpu._stop.put(None)
    return made


def sweep(made: VirtualServer) -> list[Account]:
    """vpcshim's look."""
    return sweep_all(made, COLUMNS)


def sweep_numbers(accounts: list[Account]) -> Numbers:
    """What vpcshim saw; the columns are checked to be the sums of the NICs."""
    found: Numbers = {}
    for account in accounts:
        if account.nics is None:
            continue
        into = out = 0
        for one in account.nics.devices:
            if not (isinstance(one.got, Counters) and isinstance(one.device, Nic)):
                raise AssertionError(f"{account.name}: {one.device.label} could not be read: {one.got}")
            received, sent = one.got.into, one.got.out
            if received is None or sent is None:
                raise AssertionError(f"{account.name}: {one.device.label} is not counted")
            found[account.name, one.device.target or ""] = (received, sent)
            into, out = into + received, out + sent
        sums = [account.values[column] for column in COLUMNS]
        if [value.code for value in sums] != [HRESULT.S_OK] * 2 or [value.value for value in sums] != [out, into]:
            raise AssertionError(f"{account.name}: {sums} are not the sums {out}, {into}")
    return found


def sources_of(accounts: list[Account]) -> set[str]:
    """Which sources served the NICs of a sweep."""
    return {one.source for account in accounts if account.nics for one in account.nics.devices}


def read_links() -> bytes:
    """The kernel's own counters, as they are printed."""
    return Path("/proc/net/dev").read_bytes()


def link_numbers(text: bytes, owners: Mapping[bytes, tuple[str, str]]) -> Numbers:
    """The lines of the guests' taps; what the host receives from a tap its guest has sent."""
    found: Numbers = {}
    for line in text.splitlines():
        name, _, rest = line.partition(b":")
        owner = owners.get(name.strip())
        if owner is not None:
            fields = rest.split()
            found[owner] = (int(fields[8]), int(fields[0]))
    return found
