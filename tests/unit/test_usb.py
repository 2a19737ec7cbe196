"""USB devices, read of node devices as libvirt writes them, on a stand-in for its handle.

The test driver has no USB devices, and a machine that builds this may have none.
"""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from vpcshim.hypervisor import usb

_STICK = """<device><name>usb_1_2_3</name><path>/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.3</path>
<parent>usb_1_2</parent><capability type='usb_device'><bus>1</bus><device>7</device>
<product id='0x5678'>Stick</product><vendor id='0x1234'>Acme</vendor></capability></device>"""
_HUB = """<device><name>usb_usb1</name><path>/sys/devices/pci0000:00/0000:00:14.0/usb1</path>
<capability type='usb_device'><bus>1</bus><device>1</device><product id='0x0002'/><vendor id='0x1d6b'/>
</capability></device>"""


def _interface(parent: str, number: int) -> str:
    return (
        f"<device><name>{parent}_if</name><parent>{parent}</parent>"
        f"<capability type='usb'><number>0</number><class>{number}</class></capability></device>"
    )


class Handle:
    """A node device or a domain: what matters of it is its XML."""

    def __init__(self, xml: str, name: str = "") -> None:
        self._xml, self._name = xml, name

    def XMLDesc(self, _flags: int = 0) -> str:
        return self._xml

    def name(self) -> str:
        return self._name


class Host:
    """A connection to a host with a stick and a hub."""

    def __init__(self, *domains: Handle) -> None:
        self._domains = domains

    def listAllDevices(self, kind: int) -> list[Handle]:
        if kind == libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV:
            return [Handle(_STICK), Handle(_HUB)]
        return [Handle(_interface("usb_1_2_3", 8)), Handle(_interface("usb_usb1", 9))]

    def listAllDomains(self, _kind: int) -> list[Handle]:
        return list(self._domains)


def stick(host: Any) -> usb.UsbDevice:
    (found,) = usb.devices(host)
    return found


def test_a_stick_is_read_and_the_hub_left_out() -> None:
    assert stick(Host()) == usb.UsbDevice("usb_1_2_3", 1, 7, 3, "Stick", "Acme", 0x5678, 0x1234, 8)


@pytest.mark.parametrize(
    ("source", "has"),
    [
        ("<address bus='1' device='7'/>", True),
        ("<address bus='1' device='8'/>", False),
        ("<address bus='2' device='7'/>", False),
        ("<vendor id='0x1234'/><product id='0x5678'/>", True),
        ("<vendor id='0x1234'/><product id='0x5679'/>", False),
        ("<vendor id='0x1234'/><product id='0x5678'/><address bus='1' device='8'/>", False),
    ],
)
def test_who_has_it(source: str, has: bool) -> None:
    held = f"<hostdev mode='subsystem' type='usb'><source>{source}</source></hostdev>"
    other = Handle("<domain><devices/></domain>", "other")
    web = Handle(f"<domain><devices>{held}</devices></domain>", "web")
    host: Any = Host(other, web)
    assert usb.holder(host, stick(host)) == ("web" if has else None)


def test_it_is_handed_over_by_its_place() -> None:
    assert '<address bus="1" device="7"/>' in stick(Host()).element()
