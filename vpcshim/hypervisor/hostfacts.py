"""What the host is: from libvirt where libvirt tells it, from this machine's own files where it is the host.

libvirt tells nothing of a remote host's operating system, addresses, serial ports or clock: that is Unknowable,
never this machine's own.

Sources: virNodeGetInfo, virNodeGetMemoryStats, virConnectGetCapabilities, virConnectBaselineCPU,
libvirt.org/formatnode.html; proc(5), os-release(5), Documentation/ABI/testing/sysfs-tty of the kernel.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unknowable, Unsupported, classify

_PROC, _SYS, _DEV = Path("/proc"), Path("/sys"), Path("/dev")
_MIB = 1 << 20
_KIB = 1 << 10
# libvirt's names of the vendors, and what their processors answer to CPUID.
_VENDORS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD", "Hygon": "HygonGenuine"}
# Block devices that are no drives of the host.
_NO_DRIVE = ("loop", "ram", "zram", "dm-", "md", "nbd")
# What the kernel's driver of CD drives (sr) takes for the sectors of a medium that it cannot read.
_NO_MEDIUM = 0x1FFFFF


@dataclass(frozen=True, slots=True)
class HostDrive:
    """A drive of the host: its device, what it is (disk, cdrom, floppy), and its size in bytes, 0 while empty."""

    device: str
    kind: str
    size: int


class HostFacts:
    """The host behind a connection.

    Args:
        connect: The connection.
        label: What the host is called in messages.
        local: Whether it is this machine.
    """

    def __init__(self, connect: libvirt.virConnect, label: str, *, local: bool) -> None:
        self._connect = connect
        self._label = label
        self._local = local

    def cpus(self) -> int:
        """How many logical processors are online."""
        return int(self._connect.getInfo()[2])

    def sockets(self) -> int:
        """How many processors are in sockets.

        The node information counts the sockets of each NUMA node, and a socket may have several of these.
        """
        cpus = self._capabilities().iterfind("host/topology/cells/cell/cpus/cpu")
        numbers = {cpu.get("socket_id") for cpu in cpus}
        if numbers and None not in numbers:
            return len(numbers)
        info = self._connect.getInfo()
        return int(info[4]) * int(info[5])

    def mhz(self) -> int:
        """The processors' speed in MHz.

        Raises:
            Unknowable: libvirt does not know it (of ARM hosts, say).
        """
        found = int(self._connect.getInfo()[3])
        if found <= 0:
            raise self._untold("its processors' speed")
        return found

    def memory(self) -> int:
        """The host's memory in MiB (libvirt itself leaves out what was plugged in later)."""
        if self._local:
            return int(self._meminfo("MemTotal")) // _KIB
        return int(self._connect.getInfo()[1])

    def memory_free(self) -> int:
        """How much memory the host can give without swapping, in MiB.

        Raises:
            Unknowable: libvirt does not know it.
        """
        if self._local:
            return int(self._meminfo("MemAvailable")) // _KIB
        try:
            stats = self._connect.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise
            free = int(self._connect.getFreeMemory())
            if free == 0:  # what virNodeGetFreeMemory gives where nothing is known
                raise self._untold("how much memory it has left") from error
            return free // _MIB
        if not {"free", "buffers", "cached"} <= stats.keys():
            raise self._untold("how much memory it has left")
        return sum(int(stats[name]) for name in ("free", "buffers", "cached")) // _KIB

    def vendor(self) -> str:
        """Who made the processors, as CPUID says it (GenuineIntel)."""
        if self._local:
            found = self._cpuinfo().get("vendor_id")
        else:
            name = self._capabilities().findtext("host/cpu/vendor")
            found = None if name is None else _VENDORS.get(name, name)
        if not found:
            raise self._untold("who made its processors")
        return found

    def processor(self) -> str:
        """The processors' name; of a remote host, the model that libvirt takes it for."""
        if self._local:
            found = self._cpuinfo().get("model name")
        else:
            found = self._capabilities().findtext("host/cpu/model")
        if not found:
            raise self._untold("its processors' name")
        return found

    def features(self) -> frozenset[str]:
        """The names of the processors' features, as Linux and libvirt call them (mmx, sse2, ...)."""
        if self._local:
            flags = self._cpuinfo().get("flags") or self._cpuinfo().get("Features")
            if flags:
                return frozenset(flags.split())
        cpu = self._capabilities().find("host/cpu")
        if cpu is None or cpu.find("model") is None:
            raise self._untold("its processors' features")
        text = etree.tostring(cpu, encoding="unicode")
        expanded = self._connect.baselineCPU([text], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES)
        return frozenset(feature.get("name", "") for feature in parse_element(expanded).iterchildren("feature"))

    def operating_system(self) -> str:
        """The name of the operating system."""
        return self._os_release()["PRETTY_NAME"]

    def service_pack(self) -> str:
        """The service pack of the operating system, as the distribution names it (SP5 of SLES); "" for none."""
        found = re.search(r"\bSP ?[0-9]+\b", self._os_release().get("VERSION", ""))
        return found[0] if found else ""

    def kernel(self) -> str:
        """The release of the kernel (6.1.0-18-amd64)."""
        self._need("its operating system")
        return os.uname().release

    def kernel_numbers(self) -> tuple[int, int]:
        """The first two numbers of it."""
        found = re.match(r"(\d+)\.(\d+)", self.kernel())
        if found is None:
            raise Unknowable(f"the kernel's release has no numbers: {self.kernel()}")
        return int(found[1]), int(found[2])

    def drives(self) -> list[HostDrive]:
        """The host's drives, by device."""
        if self._local:
            return sorted(self._own_drives(), key=lambda drive: drive.device)
        found = []
        for device in self._connect.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE):
            storage = parse_element(device.XMLDesc()).find("capability[@type='storage']")
            if storage is None:
                continue
            size = storage.findtext("size") or storage.findtext("capability[@type='removable']/media_size") or "0"
            kind = storage.findtext("drive_type") or "disk"
            found.append(HostDrive(storage.findtext("block") or "", kind, int(size)))
        return sorted(found, key=lambda drive: drive.device)

    def is_mounted(self, device: str) -> bool:
        """Whether the host itself uses that drive: has a file system of it mounted, or swaps to it.

        Of it are its partitions too, and what is made of them: logical volumes, arrays, encrypted volumes. Of ZFS
        the kernel does not tell it.
        """
        self._need("what it has mounted")
        numbers = {line.split()[2] for line in (_PROC / "self/mountinfo").read_text().splitlines()}
        table = _PROC / "swaps"  # of a kernel that can swap
        swaps = {line.split()[0] for line in table.read_text().splitlines()[1:]} if table.exists() else set()
        # btrfs mounts under a number of no device, and says which ones it is on.
        spread = {one.name for one in (_SYS / "fs/btrfs").glob("*/devices/*")}
        parts = {_SYS / "class/block" / _in_sys(device)}
        while parts:
            block = parts.pop()
            if block.name in spread or f"/dev/{_in_dev(block.name)}" in swaps:
                return True
            if (block / "dev").exists() and (block / "dev").read_text().strip() in numbers:
                return True
            parts.update(part for part in block.resolve().glob("*") if (part / "partition").exists())
            parts.update(block.resolve().glob("holders/*"))
        return False

    def serial_ports(self) -> list[str]:
        """The host's serial ports, as COM1, COM2, ...: those of the kernel's that have hardware behind them."""
        self._need("its serial ports")
        found = []
        for port in (_SYS / "class/tty").glob("ttyS*"):
            kind = port / "type"
            if kind.exists() and kind.read_text().strip() != "0":
                found.append(int(port.name.removeprefix("ttyS")) + 1)
        return [f"COM{number}" for number in sorted(found)]

    def parallel_ports(self) -> list[str]:
        """The host's parallel ports, as LPT1, LPT2, ..."""
        self._need("its parallel ports")
        found = sorted(int(port.name.removeprefix("parport")) + 1 for port in _DEV.glob("parport[0-9]*"))
        return [f"LPT{number}" for number in found]

    def _own_drives(self) -> list[HostDrive]:
        found = []
        for block in (_SYS / "block").iterdir():
            device = _DEV / _in_dev(block.name)
            if block.name.startswith(_NO_DRIVE) or not device.exists() or not stat.S_ISBLK(device.stat().st_mode):
                continue
            kind = "cdrom" if block.name.startswith("sr") else "floppy" if block.name.startswith("fd") else "disk"
            sectors = int((block / "size").read_text())
            found.append(
                HostDrive(str(device), kind, 0 if kind == "cdrom" and sectors == _NO_MEDIUM else sectors * 512)
            )
        return found

    def _capabilities(self) -> etree._Element:
        return parse_element(self._connect.getCapabilities())

    def _os_release(self) -> dict[str, str]:
        import platform

        self._need("its operating system")
        try:
            return platform.freedesktop_os_release()
        except OSError as error:
            raise Unknowable(f"this host has no os-release file: {error}") from error

    def _cpuinfo(self) -> dict[str, str]:
        lines = (_PROC / "cpuinfo").read_text().partition("\n\n")[0].splitlines()
        return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def _meminfo(self, name: str) -> str:
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return line.split()[1]
        raise self._untold(name)

    def _need(self, what: str) -> None:
        if not self._local:
            raise self._untold(what)

    def _untold(self, what: str) -> Unknowable:
        return Unknowable(f"libvirt does not tell of {self._label} {what}")


def _in_dev(name: str) -> str:
    """A block device's name below /dev, by that below /sys: cciss/c0d0 is cciss!c0d0 there."""
    return name.replace("!", "/")


def _in_sys(device: str) -> str:
    return device.removeprefix("/dev/").replace("/", "!")
