"""What the host is: of this machine from made-up trees of /proc and /sys, of another from what libvirt tells.

The connection is a stand-in: a second host is what none of the other kinds of test has.
"""

from __future__ import annotations

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


def test_a_drive_is_in_use_when_a_part_of_it_is_mounted(here: HostFacts, tmp_path: Path) -> None:
    blocks = tmp_path / "sys" / "class" / "block"
    for name, number in (("sda", "8:0"), ("sda/sda1", "8:1"), ("sdb", "8:16")):
        (blocks / name).mkdir(parents=True)
        (blocks / name / "dev").write_text(f"{number}\n")
    (blocks / "sda" / "sda1" / "partition").write_text("1\n")
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "proc" / "self" / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert here.is_mounted("/dev/sda")
    assert not here.is_mounted("/dev/sdb")


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
