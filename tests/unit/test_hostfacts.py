"""What the host is: of this machine from made-up trees of /proc and /sys, of another from what libvirt tells.

The connection is a stand-in: a second host is what none of the other kinds of test has.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import libvirt_error
from vpcshim.hypervisor import hostfacts
from vpcshim.hypervisor.errors import BadXml, Unknowable
from vpcshim.hypervisor.hostfacts import HostDrive, HostFacts

_CAPABILITIES = """<capabilities><host><cpu><arch>x86_64</arch><model>Haswell</model><vendor>Intel</vendor>
<feature name='vmx'/></cpu></host></capabilities>"""
_STORAGE = """<device><name>block_{name}</name><capability type='storage'><block>/dev/{name}</block>
<drive_type>{kind}</drive_type>{size}</capability></device>"""


class Node:
    def __init__(self, xml: str) -> None:
        self._xml = xml

    def XMLDesc(self, _flags: int = 0) -> str:
        return self._xml


class Connect:
    """A connection to another host."""

    capabilities = _CAPABILITIES
    info = ("x86_64", 2048, 8, 2400, 2, 1, 4, 1)

    def getInfo(self) -> tuple[Any, ...]:
        return self.info

    def getCapabilities(self) -> str:
        return self.capabilities

    def getMemoryStats(self, cell: int, _flags: int) -> dict[str, int]:
        assert cell == libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS
        return {"total": 2 << 20, "free": 1 << 20, "buffers": 1024, "cached": 2048}

    def baselineCPU(self, cpus: list[str], flags: int) -> str:
        assert flags == libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        assert "<model>Haswell</model>" in cpus[0]
        return "<cpu><model>Haswell</model><feature policy='require' name='sse2'/><feature name='vmx'/></cpu>"

    def listAllDevices(self, _kind: int) -> list[Node]:
        return [
            Node(_STORAGE.format(name="sr0", kind="cdrom", size="<capability type='removable'/>")),
            Node(_STORAGE.format(name="sda", kind="disk", size="<size>1073741824</size>")),
            Node("<device><name>odd</name></device>"),
        ]


def remote(**changes: Any) -> HostFacts:
    connect: Any = Connect()
    for name, value in changes.items():
        setattr(connect, name, value)
    return HostFacts(connect, "qemu+ssh://far/system", local=False)


def test_what_libvirt_tells_of_another_host() -> None:
    far = remote()
    assert (far.cpus(), far.sockets(), far.mhz(), far.memory()) == (8, 2, 2400, 2048)
    assert far.memory_free() == 1024 + 3
    assert (far.vendor(), far.processor()) == ("GenuineIntel", "Haswell")
    assert far.features() == {"sse2", "vmx"}
    assert far.drives() == [HostDrive("/dev/sda", "disk", 1 << 30), HostDrive("/dev/sr0", "cdrom", 0)]


@pytest.mark.parametrize("name", ["operating_system", "kernel", "kernel_numbers", "serial_ports", "parallel_ports"])
def test_what_it_does_not_tell_is_not_made_up(name: str) -> None:
    with pytest.raises(Unknowable, match="qemu\\+ssh://far/system"):
        getattr(remote(), name)()


def test_a_host_that_says_little() -> None:
    bare = remote(capabilities="<capabilities><host/></capabilities>", info=("armv7l", 512, 1, 0, 1, 1, 1, 1))
    for name in ("mhz", "vendor", "processor", "features"):
        with pytest.raises(Unknowable):
            getattr(bare, name)()
    with pytest.raises(BadXml):
        remote(capabilities="<capabilities>").vendor()


def test_a_socket_with_several_numa_nodes_is_one() -> None:
    cells = "".join(f"<cell id='{node}'><cpus><cpu socket_id='{node // 2}'/></cpus></cell>" for node in range(4))
    told = f"<capabilities><host><topology><cells>{cells}<cell id='4'/></cells></topology></host></capabilities>"
    assert remote(capabilities=told, info=("x86_64", 2048, 8, 2400, 4, 1, 2, 1)).sockets() == 2
    untold = told.replace("socket_id='1'", "")
    assert remote(capabilities=untold, info=("x86_64", 2048, 8, 2400, 4, 1, 2, 1)).sockets() == 4


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HostFacts:
    """This machine, with a tree of its own."""
    for name in ("proc", "sys", "dev"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(hostfacts, f"_{name.upper()}", tmp_path / name)
    connect: Any = Connect()
    return HostFacts(connect, "here", local=True)


def test_ports_are_those_with_hardware(here: HostFacts, tmp_path: Path) -> None:
    for number, kind in ((0, "4"), (1, "0"), (10, "4"), (2, "13")):
        port = tmp_path / "sys" / "class" / "tty" / f"ttyS{number}"
        port.mkdir(parents=True)
        (port / "type").write_text(f"{kind}\n")
    (tmp_path / "sys" / "class" / "tty" / "ttyS3").mkdir()
    assert here.serial_ports() == ["COM1", "COM3", "COM11"]
    assert here.parallel_ports() == []
    (tmp_path / "dev" / "parport0").touch()
    assert here.parallel_ports() == ["LPT1"]


def test_the_processor_and_the_memory(here: HostFacts, tmp_path: Path) -> None:
    cpu = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD: EPYC\nflags\t\t: fpu mmx sse\n"
    (tmp_path / "proc" / "cpuinfo").write_text(f"{cpu}\n{cpu.replace('AMD: EPYC', 'another')}")
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:  4194304 kB\nMemAvailable:    2097152 kB\n")
    assert (here.vendor(), here.processor()) == ("AuthenticAMD", "AMD: EPYC")
    assert here.features() == {"fpu", "mmx", "sse"}
    assert (here.memory(), here.memory_free()) == (4096, 2048)


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """Drives: sda with two partitions, the second one the place of a logical volume; sdb; cciss/c0d0."""
    blocks = tmp_path / "sys" / "class" / "block"
    numbers = {
        "sda": "8:0",
        "sda/sda1": "8:1",
        "sda/sda2": "8:2",
        "sdb": "8:16",
        "dm-0": "254:0",
        "cciss!c0d0": "104:0",
    }
    for name, number in numbers.items():
        (blocks / name).mkdir(parents=True)
        (blocks / name / "dev").write_text(f"{number}\n")
    for part in ("sda1", "sda2"):
        (blocks / "sda" / part / "partition").write_text("1\n")
    (blocks / "sda" / "sda2" / "holders").mkdir()
    (blocks / "sda" / "sda2" / "holders" / "dm-0").symlink_to(blocks / "dm-0")
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "proc" / "self" / "mountinfo").write_text("22 1 0:5 / /dev rw - devtmpfs udev rw\n")
    return blocks


@pytest.mark.parametrize(
    ("mounted", "used"),
    [
        ("", ""),
        ("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "/dev/sda"),
        ("23 1 254:0 / /srv rw - xfs /dev/mapper/vg-srv rw\n", "/dev/sda"),
        ("23 1 8:16 / /data rw - ext4 /dev/sdb rw\n", "/dev/sdb"),
        ("23 1 104:0 / /data rw - ext4 /dev/cciss/c0d0 rw\n", "/dev/cciss/c0d0"),
    ],
)
def test_a_drive_is_in_use_when_something_of_it_is_mounted(
    here: HostFacts, blocks: Path, tmp_path: Path, mounted: str, used: str
) -> None:
    with (tmp_path / "proc" / "self" / "mountinfo").open("a") as mountinfo:
        mountinfo.write(mounted)
    drives = ("/dev/sda", "/dev/sdb", "/dev/cciss/c0d0")
    assert [here.is_mounted(drive) for drive in drives] == [drive == used for drive in drives]


def test_a_drive_is_in_use_by_btrfs_and_as_swap(here: HostFacts, blocks: Path, tmp_path: Path) -> None:
    spread = tmp_path / "sys" / "fs" / "btrfs" / "some-uuid" / "devices"
    spread.mkdir(parents=True)
    (spread / "sdb").symlink_to(blocks / "sdb")
    assert (here.is_mounted("/dev/sda"), here.is_mounted("/dev/sdb")) == (False, True)
    (tmp_path / "proc" / "swaps").write_text("Filename Type Size Used Priority\n/dev/sda1 partition 1 0 -2\n")
    assert here.is_mounted("/dev/sda")


@pytest.mark.parametrize(
    ("release", "pack"),
    [
        ('PRETTY_NAME="SLES 15 SP5"\nVERSION="15-SP5"', "SP5"),
        ('PRETTY_NAME="Debian 12"\nVERSION="12 (bookworm)"', ""),
    ],
)
def test_a_service_pack_is_the_distributions(
    here: HostFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, pack: str
) -> None:
    (tmp_path / "os-release").write_text(f"NAME=x\nID=x\n{release}\n")
    # The module reads it once for a process, from fixed places.
    monkeypatch.setattr(platform, "_os_release_cache", None)
    monkeypatch.setattr(platform, "_os_release_candidates", (str(tmp_path / "os-release"),))
    assert here.service_pack() == pack
    assert here.operating_system() in release


def no_memory_stats(*_: int) -> dict[str, int]:
    raise libvirt_error(libvirt.VIR_ERR_NO_SUPPORT)


@pytest.mark.parametrize(
    "changes",
    [
        {"getMemoryStats": lambda *_: {"total": 2 << 20, "buffers": 1024, "cached": 2048}},
        {"getMemoryStats": lambda *_: {"total": 2 << 20, "free": 1 << 20}},
        {"getMemoryStats": no_memory_stats, "getFreeMemory": lambda: 0},
    ],
)
def test_memory_that_libvirt_does_not_tell_in_full_is_no_number(changes: dict[str, Any]) -> None:
    with pytest.raises(Unknowable, match="memory"):
        remote(**changes).memory_free()


def test_free_memory_alone_where_there_are_no_statistics() -> None:
    assert remote(getMemoryStats=no_memory_stats, getFreeMemory=lambda: 5 << 20).memory_free() == 5
