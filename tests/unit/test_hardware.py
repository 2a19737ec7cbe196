"""What a machine is made of, as its domain XML says, and how it is changed there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from vpcshim.hypervisor import account, hardware
from vpcshim.hypervisor.errors import BadXml, Unsupported
from vpcshim.hypervisor.hardware import Adapter
from vpcshim.hypervisor.ports import Port

UUID = "6f3b3ab6-5b56-4d1c-8d4e-0f7f3e6f7a01"


def domain(devices: str = "", more: str = "", memory: str = "<memory>262144</memory>") -> str:
    return f"<domain><uuid>{UUID}</uuid>{memory}{more}<devices>{devices}</devices></domain>"


@pytest.mark.parametrize(
    ("memory", "megabytes"),
    [
        ("<memory>262144</memory>", 256),
        ("<memory unit='KiB'>262144</memory>", 256),
        ("<memory unit='MiB'>64</memory>", 64),
        ("<memory unit='GiB'>2</memory>", 2048),
        ("<memory unit='bytes'>1048576</memory>", 1),
        ("<memory unit='KiB'>2047</memory>", 1),
    ],
)
def test_memory(memory: str, megabytes: int) -> None:
    assert hardware.read(domain(memory=memory)).memory == megabytes


@pytest.mark.parametrize("memory", ["", "<memory>x</memory>", "<memory unit='acre'>1</memory>", "<memory/>"])
def test_what_is_no_memory(memory: str) -> None:
    with pytest.raises(BadXml):
        hardware.read(domain(memory=memory))


def test_of_several_base_boards_the_first_is_read_and_set() -> None:
    boards = "".join(f"<baseBoard><entry name='serial'>{serial}</entry></baseBoard>" for serial in ("one", "two"))
    root = etree.fromstring(domain(more=f"<os/><sysinfo type='smbios'>{boards}</sysinfo>"))
    for serial in ("one", "three"):
        hardware.set_firmware(root, "baseBoard", "serial", serial)
        assert hardware.read(etree.tostring(root, encoding="unicode")).firmware == {("baseBoard", "serial"): serial}


def test_adapters_ports_and_video() -> None:
    read = hardware.read(
        domain(
            "<interface type='bridge'><mac address='52:54:00:AA:00:01'/><source bridge='br0'/></interface>"
            "<interface type='network'><source network='default' bridge='virbr0'/><link state='up'/></interface>"
            "<interface type='network'><source network='default'/><link state='down'/></interface>"
            "<serial type='file'><source path='/log'/><target port='2'/></serial>"
            "<serial type='pty'><target port='0'/></serial><parallel type='dev'/>"
            "<video><model type='vga' vram='16384'/></video>"
        )
    )
    assert read.adapters == (Adapter("52:54:00:aa:00:01", "br0"), Adapter("", "default"), Adapter("", ""))
    assert read.serials == (Port(0, "pty"), Port(1), Port(2, "file", "/log"))
    assert read.parallels == (Port(0, "dev"),)
    assert read.video == 16
    assert hardware.read(domain()).video is None


def changed(text: str, table: str, entry: str, value: str) -> hardware.Hardware:
    root = etree.fromstring(text)
    hardware.set_firmware(root, table, entry, value)
    return hardware.read(etree.tostring(root, encoding="unicode"))


def test_the_firmware_says_what_is_set_beside_what_it_said() -> None:
    more = "<os><smbios mode='emulate'/></os><sysinfo type='fwcfg'><entry name='opt/a'>b</entry></sysinfo>"
    first = changed(domain(more=more), "chassis", "asset", "A1")
    assert (first.smbios, first.firmware) == ("sysinfo", {("chassis", "asset"): "A1"})
    more = (
        "<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><chassis><entry name='asset'>old</entry>"
        "<entry name='serial'>S</entry></chassis></sysinfo>"
    )
    second = changed(domain(more=more), "chassis", "asset", "new")
    assert second.firmware == {("chassis", "asset"): "new", ("chassis", "serial"): "S"}


@pytest.mark.parametrize("more", ["", "<os><smbios mode='host'/></os>"])
def test_a_firmware_that_cannot_say_it(more: str) -> None:
    with pytest.raises(Unsupported):
        changed(domain(more=more), "chassis", "asset", "A1")


@given(st.integers(1, 1 << 20))
def test_memory_is_set_as_it_is_read(megabytes: int) -> None:
    more = "<currentMemory unit='MiB'>1</currentMemory><cpu><numa><cell memory='1'/></numa></cpu>"
    root = etree.fromstring(domain(more=more))
    hardware.set_memory(root, megabytes)
    assert hardware.read(etree.tostring(root, encoding="unicode")).memory == megabytes
    assert root.findtext("currentMemory") == str(megabytes * 1024)
    cell = root.find("cpu/numa/cell")
    assert cell is not None
    assert dict(cell.attrib) == {"memory": str(megabytes * 1024), "unit": "KiB"}


@pytest.mark.parametrize(
    ("more", "devices"),
    [("<cpu><numa><cell memory='1'/><cell memory='1'/></numa></cpu>", ""), ("", "<memory model='dimm'/>")],
)
def test_memory_that_is_made_of_parts_stays(more: str, devices: str) -> None:
    root = etree.fromstring(domain(devices, more))
    before = etree.tostring(root)
    with pytest.raises(Unsupported, match="virsh edit"):
        hardware.set_memory(root, 64)
    assert etree.tostring(root) == before


def test_an_account_comes_and_goes_beside_other_labels() -> None:
    other = "<seclabel type='dynamic' model='selinux' relabel='yes'/>"
    root = etree.fromstring(domain(more=other))
    for name in ("nobody:nogroup", "qemu:+36"):
        account.change(root, name)
        assert account.read(etree.tostring(root, encoding="unicode")) == name
        assert len(root.findall("seclabel")) == 2
    account.change(root, "")
    assert account.read(etree.tostring(root, encoding="unicode")) == ""
    assert len(root.findall("seclabel")) == 1
