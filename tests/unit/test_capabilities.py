"""What a new machine is shaped as, for hypervisors of other kinds than those at hand, and its definition."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest
from lxml import etree

from vpcshim.hypervisor.capabilities import Shape, shape
from vpcshim.hypervisor.domainbuild import Drive, NewMachine, Nic, build
from vpcshim.hypervisor.errors import Unsupported

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"


class Host:
    """A virConnect as far as `shape` asks it: a host of a kind that is not at hand."""

    def __init__(self, guests: str, arch: str = "x86_64", devices: str = "", uri: str = "qemu:///system") -> None:
        self._capabilities = f"<capabilities><host><cpu><arch>{arch}</arch></cpu></host>{guests}</capabilities>"
        self._devices = devices
        self._uri = uri
        self.asked: tuple[Any, ...] = ()

    def getCapabilities(self) -> str:
        return self._capabilities

    def getURI(self) -> str:
        return self._uri

    def getDomainCapabilities(self, *asked: Any) -> str:
        self.asked = asked
        return f"<domainCapabilities><devices>{self._devices}</devices></domainCapabilities>"


def guest(arch: str, *types: str, machines: str = "", os: str = "hvm") -> str:
    domains = "".join(f"<domain type='{kind}'/>" for kind in types)
    listed = "".join(f"<machine>{name}</machine>" for name in machines.split())
    return f"<guest><os_type>{os}</os_type><arch name='{arch}'>{listed}{domains}</arch></guest>"


def disk(*buses: str) -> str:
    values = "".join(f"<value>{bus}</value>" for bus in buses)
    return f"<disk supported='yes'><enum name='bus'>{values}</enum></disk>"


PC = "pc-i440fx-7.2 pc q35"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (Host(guest("x86_64", "qemu", "kvm", machines=PC)), ("kvm", "x86_64", "pc")),
        (Host(guest("x86_64", "qemu", machines=PC)), ("qemu", "x86_64", "pc")),
        (Host(guest("x86_64", "qemu", machines="q35")), ("qemu", "x86_64", None)),
        (Host(guest("i686", "qemu", machines=PC) + guest("x86_64", "kvm", machines=PC)), ("kvm", "x86_64", "pc")),
        (Host(guest("aarch64", "kvm", machines="virt"), "aarch64"), ("kvm", "aarch64", None)),
        (
            Host(guest("aarch64", "kvm", machines="virt") + guest("x86_64", "qemu", machines=PC), "aarch64"),
            ("qemu", "x86_64", "pc"),
        ),
        (Host(guest("s390x", "qemu") + guest("ppc64", "qemu"), "ppc64"), ("qemu", "ppc64", None)),
        (Host(guest("x86_64", "xen", os="xen") + guest("x86_64", "xen")), ("xen", "x86_64", None)),
    ],
)
def test_a_machine_is_shaped_for_its_hypervisor(host: Any, expected: tuple[str, str, str | None]) -> None:
    found = shape(host)
    assert (found.type, found.arch, found.machine) == expected
    assert host.asked == (None, found.arch, found.machine, found.type, 0)


@pytest.mark.parametrize("guests", ["", guest("x86_64", "lxc", os="exe"), guest("x86_64")])
def test_a_hypervisor_without_machines_is_refused(guests: str) -> None:
    host: Any = Host(guests)
    with pytest.raises(Unsupported, match="capabilities"):
        shape(host)


@pytest.mark.parametrize(
    ("buses", "bus", "target", "addressed"),
    [
        (("ide", "fdc", "scsi"), "ide", "hdc", True),
        (("sata", "virtio"), "sata", "sda", False),
        (("scsi", "virtio"), "scsi", "sda", False),
        (("virtio",), "virtio", "vda", False),
    ],
)
def test_what_is_on_ide_is_where_the_hypervisor_has_room(
    buses: tuple[str, ...], bus: str, target: str, addressed: bool
) -> None:
    host: Any = Host(guest("x86_64", "kvm", machines=PC), devices=disk(*buses))
    root = build(NewMachine("web", UUID, 128, (Drive("ide", "disk", 1, 0, "/x.vhd", "vpc"),)), shape(host))
    found = root.find("devices/disk")
    assert found is not None
    named = found.find("target")
    assert named is not None
    assert (named.get("bus"), named.get("dev")) == (bus, target)
    assert (found.find("address") is not None) is addressed


@pytest.mark.parametrize(("uri", "kind"), [("qemu:///system", "ethernet"), ("qemu:///session", "user")])
def test_an_adapter_that_is_connected_to_nothing(uri: str, kind: str) -> None:
    host: Any = Host(guest("x86_64", "kvm", machines=PC), uri=uri)
    nic = build(NewMachine("web", UUID, 128, nics=(Nic("00:03:ff:00:00:01"),)), shape(host)).find(
        "devices/interface"
    )
    assert nic is not None
    assert etree.tostring(nic, encoding="unicode") == (
        f'<interface type="{kind}"><mac address="00:03:ff:00:00:01"/><link state="down"/></interface>'
    )


def test_what_is_no_pc_has_no_tables_of_one() -> None:
    plain = Shape("kvm", "aarch64", None, frozenset({"virtio"}), frozenset({"vnc"}), True)
    root = build(NewMachine("web", UUID, 128, identity={("system", "serial"): "1"}), plain)
    assert [root.find(name) for name in ("features", "sysinfo", "os/smbios")] == [None, None, None]
    assert root.find("devices/graphics[@type='vnc']") is not None


def test_a_hypervisor_without_floppy_drives_gets_none(caplog: pytest.LogCaptureFixture) -> None:
    host: Any = Host(guest("aarch64", "kvm", machines="virt"), "aarch64", devices=disk("scsi", "virtio", "sata"))
    drives = (Drive("ide", "cdrom", 1, 0), Drive("fdc", "floppy"))
    root = build(NewMachine("web", UUID, 128, drives), shape(host))
    assert [element.get("bus") for element in root.iterfind("devices/disk/target")] == ["sata"]
    assert "web: the hypervisor has no floppy drives" in caplog.text


def test_many_drives_have_names() -> None:
    machine = NewMachine(
        "web",
        UUID,
        128,
        tuple(Drive("scsi", "disk", number // 16, number % 16, "/x", "raw") for number in range(40)),
    )
    plain = Shape("test", "i686", None, frozenset({"scsi"}), frozenset(), False)
    names = [element.get("dev") for element in build(machine, plain).iterfind("devices/disk/target")]
    assert (names[0], names[25], names[26], names[39], len(set(names))) == ("sda", "sdz", "sdaa", "sdan", 40)


def test_what_xml_cannot_hold_is_refused() -> None:
    plain = Shape("test", "i686", None, frozenset(), frozenset(), False)
    with pytest.raises(ValueError, match="XML"):
        build(NewMachine("web", UUID, 128, notes="\x01"), plain)


def test_the_test_driver_is_a_hypervisor_too() -> None:
    connect = libvirt.open("test:///default")
    try:
        found = shape(connect)
    finally:
        connect.close()
    assert (found.type, found.arch, found.ide_bus) == ("test", "i686", "ide")
